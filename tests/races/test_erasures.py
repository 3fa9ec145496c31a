"""Erasing persons by number: what ends first, what is replaced everywhere, and what stays exact."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.erasure import Erasure, ErasureRequest, ErasureState
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import ErasureId
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.domain.webhook_records import OpenSubscription, StatusCallback, TryOutcome
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import campaigns, erasures, suppressions
from ringoff.operations.erasures import Erasing, order_erasure
from ringoff.store.kept import try_hold_rest
from ringoff.webhooks.sender import Try
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, FIRST, SECOND
from tests.support.subscribers import Line, deliverer, subscribed
from tests.support.world import CALLING_NUMBER, World

pytestmark = pytest.mark.anyio

ADA_SAYS = "Ada Lovelace"
START = datetime(2026, 1, 1, tzinfo=UTC)


async def name_them(world: World) -> None:
    """Give every contact a name and variables that no other table may keep."""
    async with world.store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE contact SET callee_name = $2, custom_args = jsonb_build_object('balance', '17 pounds')"
            " WHERE workspace_id = $1",
            world.workspace_id,
            ADA_SAYS,
        )


async def traces(world: World, *words: str) -> set[str]:
    """The tables of the whole database in which one of the words stands, but for the list of suppressed numbers."""
    found = set()
    async with world.store.transaction() as tx:
        tables = await tx.connection.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        )
        for table in tables:
            pattern = "|".join(word.removeprefix("+") for word in words)
            query = f"SELECT EXISTS (SELECT FROM {table['name']} t WHERE t::text ~ $1)"
            if table["name"] != "suppression" and await tx.connection.fetchval(query, pattern):
                found.add(table["name"])
    return found


async def order(actors: Actors, *numbers: str, suppress: bool = True) -> Erasure:
    return await order_erasure(actors.store, actors.world.principal, ErasureRequest(numbers, suppress, "they asked"))


async def carry_out(actors: Actors, erasure_id: ErasureId, rows_max: int = 3) -> Erasure:
    """Until it is done; the waiting between two looks is taken out of the table."""
    work = Erasing(actors.store, batch_rows_max=rows_max)
    async with asyncio.timeout(30):
        while True:
            await look_now(actors)
            await work.step()
            await actors.world.sweep_all(actors.supervisor)
            found = await erasures.erasure(actors.store, actors.world.principal, erasure_id)
            if found.state is ErasureState.DONE:
                return found


async def until_it_begins(actors: Actors, erasure_id: ErasureId) -> None:
    """Transactions of other databases on the same server may hold it up for a moment."""
    async with asyncio.timeout(30):
        while True:
            await look_now(actors)
            await Erasing(actors.store).step()
            if (await erasures.erasure(actors.store, actors.world.principal, erasure_id)).state is ErasureState.ERASING:
                return


async def until_unblocked(actors: Actors, *ordered: Erasure) -> None:
    """Until nothing stands in the way of any of them; nothing can come into it later."""
    async with asyncio.timeout(30):
        for each in ordered:
            is_blocked = True
            while is_blocked:
                async with actors.store.transaction() as tx:
                    is_blocked = (await tx.erasures.hindrances(each)).is_blocked


async def look_now(actors: Actors) -> None:
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE erasure SET due_at = clock_timestamp() WHERE state <> 'done'")


async def end_all(actors: Actors, cause: int = 200) -> None:
    async with actors.settling():
        for request in actors.carrier.wire:
            actors.carrier.ends(request.attempt_id, cause)
        await actors.all_settled()


async def numbers_of(actors: Actors) -> Sequence[str]:
    async with actors.store.transaction() as tx:
        rows = await tx.connection.fetch("SELECT called_number FROM call_effective ORDER BY call_id")
    return [row["called_number"] for row in rows]


async def test_nothing_is_left_of_a_number_but_its_suppression(actors: Actors) -> None:
    world = actors.world
    await world.subscribe(EventType.CALL_COMPLETED, EventType.TERMINATION_SETTLED)
    campaign_id = await world.campaign([FIRST, SECOND])
    await name_them(world)
    await actors.dial_all()
    await end_all(actors)
    await world.campaign([FIRST, SECOND])
    await world.individual_call(FIRST)
    await actors.terminate(TerminationOrder(Selector(mobile_numbers=(FIRST, SECOND)), reason=f"ask {FIRST}"))
    await world.individual_call(FIRST)
    ordered = await order(actors, FIRST)
    assert (ordered.state, ordered.suppressed_count, ordered.termination_id is not None) == ("waiting", 1, True)
    before = await world.raw_statuses()
    done = await carry_out(actors, ordered.erasure_id)
    assert await traces(world, FIRST) == set()
    assert (done.counts.calls, done.counts.attempts, done.counts.contacts) == (4, 1, 4)
    assert done.counts.words >= 3, "two orders and an event"
    assert (done.percent, list(done.numbers), list(done.masked_numbers)) == (100, [], ["+1202…11"])
    assert await world.raw_statuses() == before, "calls stay, each with its outcome"
    assert sorted(await numbers_of(actors)) == sorted([*["erased"] * 4, SECOND, SECOND])
    kept = await suppressions.suppression(actors.store, world.principal, FIRST)
    assert kept.reason == f"personal data erased: erasure {done.erasure_id}"
    assert await broken_invariants(actors.store) == []
    assert done.termination_id is not None
    receipt = await actors.receipt(done.termination_id)
    assert (receipt.state, receipt.cancelled_count) == ("settled", 1)
    assert await world.count("SELECT count(*) FROM call_effective WHERE campaign_id = $1", campaign_id) == 2


async def test_names_and_variables_go_with_the_number(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    await name_them(actors.world)
    done = await carry_out(actors, (await order(actors, FIRST)).erasure_id)
    assert await traces(actors.world, FIRST, ADA_SAYS, "17 pounds") == set()
    assert done.counts.contacts == 1


async def test_others_are_not_touched_nor_other_workspaces(actors: Actors) -> None:
    stranger = await World.make(actors.store)
    await stranger.campaign([FIRST])
    await actors.world.campaign([FIRST, SECOND])
    await carry_out(actors, (await order(actors, FIRST)).erasure_id)
    assert await actors.world.status_by_number() == {"erased": CANCELLED, SECOND: ("registered", "QUEUED")}
    assert await stranger.status_by_number() == {FIRST: ("registered", "QUEUED")}


async def test_what_is_on_the_wire_ends_first(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    ordered = await order(actors, FIRST)
    work = Erasing(actors.store)
    await look_now(actors)
    assert await work.step() is None, "it waits"
    assert await numbers_of(actors) == [FIRST]
    await end_all(actors)
    done = await carry_out(actors, ordered.erasure_id)
    assert (done.counts.calls, await actors.world.status_by_number()) == (1, {"erased": ("completed", "ACCEPTED")})


@pytest.mark.parametrize("suppress", [True, False])
async def test_a_retry_that_was_scheduled_after_the_order_is_terminated(actors: Actors, suppress: bool) -> None:
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    ordered = await order(actors, FIRST, suppress=suppress)
    assert ordered.termination_id is None, "nothing was pending"
    await end_all(actors, cause=486)
    assert (await actors.world.status_by_number())[FIRST] == ("retry", "RETRY_SCHEDULED")
    await carry_out(actors, ordered.erasure_id)
    await actors.dial_all()
    assert len(actors.dialled) == 1
    assert await actors.world.status_by_number() == {"erased": CANCELLED}


async def test_a_number_that_may_be_rung_again_keeps_its_new_calls(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    ordered = await order(actors, FIRST, suppress=False)
    await actors.world.campaign([FIRST])
    await carry_out(actors, ordered.erasure_id)
    assert await actors.world.status_by_number() == {"erased": CANCELLED, FIRST: ("registered", "QUEUED")}
    await actors.dial_all()
    assert actors.dialled == [FIRST]


async def test_a_restart_registers_nothing_for_somebody_who_was_erased(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    ordered = await order(actors, FIRST, suppress=False)
    await carry_out(actors, ordered.erasure_id)
    await actors.terminate(Selector(campaign_id=campaign_id))
    async with actors.store.transaction() as tx:
        registered = await tx.campaigns.register_terminated(actors.world.workspace_id, campaign_id, 1, START)
    assert registered == 1, "only the other one"


async def test_a_restart_before_the_walk_registers_nothing_for_whom_it_erases(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    await name_them(actors.world)
    await actors.terminate(Selector(campaign_id=campaign_id))
    ordered = await order(actors, FIRST, suppress=False)
    await campaigns.start(
        actors.store,
        actors.world.principal,
        actors.world.agent_id,
        campaign_id,
        [CALLING_NUMBER],
        now=SystemClock().now(),
    )
    await carry_out(actors, ordered.erasure_id)
    await actors.dial_all()
    assert [(request.called_number, request.parameters["balance"]) for request in actors.carrier.wire] == [
        (SECOND, "17 pounds")
    ]
    assert await traces(actors.world, FIRST) == set()


async def test_a_restart_under_way_when_the_order_comes_is_covered_by_it(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST])
    await actors.terminate(Selector(campaign_id=campaign_id))

    async def restart() -> int:
        async with actors.store.transaction() as tx:
            return await tx.campaigns.register_terminated(actors.world.workspace_id, campaign_id, 1, START)

    async with actors.store.transaction() as tx:
        # The restart has looked for erasures when it comes to this lock.
        assert await try_hold_rest(tx.connection)
        restarting = asyncio.create_task(restart())
        await actors.waits_for_a_lock(restarting)
        ordered = await order(actors, FIRST, suppress=False)
    assert await restarting == 1
    done = await carry_out(actors, ordered.erasure_id)
    assert (done.counts.calls, await actors.world.status_by_number()) == (2, {"erased": CANCELLED})
    assert await traces(actors.world, FIRST) == set()


async def test_a_fence_on_the_number_settles_first(actors: Actors) -> None:
    await actors.world.campaign([FIRST] * 3)
    await actors.terminate(TerminationOrder(Selector(mobile_numbers=(FIRST,))), number_rows_max=1)
    ordered = await order(actors, FIRST)
    await look_now(actors)
    assert await Erasing(actors.store).step() is None
    done = await carry_out(actors, ordered.erasure_id)
    assert done.counts.calls == 3
    assert await broken_invariants(actors.store) == []


async def test_two_erasures_of_a_workspace_read_the_tables_once(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND, "+12025550177"])
    one, other = await order(actors, FIRST), await order(actors, SECOND)
    await until_unblocked(actors, one, other)
    first = await carry_out(actors, one.erasure_id)
    second = await erasures.erasure(actors.store, actors.world.principal, other.erasure_id)
    assert (first.state, second.state, first.counts.calls, second.counts.calls) == ("done", "done", 1, 1)
    assert first.read_count == second.read_count


async def test_an_order_whose_giver_died_is_finished_by_the_loop(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    actors.gates.hold("erase.ordered")
    dying = asyncio.create_task(
        order_erasure(actors.store, actors.world.principal, ErasureRequest((FIRST,)), gate=actors.gates)
    )
    await actors.gates.reached("erase.ordered")
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    [left] = await erasures.erasures(actors.store, actors.world.principal, None, 10)
    assert left.state is ErasureState.ORDERED
    await actors.dial_all()
    assert actors.dialled == [], "the number is suppressed already"
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE erasure SET created_at = created_at - interval '2 minutes'")
    done = await carry_out(actors, left.erasure_id)
    assert done.counts.calls == 1


async def test_a_batch_that_dies_is_done_again_and_counted_once(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND] * 4)
    ordered = await order(actors, FIRST)
    await until_it_begins(actors, ordered.erasure_id)
    actors.gates.hold("erase.before_commit")
    dying = asyncio.create_task(Erasing(actors.store, actors.gates, batch_rows_max=3).step())
    await actors.gates.reached("erase.before_commit")
    assert await Erasing(actors.store).step() is None, "another process leaves it alone"
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    done = await carry_out(actors, ordered.erasure_id)
    assert (done.counts.calls, (await numbers_of(actors)).count("erased")) == (4, 4)


async def test_the_callback_of_a_request_goes_with_its_call(actors: Actors) -> None:
    call_id = await actors.world.individual_call(FIRST)
    async with actors.store.transaction() as tx:
        address = f"https://hook.example/{FIRST}"
        callback = StatusCallback(origin="https://hook.example", callback_url=address, headers={"X-Name": ADA_SAYS})
        await tx.webhooks.keep_callback(
            actors.world.workspace_id, call_id, callback, signing_secret="secret", origins_max=10
        )
    await carry_out(actors, (await order(actors, FIRST)).erasure_id)
    assert await traces(actors.world, FIRST, ADA_SAYS) == set()
    pending = "SELECT count(*) FROM webhook_delivery WHERE state = 'pending'"
    assert await actors.world.count(pending) == 0, "its address is gone"


async def claimed_with_number(actors: Actors) -> tuple[OpenSubscription, TryOutcome]:
    """A delivery about FIRST that is on its way, and the answer that will come: it repeats the number."""
    subscription = await subscribed(actors.world)
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    await end_all(actors)
    async with actors.store.transaction() as tx:
        [delivery] = await tx.webhooks.claim(subscription, 10, 60.0)
    assert delivery.called_number == FIRST
    return subscription, TryOutcome(delivery.event_id, delivery.tries, "delivered", 200, 3_000, f"got {FIRST}", 0.0)


async def test_an_answer_that_comes_after_all_is_done_brings_no_number_back(actors: Actors) -> None:
    subscription, answer = await claimed_with_number(actors)
    await carry_out(actors, (await order(actors, FIRST)).erasure_id)
    async with actors.store.transaction() as tx:
        assert await tx.webhooks.record(subscription, [answer]) == {answer.event_id: "erased"}
    assert await traces(actors.world, FIRST) == set()
    assert (
        await actors.world.count("SELECT count(*) FROM webhook_delivery WHERE state = 'delivered' AND status = 200")
        == 1
    )


async def test_an_answer_that_is_being_written_is_waited_for(actors: Actors) -> None:
    subscription, answer = await claimed_with_number(actors)
    ordered = await order(actors, FIRST)
    await until_it_begins(actors, ordered.erasure_id)
    async with actors.store.transaction() as tx:
        await tx.webhooks.record(subscription, [answer])
        carrying_out = asyncio.create_task(carry_out(actors, ordered.erasure_id))
        await actors.waits_for_a_lock(carrying_out)
    await carrying_out
    assert await traces(actors.world, FIRST) == set()


async def test_an_answer_that_comes_in_the_middle_of_a_batch_brings_no_number_back(actors: Actors) -> None:
    subscription, answer = await claimed_with_number(actors)
    ordered = await order(actors, FIRST)
    await until_it_begins(actors, ordered.erasure_id)

    async def record() -> None:
        async with actors.store.transaction() as tx:
            await tx.webhooks.record(subscription, [answer])

    actors.gates.hold("erase.before_commit")
    batch = asyncio.create_task(Erasing(actors.store, actors.gates).step())
    await actors.gates.reached("erase.before_commit")
    recording = asyncio.create_task(record())
    await actors.waits_for_a_lock(recording)
    actors.gates.release("erase.before_commit")
    await asyncio.gather(batch, recording)
    await carry_out(actors, ordered.erasure_id)
    assert await traces(actors.world, FIRST) == set()


async def test_an_alarm_knows_no_more_than_the_log(actors: Actors) -> None:
    class Echo(Line):
        async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Try:
            done = await super().send(method, url, headers, body)
            return replace(done, excerpt=body.decode())

    await subscribed(actors.world)
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    await end_all(actors)
    async with actors.store.transaction() as tx:
        failing = "UPDATE event_subscription SET failed_count = 9, failed_since = now() - interval '1 hour'"
        await tx.connection.execute(failing)
        [subscription] = await tx.webhooks.open()
    line = Echo(500)
    line.hold(FIRST)
    telling = asyncio.create_task(deliverer(actors.store, line).drain(subscription))
    await line.until(1)
    await carry_out(actors, (await order(actors, FIRST)).erasure_id)
    line.let_go(FIRST)
    await telling
    alarms = "SELECT count(*) FROM event_subscription WHERE alarm = 'the endpoint keeps failing, last: 500 erased'"
    assert await actors.world.count(alarms) == 1
    assert await traces(actors.world, FIRST) == set()


ADD_LIST = """
    INSERT INTO list_upload (workspace_id, campaign_id, epoch, country_code, file_bytes, state, ended_at, faults)
    VALUES ($1, $3, 0, '+1', 1, 'verified', now(), jsonb_build_array(jsonb_build_object('value', $2::text)))
"""
ADD_ANSWER = """
    INSERT INTO idempotency_key (workspace_id, idempotency_key, fingerprint, answer)
    VALUES ($1, 'k', sha256('x'), jsonb_build_object('mobile_numbers', jsonb_build_array($2::text)))
"""
ADD_REPORT = """
    INSERT INTO carrier_callback (workspace_id, trunk_id, attempt_id, owner_id, fields, fingerprint)
    VALUES ($1, $1, $1, $1, jsonb_build_object('To', $2::text), sha256('x'))
"""
ADD_REASON = "INSERT INTO suppression (workspace_id, mobile_number, reason) VALUES ($1, $3, 'like ' || $2)"
RAISE_ALARM = "UPDATE trunk SET alarm = 'refused: ' || $2 WHERE workspace_id = $1"


async def test_words_in_every_table_of_words_are_erased(actors: Actors) -> None:
    world = actors.world
    campaign_id = await world.campaign([SECOND])
    async with world.store.transaction() as tx:
        execute = tx.connection.execute
        await execute(RAISE_ALARM, world.workspace_id, FIRST)
        await execute(ADD_LIST, world.workspace_id, "(202) 555-0111", campaign_id)
        await execute(ADD_ANSWER, world.workspace_id, FIRST)
        await execute(ADD_REPORT, world.workspace_id, FIRST)
        await execute(ADD_REASON, world.workspace_id, FIRST, SECOND)
    done = await carry_out(actors, (await order(actors, FIRST)).erasure_id)
    assert await traces(world, FIRST, r"\(202\) 555-0111") == set()
    assert done.counts.words == 5
    assert await world.count("SELECT count(*) FROM suppression WHERE reason = 'like erased'") == 1
