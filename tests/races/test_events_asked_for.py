"""Which events of a call are written for whom: its registration once, each end of a try, its end for good once."""

import pytest

from ringoff.domain.events import EventType
from ringoff.domain.termination import Selector
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.races.conftest import Actors
from tests.support.large_lists import NOW, contacts, upload, verifier
from tests.support.plans import flattened
from tests.support.world import World

pytestmark = pytest.mark.anyio

FIRST, SECOND = "+12025550111", "+12025550112"
NEVER_WRITTEN = (
    EventType.RECORDING_COMPLETED,
    EventType.PLATFORM_ANALYSIS_COMPLETED,
    EventType.CLIENT_ANALYSIS_COMPLETED,
)


async def events(world: World) -> list[tuple[str, str, str]]:
    """Type, number and status of each, in their order."""
    async with world.store.transaction() as tx:
        rows = await tx.connection.fetch(
            "SELECT e.event_type, c.called_number, e.payload ->> 'status' AS status FROM outbox_event e"
            " JOIN call c ON c.workspace_id = e.workspace_id AND c.call_id = e.call_id"
            " WHERE e.workspace_id = $1 ORDER BY e.event_id",
            world.workspace_id,
        )
    return [(row["event_type"], row["called_number"], row["status"]) for row in rows]


async def test_a_registration_is_told_once_for_each_call_of_a_list_and_for_one_call(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.subscribe(EventType.CALL_STARTED)
    await world.subscribe(EventType.CALL_STARTED, agent_id=world.agent_id)
    await world.draft([FIRST, SECOND])
    await world.individual_call(FIRST)
    assert await events(world) == [("call_started", number, "registered") for number in (FIRST, SECOND, FIRST)]


async def test_calls_that_a_restart_registers_are_told_and_the_old_ones_are_not_told_again(actors: Actors) -> None:
    world = actors.world
    await world.subscribe(EventType.CALL_STARTED)
    campaign_id = await world.campaign([FIRST, SECOND])
    await actors.terminate(Selector(campaign_id=campaign_id))
    async with world.store.transaction() as tx:
        campaign = await tx.campaigns.campaign(world.workspace_id, campaign_id)
        assert campaign is not None
        registered = tx.campaigns.register_terminated(world.workspace_id, campaign_id, campaign.epoch, NOW)
        assert await registered == 2
    assert [number for _, number, _ in await events(world)] == [FIRST, SECOND, FIRST, SECOND]
    assert await world.count("SELECT count(DISTINCT call_id) FROM outbox_event") == 4


async def test_the_calls_of_a_large_list_are_told_when_they_are_registered(actors: Actors) -> None:
    world = actors.world
    await world.subscribe(EventType.CALL_STARTED)
    campaign_id = await upload(world, contacts([FIRST, SECOND]))
    assert await events(world) == []
    assert await verifier(world.store).verify_next()
    assert [number for _, number, _ in await events(world)] == [FIRST, SECOND]
    await actors.terminate(Selector(campaign_id=campaign_id))
    async with world.store.transaction() as tx:
        assert await tx.campaigns.register_terminated(world.workspace_id, campaign_id, 1, NOW) == 2
    assert [number for _, number, _ in await events(world)] == [FIRST, SECOND, FIRST, SECOND]
    assert await world.count("SELECT count(DISTINCT call_id) FROM outbox_event") == 4


async def test_who_did_not_ask_for_registrations_costs_no_row(store: PostgresStore) -> None:
    world = await World.make(store)
    another = await world.another_agent()
    await world.subscribe(EventType.CALL_STARTED, agent_id=another)
    await world.subscribe(EventType.CALL_COMPLETED, EventType.ALL_PROCESSING_COMPLETED)
    await world.draft([FIRST])
    await world.individual_call(SECOND)
    assert await events(world) == []


async def test_a_retry_is_an_end_of_a_try_and_not_the_end_for_good(actors: Actors) -> None:
    world = actors.world
    await world.subscribe(EventType.CALL_COMPLETED, EventType.ALL_PROCESSING_COMPLETED, *NEVER_WRITTEN)
    await world.campaign([FIRST])
    for code in (486, 404):
        await actors.dial_all()
        async with actors.settling():
            actors.carrier.ends(actors.carrier.wire[-1].attempt_id, code)
            await actors.all_settled()
    assert await events(world) == [
        ("call_completed", FIRST, "retry"),
        ("call_completed", FIRST, "failed"),
        ("all_processing_completed", FIRST, "failed"),
    ]


async def test_a_call_that_an_order_ends_is_over_for_good(actors: Actors) -> None:
    await actors.world.subscribe(EventType.ALL_PROCESSING_COMPLETED)
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    await actors.terminate(Selector(campaign_id=campaign_id, mobile_numbers=(SECOND,)))
    await actors.terminate(Selector(campaign_id=campaign_id))
    await actors.world.sweep_all(actors.supervisor)
    assert sorted(await events(actors.world)) == [
        ("all_processing_completed", number, "cancelled") for number in (FIRST, SECOND)
    ]


@pytest.mark.parametrize(("event_type", "read_count"), [(EventType.CALL_COMPLETED, 0), (EventType.CALL_STARTED, 2)])
async def test_registering_for_nobody_reads_no_call_again(
    store: PostgresStore, event_type: EventType, read_count: int
) -> None:
    """However many there are: the statement asks for a subscription first."""
    world = await World.make(store)
    await world.subscribe(event_type)
    campaign_id = await world.draft([])
    async with store.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)"
            " SELECT $1, $2, n, 0, '+1202555011' || n, now() FROM generate_series(1, 2) AS n",
            world.workspace_id,
            campaign_id,
        )
        statement = load("registrations")["publish_started"]
        nodes = await flattened(
            tx.connection, f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", world.workspace_id, campaign_id
        )
    read = [node for node in nodes if node.get("Relation Name") == "call"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) == read_count
