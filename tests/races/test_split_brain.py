"""A primary that is cut off from its standby, or replaced by it, acknowledges nothing, and nobody rings who may not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.errors import DatabaseUnavailable
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations import suppressions
from ringoff.operations.terminations import IdempotencyKey, terminate
from ringoff.store.embedded import DATABASE
from ringoff.store.hosts import Host
from ringoff.store.migrate import apply_migrations
from ringoff.store.postgres import PostgresStore, connect_once
from ringoff.store.primary import Primary, Session
from tests.races.conftest import Actors
from tests.support.replicated import Node, ReplicatedPostgres, loopback_places
from tests.support.world import World

pytestmark = pytest.mark.anyio

NUMBERS = ["+919876543210", "+919876543211"]
_FAR_S = 0.5
"""What a far host needs to answer, and a near one does not, however busy the machine is."""
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def replicated() -> Iterator[ReplicatedPostgres]:
    with ReplicatedPostgres(*loopback_places()) as database:
        yield database


@pytest.fixture
async def replicated_store(replicated: ReplicatedPostgres) -> AsyncIterator[PostgresStore]:
    connection = await connect_once(replicated.dsn)
    await apply_migrations(connection)
    await connection.close()
    store = await PostgresStore.connect(replicated.dsn)
    try:
        yield store
    finally:
        await store.close(timeout_s=1.0)


@pytest.fixture
async def cast(replicated_store: PostgresStore) -> Actors:
    return Actors(replicated_store, await World.make(replicated_store))


async def until(condition: Callable[[], bool]) -> None:
    """Asks PostgreSQL in a thread, so that the loop goes on."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):
            pass


async def cancel_the_wait(node: Node, task: "asyncio.Task[object]") -> None:
    """As an administrator would: the commit that waits for the standby is told to go on without it."""
    await until(lambda: task.done() or bool(node.ask(WAITING)))
    assert not task.done(), "it was answered although the standby is away"
    node.ask(f"SELECT pg_cancel_backend(pid) FROM ({WAITING}) waiting")


async def test_a_commit_that_gave_up_waiting_for_its_standby_is_not_acknowledged(
    cast: Actors, replicated: ReplicatedPostgres
) -> None:
    campaign_id = await cast.world.campaign(NUMBERS)
    replicated.standby.pause()
    order = asyncio.create_task(terminate(cast.store, cast.world.principal, Selector(campaign_id=campaign_id)))
    await cancel_the_wait(replicated.primary, order)
    with pytest.raises(DatabaseUnavailable, match="its fate is open"):
        await order
    fences = replicated.primary.ask("SELECT count(*) FROM termination", DATABASE)
    assert fences == "1", "PostgreSQL has committed it here all the same: that is the trap"


async def test_what_only_the_cut_off_primary_knows_is_not_acknowledged_when_it_is_read(
    cast: Actors, replicated: ReplicatedPostgres
) -> None:
    """The order above again: its key has an answer; without a key nothing is left to end. The standby has neither."""
    order = TerminationOrder(Selector(campaign_id=await cast.world.campaign(NUMBERS)))
    key = IdempotencyKey("key", "native", lambda receipt: "written down")
    replicated.standby.pause()
    for idempotency in (key, key, None):
        given = asyncio.create_task(terminate(cast.store, cast.world.principal, order, idempotency=idempotency))
        await cancel_the_wait(replicated.primary, given)
        with pytest.raises(DatabaseUnavailable, match="its fate is open"):
            await given


async def test_a_number_that_only_the_cut_off_primary_suppresses_is_not_acknowledged(
    cast: Actors, replicated: ReplicatedPostgres
) -> None:
    replicated.standby.pause()
    for _once_more in range(2):
        given = asyncio.create_task(suppressions.suppress(cast.store, cast.world.principal, NUMBERS, None))
        await cancel_the_wait(replicated.primary, given)
        with pytest.raises(DatabaseUnavailable, match="its fate is open"):
            await given


async def test_no_claim_commits_without_the_standby_so_nothing_is_dialled(
    cast: Actors, replicated: ReplicatedPostgres
) -> None:
    await cast.world.campaign(NUMBERS)
    replicated.standby.pause()
    async with asyncio.TaskGroup() as dials:
        round_ = asyncio.create_task(cast.supervisor.dispatcher.dispatch_round(dials))
        await cancel_the_wait(replicated.primary, round_)
        with pytest.raises(DatabaseUnavailable, match="its fate is open"):
            await round_
    assert cast.dialled == []


async def test_no_second_request_leaves_a_primary_that_may_have_been_replaced(
    cast: Actors, replicated: ReplicatedPostgres
) -> None:
    """Its fences are those of before: an order may have been acknowledged by the promoted standby."""
    await cast.world.campaign(NUMBERS)
    async with cast.settling():
        [(work, [first])] = await cast.world.claim(cast.supervisor, count_max=1)
        await cast.supervisor.dialer.dial(work, [first], cast.clock.monotonic())
        cast.carrier.wants_permit(first.attempt_id)
        attempt = await cast.supervisor.settler.permits_wanted.get()
        replicated.standby.pause()
        permit = asyncio.create_task(cast.supervisor.second_permits.permit_again([attempt]))
        await cancel_the_wait(replicated.primary, permit)
        await permit
        assert cast.carrier.resumed == []
        replicated.standby.resume()
        await cast.all_settled()


async def test_a_new_primary_acknowledges_nothing_until_the_permits_of_the_old_one_are_dead(
    cast: Actors, replicated: ReplicatedPostgres
) -> None:
    campaign_id = await cast.world.campaign(NUMBERS)
    patient = await PostgresStore.connect(replicated.dsn, quiet_ms=3_600_000)
    try:
        order = asyncio.create_task(terminate(patient, cast.world.principal, Selector(campaign_id=campaign_id)))
        node = replicated.primary
        await until(lambda: node.ask("SELECT count(*) FROM termination", DATABASE) == "1")
        assert not order.done()
        order.cancel()
        await asyncio.gather(order, return_exceptions=True)
    finally:
        await patient.close(timeout_s=1.0)


async def test_while_commits_are_not_confirmed_nothing_is_changed_and_the_refusal_is_quick(
    cast: Actors, replicated: ReplicatedPostgres
) -> None:
    campaign_id = await cast.world.campaign(NUMBERS)
    watch = asyncio.create_task(cast.store.watch(SystemClock()))
    try:
        replicated.standby.pause()
        async with asyncio.timeout(60):
            while not cast.store.is_unconfirmed:
                await asyncio.to_thread(replicated.primary.ask, "SELECT 1")
        with pytest.raises(DatabaseUnavailable, match="nothing was changed"):
            await terminate(cast.store, cast.world.principal, Selector(campaign_id=campaign_id))
        assert {status for status, _sub in (await cast.world.statuses()).values()} == {"registered"}, "reading goes on"
        replicated.standby.resume()
        async with asyncio.timeout(60):
            while cast.store.is_unconfirmed:
                await asyncio.to_thread(replicated.primary.ask, "SELECT 1")
        await terminate(cast.store, cast.world.principal, Selector(campaign_id=campaign_id))
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


@pytest.mark.parametrize("looks", ["before the promotion", "after it, and finds the new one at once"])
async def test_a_silent_primary_is_left_for_the_promoted_standby_and_never_returned_to(
    cast: Actors, replicated: ReplicatedPostgres, looks: str
) -> None:
    """The old one stands still with its connections open, like a host that fell off the net; then it comes back."""
    campaign_id = await cast.world.campaign(NUMBERS)
    old = replicated.primary
    watching = asyncio.Event()

    async def watched() -> None:
        await watching.wait()
        await cast.store.watch(SystemClock())

    watch = asyncio.create_task(watched())
    try:
        if looks == "before the promotion":
            watching.set()
        old.pause()
        waiting = asyncio.create_task(cast.world.statuses())
        await asyncio.to_thread(replicated.promote)
        watching.set()
        with pytest.raises(DatabaseUnavailable):
            async with asyncio.timeout(60):
                await waiting
        async with asyncio.timeout(60):
            while (given := await attempted(cast, Selector(campaign_id=campaign_id))) is None:
                pass
        old.resume()
        assert await asyncio.to_thread(old.ask, "SELECT pg_is_in_recovery()") == "f", "it calls itself primary still"
        async with AsyncExitStack() as held:
            for _new_connection in range(5):
                tx = await held.enter_async_context(cast.store.transaction())
                count = await tx.connection.fetchval(
                    "SELECT count(*) FROM termination WHERE termination_id = $1", given
                )
                assert count == 1
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def test_a_primary_that_lives_on_and_answers_first_is_left_for_the_one_that_replaced_it(
    cast: Actors, replicated: ReplicatedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is nearer to us than the other one, and its commits wait for a standby that is none any more."""
    campaign_id = await cast.world.campaign(NUMBERS)
    near, opened = replicated.primary.place.host, Primary._open

    async def open_at_a_distance(primary: Primary, host: Host, settings: Mapping[str, str], name: str) -> Session:
        if host.name != near:
            await asyncio.sleep(_FAR_S)
        return await opened(primary, host, settings, name)

    monkeypatch.setattr(Primary, "_open", open_at_a_distance)
    monkeypatch.setattr("ringoff.store.primary._ELECTION_S", 4 * _FAR_S)
    await asyncio.to_thread(replicated.promote)
    watch = asyncio.create_task(cast.store.watch(SystemClock()))
    try:
        async with asyncio.timeout(45):
            while await attempted(cast, Selector(campaign_id=campaign_id)) is None:
                pass
        statuses = await asyncio.to_thread(
            replicated.primary.ask, "SELECT DISTINCT status FROM call_effective", DATABASE
        )
        assert statuses == "cancelled"
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def attempted(cast: Actors, selector: Selector) -> object:
    """The order's id; None while the database is away."""
    try:
        return await cast.terminate(selector)
    except DatabaseUnavailable:
        return None
