"""A call on the wire that two orders cover belongs to the one that came first, whoever gets to mark it."""

import pytest

from ringoff.domain.identifiers import CampaignId, TerminationId
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import broken_invariants
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, FIRST, SECOND

pytestmark = pytest.mark.anyio

THIRD = "+12025550113"


async def give(actors: Actors, kind: str, campaign_id: CampaignId) -> TerminationId:
    """An order of this kind on the first number; each has something pending to end."""
    numbers = Selector(mobile_numbers=(FIRST, THIRD))
    match kind:
        case "agent":
            return await actors.terminate(Selector(agent_id=actors.world.agent_id))
        case "campaign":
            return await actors.terminate(Selector(campaign_id=campaign_id))
        case "numbers, fence":
            return await actors.terminate(numbers, number_rows_max=0)
        case _:
            return await actors.terminate(numbers)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("agent", "numbers, rows"),
        ("agent", "numbers, fence"),
        ("campaign", "numbers, rows"),
        ("campaign", "numbers, fence"),
        ("numbers, fence", "numbers, rows"),
        ("numbers, fence", "campaign"),
        ("numbers, fence", "agent"),
        ("numbers, fence", "numbers, fence"),
    ],
)
@pytest.mark.parametrize("later_is_swept_first", [False, True])
async def test_the_first_order_has_the_call(
    actors: Actors, earlier: str, later: str, later_is_swept_first: bool
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND, THIRD])
    [(work, claimed)] = await actors.world.claim(actors.supervisor)
    [first] = [call for call in claimed if call.called_number == FIRST]
    await actors.supervisor.dialer.dial(work, [first], actors.clock.monotonic())
    first_order = await give(actors, earlier, campaign_id)
    # Something of the later order's own: it would be refused otherwise.
    await actors.world.campaign([SECOND, THIRD])
    later_order = await give(actors, later, campaign_id)
    if later_is_swept_first:
        await put_off(actors, first_order, hours=1)
        await actors.supervisor.sweeper.sweep()
        await put_off(actors, first_order, hours=-1)
    async with actors.settling():
        actors.carrier.ends(first.attempt_id, 486)
        await actors.all_settled()
    await actors.world.sweep_all(actors.supervisor)
    assert (await actors.world.raw_statuses())[first.call_id] == CANCELLED
    owner = "SELECT count(*) FROM call WHERE call_id = $1 AND termination_id = $2"
    assert await actors.world.count(owner, first.call_id, first_order) == 1
    assert (await actors.receipt(first_order)).retry_barred_count == 1
    assert (await actors.receipt(later_order)).retry_barred_count == 0
    assert await broken_invariants(actors.store) == []


async def put_off(actors: Actors, order: TerminationId, *, hours: int) -> None:
    """The sweeper takes the fence that has waited longest."""
    await actors.world.count(
        "WITH c AS (UPDATE campaign_fence SET swept_at = swept_at + make_interval(hours => $2)"
        " WHERE termination_id = $1 RETURNING 1), n AS (UPDATE number_fence"
        " SET swept_at = swept_at + make_interval(hours => $2) WHERE termination_id = $1 RETURNING 1)"
        " SELECT (SELECT count(*) FROM c) + (SELECT count(*) FROM n)",
        order,
        hours,
    )
