"""What the passing of time does to campaigns, at instants that the test chooses."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.campaign_clock import CampaignClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.identifiers import CampaignId
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.virtual_clock import VirtualClock
from tests.support.world import CALLING_NUMBER, World

pytestmark = pytest.mark.anyio

NUMBERS = ["+12025550111", "+12025550112"]
START_AT = datetime(2026, 1, 1, tzinfo=UTC)
END_AT = START_AT + timedelta(days=36_500)
# As a statement that takes too long; the count of a sequence is not rolled back.
PRUNING_FAILS = """
    CREATE SEQUENCE prunings;
    CREATE FUNCTION takes_too_long() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM nextval('prunings');
        RAISE EXCEPTION USING ERRCODE = 'query_canceled', MESSAGE = 'canceling statement due to statement timeout';
    END
    $$;
    CREATE TRIGGER takes_too_long BEFORE DELETE ON outbox_event FOR EACH STATEMENT EXECUTE FUNCTION takes_too_long()
"""
LAST_COMING = "SELECT name FROM periods() WHERE of_table = 'call' AND NOT is_default ORDER BY to_at DESC LIMIT 1"


def clock_at(store: PostgresStore, now: datetime) -> CampaignClock:
    return CampaignClock(store=store, clock=SystemClock(), limits=DispatchLimits(), now_override=now)


async def campaign_status(world: World, campaign_id: CampaignId) -> str:
    async with world.store.transaction() as tx:
        campaign = await tx.campaigns.campaign(world.workspace_id, campaign_id)
    assert campaign is not None
    return campaign.status


async def test_a_campaign_that_starts_later_is_scheduled_and_opens_at_its_start(store: PostgresStore) -> None:
    world = await World.make(store)
    campaign_id = await world.draft(NUMBERS)
    before = START_AT - timedelta(seconds=1)
    async with store.transaction() as tx:
        await tx.campaigns.start(world.workspace_id, campaign_id, world.trunk_id, [CALLING_NUMBER], before)
    await clock_at(store, before).tick()
    assert await campaign_status(world, campaign_id) == "scheduled"
    async with store.transaction() as tx:
        assert await tx.dispatch.work(before) == []
    await clock_at(store, START_AT).tick()
    assert await campaign_status(world, campaign_id) == "ongoing"


async def test_a_campaign_is_completed_when_no_call_is_pending_or_on_the_wire(store: PostgresStore) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(NUMBERS)
    clock = SystemClock()
    supervisor = Supervisor(store=store, driver=ScriptedCarrier(), clock=clock)
    await world.dial(supervisor, clock.monotonic())
    await supervisor.campaign_clock.tick()
    assert await campaign_status(world, campaign_id) == "ongoing"
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE dial_attempt SET lease_until = clock_timestamp() - interval '1 s'")
    await Supervisor(store=store, driver=ScriptedCarrier(), clock=clock).rescuer.rescue()
    await supervisor.campaign_clock.tick()
    assert await campaign_status(world, campaign_id) == "completed"


async def test_what_is_left_at_the_end_time_is_fenced_and_cancelled(store: PostgresStore) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(NUMBERS)
    await clock_at(store, END_AT - timedelta(seconds=1)).tick()
    assert await campaign_status(world, campaign_id) == "ongoing"
    await clock_at(store, END_AT).tick()
    assert await campaign_status(world, campaign_id) == "completed"
    expected = {("cancelled", "CAMPAIGN_TIME_EXCEEDED")}
    assert set((await world.statuses()).values()) == expected
    carrier = ScriptedCarrier()
    supervisor = Supervisor(store=store, driver=carrier, clock=SystemClock())
    await world.dial(supervisor, SystemClock().monotonic())
    assert carrier.wire == []
    await world.sweep_all(supervisor)
    assert set((await world.statuses()).values()) == expected
    assert await world.count("SELECT count(*) FROM termination WHERE api_key_id IS NULL AND state = 'settled'") == 1


async def test_an_end_with_nothing_pending_leaves_no_receipt(store: PostgresStore) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(NUMBERS)
    async with store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE call SET status = 'cancelled', next_attempt_at = NULL, ended_at = clock_timestamp()"
        )
    await clock_at(store, END_AT).tick()
    assert await campaign_status(world, campaign_id) == "completed"
    assert await world.count("SELECT count(*) FROM termination") == 0


async def test_partitions_are_made_although_nothing_can_be_pruned_and_pruning_is_not_tried_each_round(
    store: PostgresStore,
) -> None:
    world = await World.make(store)
    async with store.transaction() as tx:
        await tx.connection.execute(PRUNING_FAILS)
        coming = await tx.connection.fetchval(LAST_COMING)
        await tx.connection.execute(f"DROP TABLE {coming}")
    clock = VirtualClock()
    running = asyncio.create_task(CampaignClock(store=store, clock=clock, limits=DispatchLimits()).run())
    try:
        async with asyncio.timeout(30):
            while not await world.count(f"SELECT count(to_regclass('{coming}'))"):
                await clock.advance(1.0)
            campaign_id = await world.campaign(NUMBERS)
            async with store.transaction() as tx:
                await tx.connection.execute(
                    "UPDATE call SET status = 'cancelled', next_attempt_at = NULL, ended_at = clock_timestamp()"
                )
            while await campaign_status(world, campaign_id) != "completed":
                await clock.advance(1.0)
        assert await world.count("SELECT last_value FROM prunings") == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
