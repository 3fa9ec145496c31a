"""No dial after the acknowledgement: an order against a permit, in both orders, for each way to select."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ringoff.domain.errors import NothingTerminable
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.termination import Selector
from ringoff.operations.terminations import terminate
from tests.races.conftest import Actors

pytestmark = pytest.mark.anyio

FIRST, SECOND = "+12025550111", "+12025550112"
CANCELLED = ("cancelled", "USER_TERMINATED")

Select = Callable[[Actors, CampaignId], Awaitable[Selector]]


async def by_agent(actors: Actors, _campaign_id: CampaignId) -> Selector:
    return Selector(agent_id=actors.world.agent_id)


async def by_campaign(_actors: Actors, campaign_id: CampaignId) -> Selector:
    return Selector(campaign_id=campaign_id)


async def by_calls(actors: Actors, _campaign_id: CampaignId) -> Selector:
    return Selector(call_ids=tuple((await actors.world.call_ids()).values()))


async def by_numbers(_actors: Actors, _campaign_id: CampaignId) -> Selector:
    return Selector(mobile_numbers=(FIRST, SECOND))


async def by_numbers_of_campaign(_actors: Actors, campaign_id: CampaignId) -> Selector:
    return Selector(campaign_id=campaign_id, mobile_numbers=(FIRST, SECOND))


# Above this many open calls, numbers are fenced instead of updated row by row; 0 forces the fence.
EVERY_WAY = [
    pytest.param(by_agent, 2_000, id="agent"),
    pytest.param(by_campaign, 2_000, id="campaign"),
    pytest.param(by_calls, 2_000, id="calls"),
    pytest.param(by_numbers, 2_000, id="numbers, rows"),
    pytest.param(by_numbers, 0, id="numbers, fence"),
    pytest.param(by_numbers_of_campaign, 2_000, id="numbers of a campaign, rows"),
    pytest.param(by_numbers_of_campaign, 0, id="numbers of a campaign, fence"),
]


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_an_order_between_claim_and_permit_leaves_nothing_to_dial(
    actors: Actors, select: Select, rows_max: int
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    actors.gates.hold("permit.before")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.before")

    await terminate(actors.store, actors.world.principal, selector, number_rows_max=rows_max)

    actors.gates.release("permit.before")
    await dialling
    assert actors.dialled == []
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    assert await actors.world.count("SELECT count(*) FROM dial_attempt") == 0


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
@pytest.mark.parametrize("gate", ["permit.checked", "originate.before", "permit.before_commit"])
async def test_an_order_waits_for_the_permits_in_flight(
    actors: Actors, select: Select, rows_max: int, gate: str
) -> None:
    """Whatever was dialled had left before the acknowledgement, and it is not retried."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    [(work, [first_call])] = await actors.world.claim(actors.supervisor, count_max=1)
    actors.gates.hold(gate)
    dialling = asyncio.create_task(actors.supervisor.dialer.dial(work, [first_call], actors.clock.monotonic()))
    await actors.gates.reached(gate)

    order = asyncio.create_task(
        terminate(actors.store, actors.world.principal, selector, number_rows_max=rows_max, gate=actors.gates)
    )
    await actors.waits_for_a_lock(order)
    actors.gates.release(gate)
    await dialling
    await order

    dialled_before = list(actors.dialled)
    assert len(dialled_before) == 1
    await actors.dial_all()
    assert actors.dialled == dialled_before
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 486)
        await actors.all_settled()
        await actors.world.sweep_all(actors.supervisor)
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    await actors.dial_all()
    assert actors.dialled == dialled_before


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_ongoing_calls_alone_are_nothing_to_terminate_and_nothing_changes(
    actors: Actors, select: Select, rows_max: int
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    await actors.dial_all()

    with pytest.raises(NothingTerminable):
        await terminate(actors.store, actors.world.principal, selector, number_rows_max=rows_max)

    assert await actors.world.count("SELECT count(*) FROM termination") == 0
    assert await actors.world.count("SELECT count(*) FROM campaign_fence") == 0
    assert await actors.world.count("SELECT count(*) FROM number_fence") == 0
    async with actors.settling():
        for request in actors.carrier.wire:
            actors.carrier.ends(request.attempt_id, 486)
        await actors.all_settled()
    assert set((await actors.world.statuses()).values()) == {("retry", "RETRY_SCHEDULED")}


async def test_a_permit_that_comes_while_the_order_holds_its_lock_waits_and_is_refused(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    actors.gates.hold("terminate.before_commit")
    order = asyncio.create_task(
        terminate(actors.store, actors.world.principal, Selector(campaign_id=campaign_id), gate=actors.gates)
    )
    await actors.gates.reached("terminate.before_commit")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.waits_for_a_lock(dialling)

    actors.gates.release("terminate.before_commit")
    await order
    await dialling
    assert actors.dialled == []


async def test_another_campaigns_permit_does_not_wait_for_the_order(actors: Actors) -> None:
    stopped = await actors.world.campaign([FIRST])
    other_agent = await actors.world.another_agent()
    await actors.world.campaign([SECOND], agent_id=other_agent)
    actors.gates.hold("terminate.before_commit")
    order = asyncio.create_task(
        terminate(actors.store, actors.world.principal, Selector(campaign_id=stopped), gate=actors.gates)
    )
    await actors.gates.reached("terminate.before_commit")
    claims = await actors.world.claim(actors.supervisor)
    for work, calls in claims:
        if work.campaign_id != stopped:
            await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())
    assert actors.dialled == [SECOND]
    actors.gates.release("terminate.before_commit")
    await order


@pytest.mark.parametrize("concurrent_count", [16])
async def test_of_many_equal_orders_one_succeeds(actors: Actors, concurrent_count: int) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    answers = await asyncio.gather(
        *(
            terminate(actors.store, actors.world.principal, Selector(campaign_id=campaign_id))
            for _ in range(concurrent_count)
        ),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, NothingTerminable)]
    assert len(refused) == concurrent_count - 1
    assert await actors.world.count("SELECT count(*) FROM termination") == 1
