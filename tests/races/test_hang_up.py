"""An order that hangs up: what rings is cancelled, what talks is released, and nothing rings again."""

import asyncio

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import NothingTerminable
from ringoff.domain.termination import Ongoing, Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, EVERY_WAY, FIRST, SECOND, Select

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_ringing_is_cancelled_and_talking_is_hung_up(actors: Actors, select: Select, rows_max: int) -> None:
    """Nothing is pending here: calls on the wire are enough for an order that hangs up."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    await actors.dial_all()
    ringing, talking = (request.attempt_id for request in sorted(actors.carrier.wire, key=lambda r: r.called_number))
    async with actors.settling():
        actors.carrier.rings(ringing)
        actors.carrier.answers(talking)
        await actors.until_answered(talking)
        termination_id = await actors.terminate(
            TerminationOrder(selector, ongoing=Ongoing.HANGUP), number_rows_max=rows_max
        )
        await actors.supervisor.settler.release_what_orders_want()
        assert set(actors.carrier.released) == {ringing, talking}
        actors.carrier.ends(ringing, 487)
        actors.carrier.ends(talking, 200, was_answered=True, talk_ms=3_000)
        await actors.all_settled()
    await actors.world.sweep_all(actors.supervisor)
    assert await actors.world.status_by_number() == {FIRST: CANCELLED, SECOND: ("completed", "USER_TERMINATED")}
    receipt = await actors.receipt(termination_id)
    assert (receipt.state, receipt.cancelled_count, receipt.hung_up_count, receipt.left_ongoing_count) == (
        "settled",
        0,
        2,
        0,
    )
    assert await actors.world.count("SELECT count(*) FROM release_wanted") == 0
    assert await broken_invariants(actors.store) == []


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_with_nothing_open_an_order_that_hangs_up_is_refused_and_nothing_changes(
    actors: Actors, select: Select, rows_max: int
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    await actors.terminate(selector, number_rows_max=rows_max)
    await actors.world.sweep_all(actors.supervisor)
    epoch = await actors.world.count("SELECT max(epoch) FROM campaign")
    with pytest.raises(NothingTerminable):
        await actors.terminate(TerminationOrder(selector, ongoing=Ongoing.HANGUP), number_rows_max=rows_max)
    assert await actors.world.count("SELECT count(*) FROM termination") == 1
    assert await actors.world.count("SELECT max(epoch) FROM campaign") == epoch


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_what_a_first_order_left_talking_a_second_one_hangs_up(
    actors: Actors, select: Select, rows_max: int
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    [(work, [first])] = await actors.world.claim(actors.supervisor, count_max=1)
    await actors.supervisor.dialer.dial(work, [first], actors.clock.monotonic())
    left = await actors.receipt(await actors.terminate(selector, number_rows_max=rows_max))
    await actors.world.sweep_all(actors.supervisor)
    order = TerminationOrder(selector, ongoing=Ongoing.HANGUP)
    hung_up = await actors.terminate(order, number_rows_max=rows_max)
    async with actors.settling():
        await actors.supervisor.settler.release_what_orders_want()
        assert actors.carrier.released == [actors.carrier.wire[0].attempt_id]
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 487)
        await actors.all_settled()
    await actors.world.sweep_all(actors.supervisor)
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    assert left.left_ongoing_count == 1
    receipts = [await actors.receipt(left.termination_id), await actors.receipt(hung_up)]
    assert [(r.state, r.cancelled_count, r.retry_barred_count, r.hung_up_count) for r in receipts] == [
        ("settled", 1, 1, 0),
        ("settled", 0, 0, 1),
    ]
    assert await broken_invariants(actors.store) == []


async def test_the_loops_release_at_once_and_wait_for_no_carrier_that_never_confirms(actors: Actors) -> None:
    """Notified, not polled: the next look would be in an hour."""
    campaign_id = await actors.world.campaign([FIRST])
    clock = SystemClock()
    limits = DispatchLimits(poll_s=3_600, drain_s=0, release_grace_s=0.05)
    supervisor = Supervisor(store=actors.store, driver=actors.carrier, clock=clock, limits=limits)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        tasks.create_task(supervisor.run())
        while not actors.carrier.wire:
            await actors.world.count("SELECT 1")
        [request] = actors.carrier.wire
        listening = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'LISTEN'"
        while not await actors.world.count(listening):
            await actors.world.count("SELECT 1")
        await actors.terminate(TerminationOrder(Selector(campaign_id=campaign_id), ongoing=Ongoing.HANGUP))
        while (await actors.world.status_by_number())[FIRST][0] == "ongoing":
            await actors.world.count("SELECT 1")
        supervisor.stop()
    assert actors.carrier.released == [request.attempt_id]
    assert (await actors.world.status_by_number())[FIRST] == CANCELLED
    cause = "SELECT count(*) FROM dial_attempt WHERE disposition = 'cancelled' AND cause_text ~ 'not confirmed'"
    assert await actors.world.count(cause) == 1


async def test_an_answer_that_crosses_the_cancel_ends_as_a_conversation(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST])
    await actors.dial_all()
    [request] = actors.carrier.wire
    await actors.terminate(TerminationOrder(Selector(campaign_id=campaign_id), ongoing=Ongoing.HANGUP))
    async with actors.settling():
        await actors.supervisor.settler.release_what_orders_want()
        actors.carrier.answers(request.attempt_id)
        actors.carrier.ends(request.attempt_id, 200, was_answered=True, talk_ms=200)
        await actors.all_settled()
    assert (await actors.world.status_by_number())[FIRST] == ("completed", "USER_TERMINATED")
    assert await broken_invariants(actors.store) == []
