"""The log of deliveries: a page costs a page, however many newer events others have."""

from dataclasses import replace
from uuid import UUID

import pytest

from ringoff.domain.webhook_records import DeliveryFilter
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.support.plans import plan
from tests.support.subscribers import FIRST, subscribed, write_events
from tests.support.world import World

pytestmark = pytest.mark.anyio
EVENT_COUNT = 20_000


async def test_a_page_of_the_log_reads_the_events_of_its_rows(store: PostgresStore) -> None:
    world = await World.make(store)
    subscription = await subscribed(world)
    async with store.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO outbox_event (workspace_id, event_type, payload)"
            " SELECT $1, 'termination_settled', '{}' FROM generate_series(1, $2)",
            world.workspace_id,
            EVENT_COUNT,
        )
        await tx.connection.execute(
            "INSERT INTO webhook_delivery (workspace_id, subscription_id, event_id)"
            " SELECT $1, $2, event_id FROM outbox_event",
            world.workspace_id,
            subscription.subscription_id,
        )
        await tx.connection.execute("ANALYZE outbox_event")
        await tx.connection.execute("ANALYZE webhook_delivery")
    arguments = (world.workspace_id, None, None, None, 2**63 - 1, UUID(int=2**128 - 1), 51)
    nodes = await plan(store, load("webhooks")["deliveries"], *arguments, of_a_request=True)
    events = [node for node in nodes if node.get("Relation Name") == "outbox_event"]
    assert {("event_id" in node["Index Cond"], node["Plan Rows"]) for node in events} == {(True, 1)}
    assert {node["Node Type"] for node in nodes}.isdisjoint({"Merge Join", "Hash Join"})


async def test_a_page_since_an_instant_has_all_that_is_younger(store: PostgresStore) -> None:
    """Also where an older event has a newer id: a transaction that began early wrote it late."""
    world = await World.make(store)
    await world.draft([FIRST])
    await subscribed(world)
    await write_events(world, *[FIRST] * 6)
    async with store.transaction() as tx:
        rows = await tx.connection.fetch("SELECT event_id FROM outbox_event ORDER BY event_id")
        ids = [row["event_id"] for row in rows]
        for event_id, age_s in zip(ids, (600, 10, 10, 600, 10, 10), strict=True):
            await tx.connection.execute(
                "UPDATE outbox_event SET created_at = now() - make_interval(secs => $2) WHERE event_id = $1",
                event_id,
                float(age_s),
            )
        since = await tx.connection.fetchval("SELECT now() - interval '1 minute'")
        wanted = DeliveryFilter(since=since)
        young = [ids[place] for place in (5, 4, 2, 1)]
        for limit, expected in ((2, young[:2]), (3, young[:3]), (9, young)):
            found = await tx.webhooks.deliveries(world.workspace_id, replace(wanted, limit=limit))
            assert [each.event_id for each in found] == expected
