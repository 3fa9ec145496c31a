"""Events: one for each terminated call for which somebody has asked, none for nobody, and one that closes the order."""

import pytest

from ringoff.domain.events import EventType
from ringoff.domain.identifiers import TerminationId
from ringoff.domain.termination import Selector
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import EVERY_WAY, Select

pytestmark = pytest.mark.anyio

NUMBERS = [f"+1202555{n:04}" for n in range(1_000, 1_006)]
FIRST, SECOND = "+12025550111", "+12025550112"


async def ended(actors: Actors, selector: Selector, rows_max: int) -> TerminationId:
    termination_id = await actors.terminate(selector, number_rows_max=rows_max)
    await actors.world.sweep_all(actors.supervisor)
    return termination_id


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_each_terminated_call_has_exactly_one_event_and_the_order_is_closed_by_one(
    actors: Actors, select: Select, rows_max: int
) -> None:
    await actors.world.subscribe(EventType.CALL_COMPLETED, EventType.TERMINATION_SETTLED)
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    termination_id = await ended(actors, await select(actors, campaign_id), rows_max)
    async with actors.store.transaction() as tx:
        events = await tx.connection.fetch("SELECT event_type, call_id, payload FROM outbox_event ORDER BY event_id")
    assert [event["event_type"] for event in events] == ["call_completed", "call_completed", "termination_settled"]
    calls, [settled] = events[:2], events[2:]
    assert {event["call_id"] for event in calls} == set((await actors.world.call_ids()).values())
    for event in calls:
        assert (event["payload"]["status"], event["payload"]["sub_status"]) == ("cancelled", "USER_TERMINATED")
        assert event["payload"]["termination_id"] == str(termination_id)
    assert settled["call_id"] is None
    assert (settled["payload"]["termination_id"], settled["payload"]["cancelled_count"]) == (str(termination_id), 2)


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_without_a_subscriber_no_row_is_written(actors: Actors, select: Select, rows_max: int) -> None:
    another = await actors.world.another_agent()
    await actors.world.subscribe(EventType.CALL_COMPLETED, agent_id=another)
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    await actors.dial_all()
    async with actors.settling():
        for request in actors.carrier.wire:
            actors.carrier.ends(request.attempt_id, 486)
        await actors.all_settled()
    await ended(actors, await select(actors, campaign_id), rows_max)
    assert await actors.world.count("SELECT count(*) FROM outbox_event") == 0


async def test_the_subscriber_of_one_agent_hears_of_its_calls_only(actors: Actors) -> None:
    another = await actors.world.another_agent()
    await actors.world.subscribe(EventType.CALL_COMPLETED, agent_id=another)
    await actors.world.campaign([FIRST])
    await actors.world.campaign([FIRST, SECOND], agent_id=another)
    await ended(actors, Selector(mobile_numbers=(FIRST, SECOND)), 0)
    assert await actors.world.count("SELECT count(*) FROM outbox_event") == 2


async def test_batches_of_several_orders_take_turns(actors: Actors) -> None:
    """However large one order is, the events of another are not behind all of its own."""
    await actors.world.subscribe(EventType.CALL_COMPLETED)
    large = await actors.world.campaign(NUMBERS)
    small = await actors.world.campaign(NUMBERS[:2])
    orders = [await actors.terminate(Selector(campaign_id=campaign_id)) for campaign_id in (large, small)]
    async with actors.store.dispatch_transaction() as tx:
        fences = []
        for _ in range(2):
            fence = await tx.terminations.next_unsettled()
            assert fence is not None
            await tx.terminations.sweep(fence, 2)
            fences.append(fence.termination_id)
    assert fences == orders
    await actors.world.sweep_all(actors.supervisor)
    async with actors.store.transaction() as tx:
        events = await tx.connection.fetch("SELECT payload ->> 'campaign_id' AS of FROM outbox_event ORDER BY event_id")
    assert [event["of"] for event in events[:4]] == [str(large)] * 2 + [str(small)] * 2
    assert len(events) == len(NUMBERS) + 2
