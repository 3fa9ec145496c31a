"""Who pages through a receipt while it settles sees every covered call once."""

import pytest

from ringoff.domain.identifiers import CallId, TerminationId
from ringoff.domain.termination import Selector
from ringoff.operations import receipts
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import EVERY_WAY, FIRST, SECOND, Select

pytestmark = pytest.mark.anyio


async def page(actors: Actors, termination_id: TerminationId, after: CallId | None) -> list[CallId]:
    _, calls = await receipts.receipt_with_calls(actors.store, actors.world.principal, termination_id, after, 1)
    return [call.call_id for call in calls]


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
@pytest.mark.parametrize("is_swept_between", [False, True])
async def test_a_call_on_the_wire_is_not_missed_by_pages_read_before_and_after_it_is_barred(
    actors: Actors, select: Select, rows_max: int, is_swept_between: bool
) -> None:
    """It has the smaller id: a page that begins behind it never comes back."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    [(work, calls)] = await actors.world.claim(actors.supervisor)
    first, second = sorted(calls, key=lambda call: call.call_id)
    await actors.supervisor.dialer.dial(work, [first], actors.clock.monotonic())
    termination_id = await actors.terminate(selector, number_rows_max=rows_max)
    assert await page(actors, termination_id, None) == [first.call_id]
    if is_swept_between:
        await actors.world.sweep_all(actors.supervisor)
    assert await page(actors, termination_id, first.call_id) == [second.call_id]
    assert await page(actors, termination_id, second.call_id) == []


async def test_calls_of_an_older_order_by_numbers_do_not_use_up_the_page(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    ids = await actors.world.call_ids()
    first, second = sorted(ids, key=lambda number: ids[number])
    await actors.terminate(Selector(mobile_numbers=(first,)), number_rows_max=0)
    termination_id = await actors.terminate(Selector(campaign_id=campaign_id))
    assert await page(actors, termination_id, None) == [ids[second]]
