"""Unknown fates and late processes: what a dispatcher that stalls, dies, or loses the database may and may not do."""

import asyncio
from collections.abc import Sequence

import pytest

from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.attempt_records import AttemptKey, OriginateRefused, OriginateUnknown, SettledCall, SettleEntry
from ringoff.domain.errors import NothingTerminable
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.terminations import terminate
from ringoff.store.dispatch import PostgresDispatch
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, EVERY_WAY, FIRST, SECOND, Select

pytestmark = pytest.mark.anyio


async def expire_leases(actors: Actors) -> None:
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE dial_attempt SET lease_until = clock_timestamp() - interval '1 s'")


async def cut_idle_transactions(actors: Actors) -> int:
    """As if the database had died under them."""
    return await actors.world.count(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize("gate", ["permit.checked", "originate.before"])
async def test_a_dispatcher_that_stalls_after_its_permit_sends_nothing_late(actors: Actors, gate: str) -> None:
    await actors.world.campaign([FIRST, SECOND])
    actors.gates.hold(gate)
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached(gate)
    actors.clock.skip(0.3)  # longer than permit_ttl_ms
    actors.gates.release(gate)
    await dialling
    assert actors.dialled == []
    assert set((await actors.world.statuses()).values()) == {("registered", "QUEUED")}
    await actors.dial_all()
    assert sorted(actors.dialled) == [FIRST, SECOND]


async def test_a_place_in_the_pace_is_lost_when_it_is_not_used_in_time(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    actors.gates.hold("permit.before")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.before")
    actors.clock.skip(0.15)  # longer than slot_ttl_ms, shorter than permit_ttl_ms
    actors.gates.release("permit.before")
    await dialling
    assert actors.dialled == []


async def test_the_database_ends_a_permit_that_idles_and_lets_the_order_through(
    actors: Actors, database_dsn: str
) -> None:
    """A stopped dispatcher holds a termination no longer than ``originate_timeout_ms``, and then it may not send."""
    impatient = await PostgresStore.connect(database_dsn, originate_timeout_ms=100)
    supervisor = Supervisor(
        store=impatient, driver=actors.carrier, clock=actors.clock, limits=DispatchLimits(), gate=actors.gates
    )
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    actors.gates.hold("permit.checked")
    dialling = asyncio.create_task(actors.world.dial(supervisor, actors.clock.monotonic()))
    await actors.gates.reached("permit.checked")

    await terminate(actors.store, actors.world.principal, Selector(campaign_id=campaign_id))

    actors.clock.skip(0.3)
    actors.gates.release("permit.checked")
    await dialling
    assert actors.dialled == []
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    await impatient.close()


async def test_a_permit_after_the_rescue_is_refused(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    actors.gates.hold("permit.before")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.before")
    await expire_leases(actors)
    assert await actors.supervisor.rescuer.rescue() == 1
    actors.gates.release("permit.before")
    await dialling
    assert actors.dialled == []
    assert list((await actors.world.statuses()).values()) == [("error", "RECONCILED_TO_ERROR_FROM_REGISTERED")]


async def test_a_rescue_that_meets_a_permit_waits_and_finds_the_lease_renewed(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    actors.gates.hold("rescue.found")
    [(work, calls)] = await actors.world.claim(actors.supervisor)
    await expire_leases(actors)
    rescue = asyncio.create_task(actors.supervisor.rescuer.rescue())
    await actors.gates.reached("rescue.found")
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE dial_attempt SET lease_until = clock_timestamp() + interval '15 s'")
    await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())
    actors.gates.release("rescue.found")
    await rescue
    assert actors.dialled == [FIRST]
    assert list((await actors.world.statuses()).values()) == [("ongoing", "ACCEPTED")]


@pytest.mark.parametrize(
    ("was_answered", "expected"),
    [
        (False, ("error", "RECONCILED_TO_ERROR_FROM_ONGOING")),
        (True, ("completed", "RECONCILED_TO_COMPLETED_FROM_ONGOING")),
    ],
)
async def test_a_call_of_unknown_fate_is_never_dialled_again(
    actors: Actors, was_answered: bool, expected: tuple[str, str]
) -> None:
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    if was_answered:
        request = actors.carrier.wire[0]
        key = AttemptKey(request.attempt_id, request.call_id)
        async with actors.store.transaction() as tx:
            mark = (actors.world.workspace_id, key, actors.clock.now())
            await tx.dispatch.record_progress([], [mark])
    await expire_leases(actors)
    assert await actors.supervisor.rescuer.rescue() == 0, "the process that dialled it knows its fate"
    assert await actors.another_process().rescuer.rescue() == 1
    assert list((await actors.world.statuses()).values()) == [expected]
    await actors.dial_all()
    assert actors.dialled == [FIRST]
    assert await broken_invariants(actors.store) == []


async def test_a_dialled_call_whose_permit_was_not_committed_keeps_its_outcome(actors: Actors) -> None:
    """The database died between send and commit: the row says registered, the process knows better."""
    await actors.world.campaign([FIRST])
    actors.gates.hold("permit.before_commit")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.before_commit")
    assert await cut_idle_transactions(actors) == 1
    actors.gates.release("permit.before_commit")
    await dialling
    assert actors.dialled == [FIRST]
    assert list((await actors.world.statuses()).values()) == [("registered", "QUEUED")]
    await actors.dial_all()
    assert actors.dialled == [FIRST], "the prepared attempt stands in the way of a second ring"
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 200, was_answered=True, talk_ms=1_000)
        await actors.all_settled()
    assert list((await actors.world.statuses()).values()) == [("completed", "ACCEPTED")]
    assert await broken_invariants(actors.store) == []


@pytest.mark.parametrize("gate", ["permit.checked", "originate.before"])
async def test_a_dispatcher_whose_session_was_cut_sends_nothing(actors: Actors, gate: str) -> None:
    """Its locks are gone at once: an order may be acknowledged while the dispatcher still runs on."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    actors.gates.hold(gate)
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached(gate)
    assert await cut_idle_transactions(actors) == 1
    await terminate(actors.store, actors.world.principal, Selector(campaign_id=campaign_id))
    actors.gates.release(gate)
    await dialling
    assert actors.dialled == []
    assert set((await actors.world.statuses()).values()) == {CANCELLED}


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_an_order_waits_for_a_rescue_that_judges_its_calls(actors: Actors, select: Select, rows_max: int) -> None:
    """An order that got between would be promised a pending call, and see it end as an error after its answer."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    await actors.world.claim(actors.supervisor, count_max=1)
    await expire_leases(actors)
    actors.gates.hold("rescue.before_commit")
    rescue = asyncio.create_task(actors.supervisor.rescuer.rescue())
    await actors.gates.reached("rescue.before_commit")
    order = asyncio.create_task(terminate(actors.store, actors.world.principal, selector, number_rows_max=rows_max))
    await actors.waits_for_a_lock(order)
    actors.gates.release("rescue.before_commit")
    await rescue
    await order
    acknowledged = await actors.world.statuses()
    assert set(acknowledged.values()) == {("error", "RECONCILED_TO_ERROR_FROM_REGISTERED"), CANCELLED}
    await actors.world.sweep_all(actors.supervisor)
    assert await actors.world.statuses() == acknowledged


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_an_order_waits_for_the_outcome_of_a_lost_permit(actors: Actors, select: Select, rows_max: int) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    [(work, [first])] = await actors.world.claim(actors.supervisor, count_max=1)
    actors.gates.hold("permit.before_commit")
    dialling = asyncio.create_task(actors.supervisor.dialer.dial(work, [first], actors.clock.monotonic()))
    await actors.gates.reached("permit.before_commit")
    assert await cut_idle_transactions(actors) == 1
    actors.gates.release("permit.before_commit")
    await dialling
    actors.gates.hold("settle.before_commit")
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 200, was_answered=True, talk_ms=1_000)
        await actors.gates.reached("settle.before_commit")
        order = asyncio.create_task(terminate(actors.store, actors.world.principal, selector, number_rows_max=rows_max))
        await actors.waits_for_a_lock(order)
        actors.gates.release("settle.before_commit")
        await order
        await actors.all_settled()
    acknowledged = await actors.world.statuses()
    assert set(acknowledged.values()) == {("completed", "ACCEPTED"), CANCELLED}
    await actors.world.sweep_all(actors.supervisor)
    assert await actors.world.statuses() == acknowledged


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (
            OriginateRefused(Outcome(Disposition.INVALID_NUMBER, ReleaseCause(404))),
            ("failed", "FAILED"),
        ),
        (OriginateUnknown(), ("error", "RECONCILED_TO_ERROR_FROM_ONGOING")),
    ],
)
async def test_what_a_driver_knows_at_once_is_settled(
    actors: Actors, raised: Exception, expected: tuple[str, str]
) -> None:
    await actors.world.campaign([FIRST])
    actors.carrier.raises = raised
    async with actors.settling():
        await actors.dial_all()
        await actors.all_settled()
    assert list((await actors.world.statuses()).values()) == [expected]


async def test_two_dispatchers_never_ring_a_number_twice(actors: Actors) -> None:
    numbers = [f"+1202555{n:04}" for n in range(2_000, 2_060)]
    await actors.world.campaign(numbers)
    other = Supervisor(store=actors.store, driver=actors.carrier, clock=actors.clock, gate=actors.gates)
    async with asyncio.TaskGroup() as dispatchers:
        for supervisor in (actors.supervisor, other, actors.supervisor, other):
            dispatchers.create_task(actors.world.dial(supervisor, actors.clock.monotonic()))
    while len(actors.dialled) < len(numbers):
        await actors.dial_all()
    assert sorted(actors.dialled) == numbers
    assert await broken_invariants(actors.store) == []


async def test_nothing_of_a_batch_is_sent_after_its_locks_are_gone(actors: Actors) -> None:
    """One originate breaks its contract while the others wait for their turn on the wire."""
    third = "+12025550113"
    campaign_id = await actors.world.campaign([FIRST, SECOND, third])
    actors.carrier.raises_for[FIRST] = ConnectionRefusedError("not a word that a driver may say")
    actors.carrier.may_send.clear()
    actors.gates.hold("permit.checked")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.checked")
    order = asyncio.create_task(
        terminate(actors.store, actors.world.principal, Selector(campaign_id=campaign_id), gate=actors.gates)
    )
    await actors.waits_for_a_lock(order)
    actors.gates.release("permit.checked")
    await actors.carrier.has_raised.wait()
    await actors.waits_for_a_lock(order)
    assert not dialling.done(), "the permit is open as long as one of its requests may still leave"
    actors.carrier.may_send.set()
    await dialling
    with pytest.raises(NothingTerminable):
        await order
    assert sorted(actors.dialled) == [SECOND, third]
    async with actors.settling():
        for request in actors.carrier.wire:
            actors.carrier.ends(request.attempt_id, 200, was_answered=True)
        await actors.all_settled()
    by_number = await actors.world.status_by_number()
    assert by_number[FIRST] == ("error", "RECONCILED_TO_ERROR_FROM_ONGOING"), "what it sent is unknown"
    assert by_number[SECOND] == by_number[third] == ("completed", "ACCEPTED")


async def test_a_carriers_words_cannot_cost_other_calls_their_outcome(actors: Actors) -> None:
    numbers = [f"+1202555{n:04}" for n in range(5_000, 5_010)]
    await actors.world.campaign(numbers)
    await actors.dial_all()
    async with actors.settling():
        for place, request in enumerate(actors.carrier.wire):
            actors.carrier.ends(request.attempt_id, 607, text="un\x00wanted \ud800" if place == 3 else "unwanted")
        await actors.all_settled()
    assert set((await actors.world.statuses()).values()) == {("failed", "FAILED")}


async def test_an_outcome_that_the_database_refuses_costs_no_other(
    actors: Actors, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [f"+1202555{n:04}" for n in range(5_000, 5_010)]
    await actors.world.campaign(numbers)
    await actors.dial_all()
    refused = actors.carrier.wire[3].attempt_id
    settle = PostgresDispatch.settle

    async def settle_but_one(self: PostgresDispatch, entries: Sequence[SettleEntry]) -> Sequence[SettledCall]:
        if any(entry.attempt_id == refused for entry in entries):
            raise ValueError("as a driver's data error would be")
        return await settle(self, entries)

    monkeypatch.setattr(PostgresDispatch, "settle", settle_but_one)
    async with actors.settling():
        for request in actors.carrier.wire:
            actors.carrier.ends(request.attempt_id, 486)
        await actors.all_settled()
    by_number = await actors.world.status_by_number()
    assert by_number.pop(actors.carrier.wire[3].called_number) == ("ongoing", "ACCEPTED"), "left to its lease"
    assert set(by_number.values()) == {("retry", "RETRY_SCHEDULED")}


async def test_an_outcome_of_a_row_that_an_order_is_barring(actors: Actors) -> None:
    """Settle waits for the order's row lock, with a snapshot from before the order."""
    await actors.world.campaign([FIRST, SECOND])
    [(work, [first_call])] = await actors.world.claim(actors.supervisor, count_max=1)
    await actors.supervisor.dialer.dial(work, [first_call], actors.clock.monotonic())
    actors.gates.hold("terminate.before_commit")
    order = asyncio.create_task(
        terminate(actors.store, actors.world.principal, Selector(mobile_numbers=(FIRST, SECOND)), gate=actors.gates)
    )
    await actors.gates.reached("terminate.before_commit")
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 486)
        await actors.waits_for_a_lock(order)
        actors.gates.release("terminate.before_commit")
        await order
        await actors.all_settled()
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    assert await broken_invariants(actors.store) == []


async def test_fenced_calls_are_not_claimed_again_and_again(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    await terminate(actors.store, actors.world.principal, Selector(mobile_numbers=(FIRST, SECOND)), number_rows_max=0)
    await actors.dial_all()
    assert actors.dialled == []
    assert await actors.world.claim(actors.supervisor) == []
    await actors.world.sweep_all(actors.supervisor)
    assert set((await actors.world.statuses()).values()) == {CANCELLED}


async def test_an_order_does_not_queue_behind_busy_requests(actors: Actors, database_dsn: str) -> None:
    campaign_id = await actors.world.campaign([FIRST])
    store = await PostgresStore.connect(database_dsn, pool_max=1, order_pool_max=1)
    async with store.transaction():  # an upload that takes its time
        await terminate(store, actors.world.principal, Selector(campaign_id=campaign_id))
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    await store.close()


async def test_a_stop_does_not_wait_for_ever_for_a_batch_that_cannot_end(actors: Actors) -> None:
    """A database that confirms no commit holds it between claim and wire; nothing of it is dialled afterwards."""
    await actors.world.campaign([FIRST])
    actors.gates.hold("permit.before")
    supervisor = actors.another_process()
    running = asyncio.create_task(supervisor.run())
    await actors.gates.reached("permit.before")
    supervisor.stop()
    async with asyncio.timeout(20):
        while not running.done():
            await actors.clock.advance(0.5)
            await asyncio.sleep(0)
    await running
    assert actors.dialled == []
