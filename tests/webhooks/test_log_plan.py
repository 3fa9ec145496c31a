"""A page of the log looks its events up one by one, however many newer ones others have."""

from uuid import UUID

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.store.test_plans import plan
from tests.support.subscribers import subscribed
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
    assert [("event_id" in node["Index Cond"], node["Plan Rows"]) for node in events] == [(True, 1)]
    assert {node["Node Type"] for node in nodes}.isdisjoint({"Merge Join", "Hash Join"})
