"""What is old is pruned by its keys, also while events of a paused webhook pile up that no statistics know of."""

import pytest

from ringoff.domain.events import EventType
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.support.plans import flattened, without_autovacuum
from tests.support.world import World

pytestmark = pytest.mark.anyio

UPKEEP = load("upkeep")
EVENTS = """
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload, created_at)
    SELECT $1, 'call_completed', gen_random_uuid(), '{}', now() - interval '5 days' FROM generate_series(1, $2::int)
"""
PENDING = 2_000


@pytest.mark.parametrize("are_statistics_kept", [True, False], ids=["statistics from before", "no statistics"])
@pytest.mark.parametrize("plan_kind", ["force_generic_plan", "force_custom_plan"])
async def test_an_event_that_waits_for_a_paused_webhook_costs_one_entry(
    store: PostgresStore, plan_kind: str, *, are_statistics_kept: bool
) -> None:
    world = await World.make(store)
    async with store.transaction() as tx:
        for table in ("outbox_event", "webhook_delivery"):
            await without_autovacuum(tx.connection, table)
        await tx.webhooks.set_webhook(
            world.workspace_id,
            None,
            EventType.CALL_COMPLETED,
            callback_url="https://crm.example.com/",
            headers={},
            method="POST",
            signing_secret="whsec_x",
        )
        await tx.connection.execute(EVENTS, world.workspace_id, 20_000)
        await tx.connection.execute("UPDATE outbox_event SET created_at = now()")
        await tx.connection.execute("UPDATE webhook_delivery SET state = 'delivered'")
    async with store.transaction() as tx:
        if are_statistics_kept:
            await tx.connection.execute("ANALYZE outbox_event, webhook_delivery, event_subscription")
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE event_subscription SET paused_at = now(), alarm = 'keeps failing'")
        await tx.connection.execute(EVENTS, world.workspace_id, PENDING)
    async with store.dispatch_transaction() as tx:
        await tx.connection.execute(UPKEEP["steer"])
        await tx.connection.execute(f"SET LOCAL plan_cache_mode = {plan_kind}")
        await tx.connection.execute(f"PREPARE pruning AS {UPKEEP['prune_outbox']}")
        explain = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE pruning"
        nodes = await flattened(tx.connection, f"{explain}({PENDING}, 72)")
        await tx.connection.execute("DEALLOCATE pruning")
    scans = [node for node in nodes if "Scan" in node["Node Type"] and node["Actual Loops"]]
    looked_at = [node for node in scans if node.get("Relation Name") == "webhook_delivery"]
    assert {node.get("Index Name") for node in looked_at} == {"webhook_delivery_of_event"}
    read = sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in looked_at
    )
    assert read <= PENDING
