"""What a scrape reads of the database: exact for what is there, and never a walk over calls."""

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.pacing import effective_pace
from ringoff.domain.readings import DriverReading, Reading
from ringoff.domain.termination import Selector
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.store.test_plans import YESTERDAY
from tests.support.carriers import ScriptedCarrier
from tests.support.plans import kept_plan, plan
from tests.support.world import World

pytestmark = pytest.mark.anyio

STATEMENTS = load("readings")
NUMBERS = [f"+120255501{last:02}" for last in range(6)]


async def read(store: PostgresStore) -> Reading:
    async with store.dispatch_transaction() as tx:
        return await tx.readings.read()


async def read_driver(store: PostgresStore) -> DriverReading:
    [driver] = (await read(store)).drivers
    return driver


async def write(store: PostgresStore, statement: str, *arguments: object) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute(statement, *arguments)


async def test_an_empty_installation(store: PostgresStore) -> None:
    assert await read(store) == Reading([], {"scheduled": 0, "ongoing": 0, "paused": 0}, 0, 0, 0.0, 0.0, 0.0, 0, 0)


async def test_channels_and_pace_are_sums_over_the_enabled_trunks_of_a_driver(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=10, channels_max=5)
    other = await World.make(store, cps_max=4, channels_max=2)
    stopped = await World.make(store, cps_max=100, channels_max=100)
    await write(store, "UPDATE trunk SET is_enabled = false WHERE trunk_id = $1", stopped.trunk_id)
    await world.campaign(NUMBERS[:2])
    await other.campaign(NUMBERS[2:4])
    # A busy machine may take its time from a claim to its request.
    limits = DispatchLimits(slot_ttl_ms=20_000)
    supervisor = Supervisor(store=store, driver=ScriptedCarrier(), clock=SystemClock(), limits=limits)
    await world.dial(supervisor, SystemClock().monotonic())
    await other.claim(supervisor)
    driver = await read_driver(store)
    assert driver.driver == "simulated"
    assert driver.live_by_state == {"prepared": 2, "originated": 2, "ringing": 0, "answered": 0}
    assert (driver.channels_max, driver.cps_max, driver.cps) == (7, 14, 4)
    assert driver.trunks_by_condition == {"enabled": 2, "stopped": 1, "down": 0, "silent": 0, "slowed": 0, "full": 1}


async def test_a_trunk_that_congestion_slowed_shows_the_pace_that_it_has(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=100)
    async with store.dispatch_transaction() as tx:
        await tx.dispatch.slow_trunk(world.workspace_id, world.trunk_id, 2.0)
    await write(store, "UPDATE trunk SET reduced_at = reduced_at - interval '12 seconds'")
    async with store.dispatch_transaction() as tx:
        state = await tx.dispatch.pace_state(world.workspace_id, world.trunk_id, 0.1)
        [driver] = (await tx.readings.read()).drivers
    assert driver.cps_allowed == pytest.approx(effective_pace(state).cps_max, abs=1.0)
    assert 65 < driver.cps_allowed < 80
    assert driver.trunks_by_condition["slowed"] == 1


async def test_a_silent_trunk_may_send_nothing(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=100)
    async with store.dispatch_transaction() as tx:
        assert await tx.dispatch.trip_breaker(world.workspace_id, world.trunk_id)
    driver = await read_driver(store)
    assert (driver.cps_allowed, driver.trunks_by_condition["silent"]) == (0, 1)


async def test_open_calls_are_those_of_started_campaigns_at_their_present_epoch(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.draft(NUMBERS[:3])
    ended = await world.campaign(NUMBERS[:2])
    await world.campaign(NUMBERS)
    paused = await world.campaign(NUMBERS[:1])
    await write(store, "UPDATE campaign SET status = 'paused' WHERE campaign_id = $1", paused)
    assert (await read(store)).calls_open == 9
    await terminate(store, world.principal, Selector(campaign_id=ended))
    reading = await read(store)
    assert reading.campaigns_by_status == {"scheduled": 0, "ongoing": 1, "paused": 1}
    assert reading.calls_open == 7, "what an order has ended is not open, swept or not"


async def test_orders_that_settle_are_counted_with_their_age(store: PostgresStore) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(NUMBERS[:1])
    await terminate(store, world.principal, Selector(campaign_id=campaign_id))
    await write(store, "UPDATE termination SET created_at = created_at - interval '1 hour'")
    reading = await read(store)
    assert (reading.settling_count, round(reading.settling_oldest_s / 3_600)) == (1, 1)


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_reading_walks_over_calls_or_past_attempts(store: PostgresStore, name: str) -> None:
    world = await World.make(store)
    campaign_id: CampaignId = await world.campaign(NUMBERS)
    await write(store, YESTERDAY, world.workspace_id, campaign_id)
    await write(store, "ANALYZE")
    arguments = (60.0, 0.05) if name == "drivers" else ()
    types = "60.0, 0.05" if arguments else ""
    nodes = await plan(store, STATEMENTS[name], *arguments)
    if arguments:
        nodes += await kept_plan(store, STATEMENTS[name], types)
    assert "call" not in {node.get("Relation Name") for node in nodes}
    live = {"dial_attempt_live", "one_live_attempt_per_call"}
    for node in nodes:
        if node.get("Relation Name") == "dial_attempt":
            assert node.get("Index Name") in live, node
        if node.get("Relation Name") == "termination":
            assert node["Index Name"] == "termination_settling", node
        if node.get("Relation Name") == "campaign":
            assert node["Index Name"] == "campaign_started", node


def test_the_pools_say_who_waits(store: PostgresStore) -> None:
    names = [use.name for use in store.pool_use()]
    assert names == ["requests", "keys", "orders", "dispatch"]
    assert all(use.in_use == use.waiting == use.wait_count == 0 < use.size_max for use in store.pool_use())


async def test_whoever_holds_a_connection_is_counted(store: PostgresStore) -> None:
    async with store.dispatch_transaction(), store.dispatch_transaction():
        assert {use.name: use.in_use for use in store.pool_use()}["dispatch"] == 2
    assert sum(use.in_use for use in store.pool_use()) == 0
