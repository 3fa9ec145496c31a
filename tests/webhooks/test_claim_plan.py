"""A claim finds the older events of a call by its own index, also in a table that has no statistics yet."""

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.support.plans import flattened, without_autovacuum
from tests.support.subscribers import FIRST, subscribed, write_events
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_a_claim_looks_for_older_events_by_their_call(store: PostgresStore, is_analyzed: bool) -> None:
    world = await World.make(store)
    await world.draft([FIRST])
    subscription = await subscribed(world)
    await write_events(world, FIRST)
    async with store.transaction() as tx:
        await without_autovacuum(tx.connection, "webhook_delivery")
        await tx.connection.execute(
            "INSERT INTO webhook_delivery (workspace_id, subscription_id, event_id, call_id)"
            " SELECT $1, $2, ordered_id_floor(now()) + n, gen_random_uuid() FROM generate_series(1000, 20000) AS n",
            world.workspace_id,
            subscription.subscription_id,
        )
        if is_analyzed:
            await tx.connection.execute("ANALYZE webhook_delivery")
        nodes = await flattened(
            tx.connection,
            f"EXPLAIN (FORMAT JSON) {load('webhooks')['claim']}",
            world.workspace_id,
            subscription.subscription_id,
            50,
            60.0,
        )
    older = [node for node in nodes if node.get("Alias", "").split("_")[0] == "o" and "Index Name" in node]
    assert {(node["Index Name"], "call_id" in node["Index Cond"]) for node in older} == {
        ("webhook_delivery_in_order", True)
    }
    assert [
        node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "webhook_delivery"
    ] == []
