"""The glance at a workspace: every attempt is counted once, whoever writes it down, and nothing of others is seen."""

import asyncio
from datetime import timedelta

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.overview_records import Overview
from ringoff.domain.records import CampaignCounts
from ringoff.domain.termination import Ongoing, Selector, TerminationOrder
from ringoff.domain.workspace import Principal
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.overview import SECONDS_MAX, overview, rates_since
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.support.world import World

pytestmark = pytest.mark.anyio

NUMBERS = [f"+120255503{n:02}" for n in range(12)]


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


async def seen(actors: Actors, principal: Principal | None = None) -> Overview:
    return await overview(actors.store, principal or actors.world.principal, clock=SystemClock())


async def totals(actors: Actors, principal: Principal | None = None) -> tuple[int, int, int]:
    """Dialled, answered and failed of the last minute, after a look that all rules hold."""
    seconds = (await rates_since(actors.store, principal or actors.world.principal, None)).seconds
    assert await broken_invariants(actors.store) == []
    return (
        sum(second.dialled_count for second in seconds),
        sum(second.answered_count for second in seconds),
        sum(second.failed_count for second in seconds),
    )


async def test_each_attempt_is_counted_once_folded_or_not(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS[:5])
    await actors.dial_all()
    assert await totals(actors) == (5, 0, 0)
    picked_up, at_once, busy, unknown, _ = list(actors.supervisor.settler.live)
    async with actors.settling():
        actors.carrier.answers(picked_up)
        await actors.until_answered(picked_up)
        assert await totals(actors) == (5, 1, 0)
        actors.carrier.ends(picked_up, 200, was_answered=True)
        # The answer and the end of this one reach the database together.
        actors.carrier.answers(at_once)
        actors.carrier.ends(at_once, 200, was_answered=True)
        actors.carrier.ends(busy, 486, was_answered=False)
        actors.carrier.ends(unknown, 404, was_answered=False)
        while len(actors.supervisor.settler.live) > 1:
            await actors.supervisor.settler.channel_freed.wait()
            actors.supervisor.settler.channel_freed.clear()
    assert await totals(actors) == (5, 2, 2)
    assert await actors.supervisor.tally_folder.fold() > 0
    assert await actors.world.count("SELECT count(*) FROM attempt_step") == 0
    assert await totals(actors) == (5, 2, 2)


async def test_what_an_order_takes_off_the_wire_has_not_failed(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS[:2])
    await actors.dial_all()
    ringing, _ = list(actors.supervisor.settler.live)
    async with actors.settling():
        await actors.terminate(TerminationOrder(Selector(campaign_id=campaign_id), ongoing=Ongoing.HANGUP))
        await actors.supervisor.settler.release_what_orders_want()
        for attempt_id in actors.carrier.released:
            actors.carrier.ends(attempt_id, 487)
        await actors.all_settled()
    assert ringing in actors.carrier.released
    assert await totals(actors) == (2, 0, 0)


async def test_what_a_dead_process_left_has_failed(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS[:2])
    await actors.dial_all()
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE dial_attempt SET lease_until = clock_timestamp() - interval '1 s'")
    await actors.another_process().rescuer.rescue()
    assert await totals(actors) == (2, 0, 2)


async def test_a_request_that_came_too_late_was_not_dialled(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS[:2])
    actors.gates.hold("originate.before")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("originate.before")
    actors.clock.skip(1.0)
    actors.gates.release("originate.before")
    await dialling
    assert await totals(actors) == (0, 0, 0)


async def test_another_workspace_sees_nothing_of_it(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS[:3])
    await actors.dial_all()
    stranger = await World.make(actors.store)
    glance = await seen(actors, stranger.principal)
    assert await totals(actors, stranger.principal) == (0, 0, 0)
    assert (glance.campaigns.started_count, glance.campaigns.counts.total) == (0, 0)
    assert [trunk.channels_in_use for trunk in glance.trunks] == [0]
    assert glance.receipts == []


async def test_the_seconds_have_no_gap_and_an_end(actors: Actors) -> None:
    rates = await rates_since(actors.store, actors.world.principal, None)
    assert len(rates.seconds) == SECONDS_MAX
    steps = {later.from_at - earlier.from_at for earlier, later in zip(rates.seconds, rates.seconds[1:], strict=False)}
    assert steps == {timedelta(seconds=1)}
    assert rates.seconds[-1].from_at <= rates.at < rates.seconds[-1].from_at + timedelta(seconds=1)
    since = rates.seconds[-3].from_at
    again = await rates_since(actors.store, actors.world.principal, since)
    assert again.seconds[0].from_at == since
    ancient = await rates_since(actors.store, actors.world.principal, since - timedelta(days=9))
    assert len(ancient.seconds) == SECONDS_MAX
    ahead = await rates_since(actors.store, actors.world.principal, since + timedelta(days=9))
    assert len(ahead.seconds) == 1, "the running second"


async def test_campaigns_with_the_most_pending_calls_come_first(actors: Actors) -> None:
    world = actors.world
    small, large = await world.campaign(NUMBERS[:2]), await world.campaign(NUMBERS[:9])
    draft = await world.draft(NUMBERS[:1])
    old = await world.campaign(NUMBERS[:4])
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE campaign SET is_tallied = false WHERE campaign_id = $1", old)
    glance = (await seen(actors)).campaigns
    assert [(campaign.campaign_id, counts) for campaign, counts in glance.started] == [
        (large, CampaignCounts(registered=9)),
        (small, CampaignCounts(registered=2)),
        (old, None),
    ]
    assert draft not in {campaign.campaign_id for campaign, _ in glance.started}
    assert (glance.started_count, glance.counts) == (3, CampaignCounts(registered=11))
    assert glance.by_status == {"ongoing": 3, "draft": 1}
    termination_id = await actors.terminate(Selector(campaign_id=large))
    after = await seen(actors)
    assert after.campaigns.by_status == {"ongoing": 2, "draft": 1, "terminated": 1}
    assert after.campaigns.counts == CampaignCounts(registered=2)
    assert [receipt.termination_id for receipt in after.receipts] == [termination_id]


async def test_a_trunk_says_what_it_carries_and_what_holds_it_back(store: PostgresStore) -> None:
    actors = Actors(store, await World.make(store, cps_max=100, channels_max=30))
    await actors.world.campaign(NUMBERS[:3])
    await actors.dial_all()
    [trunk] = (await seen(actors)).trunks
    assert (trunk.channels_in_use, trunk.channels_max, trunk.cps_now) == (3, 30, 3.0)
    assert (trunk.cps_limit, trunk.is_reduced) == (100.0, False)
    async with store.transaction() as tx:
        await tx.dispatch.slow_trunk(actors.world.workspace_id, actors.world.trunk_id, 1.0)
    [slowed] = (await seen(actors)).trunks
    assert 50.0 <= slowed.cps_limit < 100.0
    assert slowed.is_reduced
    async with store.transaction() as tx:
        await tx.dispatch.trip_breaker(actors.world.workspace_id, actors.world.trunk_id)
    [silent] = (await seen(actors)).trunks
    assert (silent.is_silent, silent.cps_limit, silent.alarm) == (True, 0.0, "answers nothing")


async def test_webhooks_that_stand_still_are_seen(actors: Actors) -> None:
    world = actors.world
    async with actors.store.transaction() as tx:
        opened, _ = await tx.webhooks.set_webhook(
            world.workspace_id,
            None,
            "call_completed",
            callback_url="https://hook.example/",
            headers={},
            method="POST",
            signing_secret="secret",
        )
    assert (await seen(actors)).webhooks.oldest_undelivered_s is None
    await world.campaign(NUMBERS[:1])
    await actors.dial_all()
    async with actors.settling():
        actors.carrier.ends(next(iter(actors.supervisor.settler.live)), 404, was_answered=False)
        await actors.all_settled()
    async with actors.store.transaction() as tx:
        await tx.webhooks.failed(opened, 1, 99, 0.0, "refused")
        await tx.webhooks.failed(opened, 99, 99, -1.0, "refused")
    health = (await seen(actors)).webhooks
    assert [(row.subscription_id, row.alarm) for row in health.paused] == [(opened.subscription_id, "refused")]
    assert health.oldest_undelivered_s is not None
    assert (await seen(actors, (await World.make(actors.store)).principal)).webhooks.oldest_undelivered_s is None


async def test_the_database_says_who_it_is(actors: Actors) -> None:
    database = (await seen(actors)).database
    assert database.round_trip_ms > 0
    assert database.version.split(".")[0].isdigit()
