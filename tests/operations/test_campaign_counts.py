"""Counts of a campaign are exact at every step, and agree with counting its calls one by one."""

import asyncio
from collections import Counter

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.records import CampaignCounts
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import campaign_life, campaigns, receipts, suppressions
from ringoff.operations.receipts import Counts
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.support.large_lists import contacts, upload, verifier
from tests.support.world import CALLING_NUMBER, World

pytestmark = pytest.mark.anyio

NUMBERS = [f"+120255502{n:02}" for n in range(10)]


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


async def counts_of(actors: Actors, campaign_id: CampaignId) -> CampaignCounts:
    """What is shown, after a look that it is what the calls say, and that all rules hold."""
    shown = (await campaign_life.campaign(actors.store, actors.world.principal, campaign_id)).counts
    async with actors.store.transaction() as tx:
        rows = await tx.connection.fetch("SELECT status FROM call_effective WHERE campaign_id = $1", campaign_id)
    assert shown == CampaignCounts(**Counter(row["status"] for row in rows))
    preview = await receipts.preview(
        actors.store, actors.world.principal, TerminationOrder(Selector(campaign_id=campaign_id))
    )
    assert preview.counts == Counts(shown.registered, shown.retry, shown.ongoing)
    assert await broken_invariants(actors.store) == []
    return shown


async def dial(actors: Actors, count_max: int) -> None:
    for work, calls in await actors.world.claim(actors.supervisor, count_max):
        await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())


async def end_live(actors: Actors, sip_status: int) -> None:
    async with actors.settling():
        for attempt_id in list(actors.supervisor.settler.live):
            actors.carrier.ends(attempt_id, sip_status, was_answered=sip_status == 200)
        await actors.all_settled()


async def test_through_everything_that_moves_a_call(actors: Actors) -> None:
    world, principal, store = actors.world, actors.world.principal, actors.store
    campaign_id = await world.campaign(NUMBERS)
    await world.campaign(NUMBERS[:3], agent_id=await world.another_agent())
    assert await counts_of(actors, campaign_id) == CampaignCounts(registered=10)
    [work] = [work for work, _ in await world.claim(actors.supervisor, 1) if work.campaign_id == campaign_id]
    assert work.epoch == 0
    assert await counts_of(actors, campaign_id) == CampaignCounts(registered=10), "claimed is not dialled"
    await dial(actors, 2)
    assert await counts_of(actors, campaign_id) == CampaignCounts(registered=8, ongoing=2)
    await end_live(actors, 486)
    assert await counts_of(actors, campaign_id) == CampaignCounts(registered=8, retry=2)
    await dial(actors, 2)
    await end_live(actors, 200)
    assert (await counts_of(actors, campaign_id)).completed == 2
    await dial(actors, 1)
    await end_live(actors, 404)
    assert (await counts_of(actors, campaign_id)).failed == 1
    await actors.supervisor.tally_folder.fold()
    before = await counts_of(actors, campaign_id)
    waiting = sorted(
        number for number, (status, _) in (await world.status_by_number()).items() if status == "registered"
    )
    await actors.terminate(Selector(campaign_id=campaign_id, mobile_numbers=tuple(waiting[:1])))
    assert (await counts_of(actors, campaign_id)).cancelled == before.cancelled + 1
    # A fence on numbers, then one on the campaign: both are seen before anything is swept.
    await actors.terminate(Selector(campaign_id=campaign_id, mobile_numbers=tuple(waiting[1:3])), number_rows_max=0)
    assert (await counts_of(actors, campaign_id)).cancelled == before.cancelled + 3
    await dial(actors, 1)
    await actors.terminate(Selector(campaign_id=campaign_id))
    fenced = await counts_of(actors, campaign_id)
    assert (fenced.registered, fenced.retry, fenced.total) == (0, 0, 10)
    await world.sweep_all(actors.supervisor)
    assert await counts_of(actors, campaign_id) == fenced
    await end_live(actors, 486)
    await campaigns.start(store, principal, world.agent_id, campaign_id, [CALLING_NUMBER], now=SystemClock().now())
    restarted = await counts_of(actors, campaign_id)
    assert restarted.registered > 0
    assert restarted.total == 10 + restarted.registered
    await actors.supervisor.tally_folder.fold()
    assert await counts_of(actors, campaign_id) == restarted
    await suppressions.suppress(store, principal, NUMBERS, reason=None)
    await dial(actors, 50)
    assert (await counts_of(actors, campaign_id)).registered == 0


async def test_a_request_that_came_too_late_is_no_dial(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS[:2])
    actors.gates.hold("originate.before")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("originate.before")
    actors.clock.skip(1.0)
    actors.gates.release("originate.before")
    await dialling
    assert actors.dialled == []
    assert await counts_of(actors, campaign_id) == CampaignCounts(registered=2)


async def test_what_a_dead_process_left_is_counted(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS[:3])
    await dial(actors, 2)
    await actors.world.claim(actors.supervisor, 1)
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE dial_attempt SET lease_until = clock_timestamp() - interval '1 s'")
    await actors.another_process().rescuer.rescue()
    assert await counts_of(actors, campaign_id) == CampaignCounts(error=3)


async def test_folders_that_meet_lose_nothing(actors: Actors) -> None:
    campaign_ids = [await actors.world.campaign(NUMBERS[:4]) for _ in range(3)]
    for _ in range(4):
        await dial(actors, 1)
    await end_live(actors, 200)
    folders = [actors.another_process().tally_folder for _ in range(4)]
    taken = await asyncio.gather(*(folder.fold() for folder in folders))
    assert sum(taken) > 3
    for campaign_id in campaign_ids:
        assert await counts_of(actors, campaign_id) == CampaignCounts(completed=4)
    assert await actors.world.count("SELECT count(*) FROM tally_step") == 0
    assert await actors.world.count("SELECT count(*) FROM campaign_tally") == 3


@pytest.mark.parametrize("is_ended_before", [False, True], ids=["verified", "ended while it was verified"])
async def test_a_large_list_is_counted_when_it_is_verified(actors: Actors, is_ended_before: bool) -> None:
    campaign_id = await upload(actors.world, contacts(NUMBERS))
    assert await counts_of(actors, campaign_id) == CampaignCounts()
    if is_ended_before:
        await actors.terminate(Selector(campaign_id=campaign_id))
    assert await verifier(actors.store).verify_next()
    expected = CampaignCounts(cancelled=10) if is_ended_before else CampaignCounts(registered=10)
    assert await counts_of(actors, campaign_id) == expected
    await actors.world.sweep_all(actors.supervisor)
    await actors.supervisor.tally_folder.fold()
    assert await counts_of(actors, campaign_id) == expected


async def test_what_an_older_version_registered_is_counted_call_by_call(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS[:3])
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE campaign SET is_tallied = false")
        await tx.connection.execute("DELETE FROM tally_step")
    await dial(actors, 1)
    await end_live(actors, 200)
    assert await counts_of(actors, campaign_id) == CampaignCounts(registered=2, completed=1)
    waiting = [
        number for number, (status, _) in (await actors.world.status_by_number()).items() if status == "registered"
    ]
    # By a fence on the number, that nobody has swept yet.
    await actors.terminate(Selector(mobile_numbers=tuple(waiting[:1])), number_rows_max=0)
    assert await counts_of(actors, campaign_id) == CampaignCounts(registered=1, cancelled=1, completed=1)
    await actors.terminate(Selector(campaign_id=campaign_id))
    assert await counts_of(actors, campaign_id) == CampaignCounts(cancelled=2, completed=1)
    assert await actors.world.count("SELECT count(*) FROM tally_step") == 0
