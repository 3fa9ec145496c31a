"""Pause, resume and end: what they allow, what they leave, and how a campaign becomes completed by itself."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.campaign_clock import CampaignClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.call_config import CallConfig
from ringoff.domain.errors import Conflict, NotFound
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.records import CampaignCounts
from ringoff.domain.termination import Ongoing, Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import campaign_life, campaigns, contact_lists, numbers, receipts
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.support.world import CALLING_NUMBER, World

pytestmark = pytest.mark.anyio

NUMBERS = ["+12025550111", "+12025550112"]
END_AT = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=36_500)


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


async def status_of(actors: Actors, campaign_id: CampaignId) -> str:
    return (await campaign_life.campaign(actors.store, actors.world.principal, campaign_id)).campaign.status


async def counts_of(actors: Actors, campaign_id: CampaignId) -> CampaignCounts:
    return (await campaign_life.campaign(actors.store, actors.world.principal, campaign_id)).counts


async def all_end(actors: Actors, sip_status: int) -> None:
    async with actors.settling():
        for attempt_id in list(actors.supervisor.settler.live):
            actors.carrier.ends(attempt_id, sip_status, was_answered=sip_status == 200)
        await actors.all_settled()


async def test_what_is_on_the_wire_goes_on_and_its_retry_waits_for_the_resume(actors: Actors) -> None:
    world, principal = actors.world, actors.world.principal
    campaign_id = await world.campaign(NUMBERS)
    await actors.dial_all()
    paused = await campaign_life.pause(actors.store, principal, campaign_id)
    assert paused.status == "paused"
    await all_end(actors, 486)
    assert await counts_of(actors, campaign_id) == CampaignCounts(retry=2)
    await actors.dial_all()
    await actors.supervisor.campaign_clock.tick()
    assert (len(actors.dialled), await status_of(actors, campaign_id)) == (2, "paused")
    assert (await campaign_life.resume(actors.store, principal, campaign_id)).status == "ongoing"
    await actors.dial_all()
    assert len(actors.dialled) == 4
    await all_end(actors, 200)
    await actors.supervisor.campaign_clock.tick()
    assert await status_of(actors, campaign_id) == "completed"
    assert await counts_of(actors, campaign_id) == CampaignCounts(completed=2)


async def test_a_paused_campaign_with_nothing_left_is_completed(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS)
    await actors.dial_all()
    await campaign_life.pause(actors.store, actors.world.principal, campaign_id)
    await all_end(actors, 200)
    await actors.supervisor.campaign_clock.tick()
    with pytest.raises(Conflict, match="the campaign is completed: only a paused campaign can be resumed"):
        await campaign_life.resume(actors.store, actors.world.principal, campaign_id)


async def test_the_end_time_of_a_paused_campaign_comes_as_ever(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS)
    await campaign_life.pause(actors.store, actors.world.principal, campaign_id)
    clock = CampaignClock(store=actors.store, clock=SystemClock(), limits=DispatchLimits(), now_override=END_AT)
    await clock.tick()
    assert await status_of(actors, campaign_id) == "completed"
    assert set((await actors.world.statuses()).values()) == {("cancelled", "CAMPAIGN_TIME_EXCEEDED")}


async def test_a_scheduled_campaign_is_paused_and_waits_for_its_start_again(actors: Actors) -> None:
    world = actors.world
    campaign_id = await world.draft(NUMBERS)
    await world.count("UPDATE campaign SET start_at = now() + interval '1 hour' RETURNING 1")
    async with actors.store.transaction() as tx:
        await tx.campaigns.start(world.workspace_id, campaign_id, world.trunk_id, [CALLING_NUMBER], None)
    await campaign_life.pause(actors.store, world.principal, campaign_id)
    late = CampaignClock(
        store=actors.store, clock=SystemClock(), limits=DispatchLimits(), now_override=END_AT - timedelta(days=1)
    )
    await late.tick()
    assert await status_of(actors, campaign_id) == "paused"
    assert (await campaign_life.resume(actors.store, world.principal, campaign_id)).status == "scheduled"


async def test_an_end_cancels_what_waits_bars_what_talks_and_leaves_a_receipt(actors: Actors) -> None:
    world, principal = actors.world, actors.world.principal
    campaign_id = await world.campaign(NUMBERS)
    [(work, [call])] = await world.claim(actors.supervisor, count_max=1)
    await actors.supervisor.dialer.dial(work, [call], actors.clock.monotonic())
    ended, termination_id = await campaign_life.end(actors.store, principal, campaign_id)
    assert ended.status == "completed"
    assert await counts_of(actors, campaign_id) == CampaignCounts(ongoing=1, cancelled=1)
    await all_end(actors, 486)
    await world.sweep_all(actors.supervisor)
    assert set((await world.statuses()).values()) == {("cancelled", "USER_TERMINATED")}
    receipt = await receipts.receipt(actors.store, principal, termination_id)
    assert (receipt.state, receipt.api_key_id, receipt.reason) == (
        "settled",
        principal.api_key_id,
        "the campaign was ended by hand",
    )
    assert (receipt.cancelled_count, receipt.left_ongoing_count, receipt.retry_barred_count) == (1, 1, 1)
    assert await broken_invariants(actors.store) == []
    with pytest.raises(Conflict, match="Campaign already started"):
        await campaigns.start(
            actors.store, principal, world.agent_id, campaign_id, [CALLING_NUMBER], now=SystemClock().now()
        )


async def test_an_end_with_nothing_pending_still_bars_the_retry_of_what_talks(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS[:1])
    await actors.dial_all()
    await campaign_life.end(actors.store, actors.world.principal, campaign_id)
    await all_end(actors, 486)
    await actors.world.sweep_all(actors.supervisor)
    await actors.dial_all()
    assert actors.dialled == NUMBERS[:1]
    assert await counts_of(actors, campaign_id) == CampaignCounts(cancelled=1)


async def test_what_is_not_started_is_neither_paused_nor_resumed_nor_ended(actors: Actors) -> None:
    principal, campaign_id = actors.world.principal, await actors.world.draft(NUMBERS)
    for verb, rule in (
        (campaign_life.pause, "only a scheduled or ongoing campaign can be paused"),
        (campaign_life.resume, "only a paused campaign can be resumed"),
        (campaign_life.end, "only a scheduled, ongoing or paused campaign can be ended"),
    ):
        with pytest.raises(Conflict, match=f"the campaign is draft: {rule}"):
            await verb(actors.store, principal, campaign_id)
        with pytest.raises(NotFound):
            await verb(actors.store, (await World.make(actors.store)).principal, campaign_id)
    assert await actors.world.count("SELECT count(*) FROM termination") == 0


async def test_a_paused_list_is_neither_deleted_nor_may_its_number_go(actors: Actors) -> None:
    principal, campaign_id = actors.world.principal, await actors.world.campaign(NUMBERS)
    await campaign_life.pause(actors.store, principal, campaign_id)
    with pytest.raises(Conflict, match="terminate it first"):
        await contact_lists.delete(actors.store, principal, campaign_id)
    [view] = await numbers.list_numbers(actors.store, principal)
    with pytest.raises(Conflict, match="in use by campaign"):
        await numbers.remove_number(actors.store, principal, view.number.number_id)


async def test_the_clock_does_not_end_what_an_order_for_the_agent_has_just_ended(actors: Actors) -> None:
    """The end time and the order take different locks: the campaign stays terminated, and can be started again."""
    campaign_id = await actors.world.campaign(NUMBERS)
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE campaign SET status = 'terminated'")
        assert not await tx.terminations.end_campaign(
            actors.world.workspace_id, await tx.terminations.new_termination_id(), campaign_id, "USER_TERMINATED"
        )
    assert await status_of(actors, campaign_id) == "terminated"


async def test_another_process_sees_the_pause(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS)
    await campaign_life.pause(actors.store, actors.world.principal, campaign_id)
    other: Supervisor = actors.another_process()
    await actors.world.dial(other, actors.clock.monotonic())
    assert actors.dialled == []


async def test_an_order_never_waits_for_a_restart_under_new_terms(actors: Actors) -> None:
    world, store = actors.world, actors.store
    campaign_id = await world.campaign(NUMBERS)
    [(work, [call])] = await world.claim(actors.supervisor, count_max=1)
    await actors.supervisor.dialer.dial(work, [call], actors.clock.monotonic())
    await terminate(store, world.principal, Selector(campaign_id=campaign_id))
    restart = campaigns.start(
        store,
        world.principal,
        world.agent_id,
        campaign_id,
        [CALLING_NUMBER],
        now=SystemClock().now(),
        terms=campaigns.StartTerms(call_config=CallConfig()),
    )
    async with store.transaction() as tx:
        # As millions of new calls would, this keeps the restart at their registration.
        await tx.connection.execute("LOCK TABLE call IN SHARE MODE")
        restarting = asyncio.create_task(restart)
        await actors.waits_for_a_lock(restarting)
        hang_up = TerminationOrder(Selector(campaign_id=campaign_id), ongoing=Ongoing.HANGUP)
        async with asyncio.timeout(20):
            await terminate(store, world.principal, hang_up)
    with pytest.raises(Conflict):
        await restarting
