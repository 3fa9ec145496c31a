"""Rules of money and law that the database keeps by itself, whatever the code does."""

import asyncpg
import pytest

from ringoff.store.postgres import PostgresStore
from tests.support.world import World

pytestmark = pytest.mark.anyio

LIVE_ATTEMPT = """
    INSERT INTO dial_attempt (workspace_id, call_id, campaign_id, trunk_id, owner_id, lease_until, calling_number)
    SELECT c.workspace_id, c.call_id, c.campaign_id, k.trunk_id, gen_random_uuid(), now(), '+12025550100'
    FROM call c JOIN campaign k USING (workspace_id, campaign_id)
"""


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE call SET status = 'ringing'", "known_status"),
        ("UPDATE call SET next_attempt_at = NULL", "pending_iff_next_attempt"),
        ("UPDATE call SET status = 'cancelled', next_attempt_at = NULL", "ended_iff_terminal"),
        ("UPDATE call SET ended_at = now()", "ended_iff_terminal"),
        ("UPDATE call SET status = 'ongoing', next_attempt_at = NULL", "dialled_if_past_registered"),
        ("UPDATE call SET sub_status = 'USER_TERMINATED'", "terminated_names_the_order"),
        ("UPDATE call SET retry_barred = true", "barred_names_the_order"),
        ("UPDATE campaign SET trunk_id = NULL", "started_means_dialable"),
        ("UPDATE campaign SET end_at = start_at", "ends_after_start"),
    ],
)
async def test_a_row_that_breaks_a_rule_is_refused(store: PostgresStore, statement: str, constraint: str) -> None:
    world = await World.make(store)
    await world.campaign(["+12025550111"])
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        async with store.transaction() as tx:
            await tx.connection.execute("ALTER TABLE call DISABLE TRIGGER USER")  # the constraint itself is meant
            await tx.connection.execute(statement)
    assert refused.value.constraint_name == constraint


async def test_a_call_has_one_live_attempt(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.campaign(["+12025550111"])
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        async with store.transaction() as tx:
            await tx.connection.execute(LIVE_ATTEMPT)
            await tx.connection.execute(LIVE_ATTEMPT)
    async with store.transaction() as tx:
        rule = await tx.connection.fetchval(
            "SELECT pg_partition_root($1::regclass)::regclass::text", refused.value.constraint_name
        )
    assert rule == "one_live_attempt_per_call"
