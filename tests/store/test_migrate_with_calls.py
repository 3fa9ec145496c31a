"""A database of the first release, stopped in the middle of settling, goes on with this version."""

import re

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import MigrationRefused
from ringoff.observability.invariants import broken_invariants
from ringoff.store.migrate import apply_migrations, shipped_migrations
from ringoff.store.postgres import PostgresStore, connect_once
from tests.support.carriers import ScriptedCarrier

pytestmark = pytest.mark.anyio

# The statements of the first release are gone; these are the rows that they left.
ROWS = """
    CREATE TEMPORARY TABLE ids AS
    SELECT gen_random_uuid() AS workspace_id, gen_random_uuid() AS agent_id, gen_random_uuid() AS trunk_id,
        ordered_uuid() AS fenced, ordered_uuid() AS numbered,
        ordered_uuid() AS past_order, ordered_uuid() AS campaign_order, ordered_uuid() AS number_order;
    INSERT INTO workspace (workspace_id, name) SELECT workspace_id, 'old' FROM ids;
    INSERT INTO agent (workspace_id, agent_id, display_name, agent_type, primary_language)
    SELECT workspace_id, agent_id, 'agent', 'outbound', 'en-US' FROM ids;
    INSERT INTO trunk (workspace_id, trunk_id, name, driver, cps_max, channels_max)
    SELECT workspace_id, trunk_id, 'trunk', 'simulated', 10, 10 FROM ids;
    INSERT INTO campaign (
        workspace_id, campaign_id, agent_id, kind, name, status, epoch, trunk_id, call_config, total_count
    )
    SELECT workspace_id, fenced, agent_id, 'list', 'fenced', 'terminated', 1, trunk_id, '{}'::jsonb, 7 FROM ids
    UNION ALL
    SELECT workspace_id, numbered, agent_id, 'list', 'numbered', 'ongoing', 0, trunk_id, '{}', 5 FROM ids;
    INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)
    SELECT workspace_id, fenced, n, 0, '+1202555000' || n, now() FROM ids, generate_series(1, 7) AS n
    UNION ALL
    SELECT workspace_id, numbered, n, 0, '+12025550099', now() FROM ids, generate_series(1, 5) AS n;
"""
# Registered before the orders, in a transaction of its own: that is what a fence of numbers asks.
ORDERS = """
    INSERT INTO termination (
        workspace_id, termination_id, level, selector, state, settled_at, cancelled_count, retry_barred_count
    )
    SELECT workspace_id, past_order, 'calls', '{"call_ids": []}'::jsonb, 'settled', now(), 0, 4 FROM ids
    UNION ALL
    SELECT workspace_id, campaign_order, 'campaign', jsonb_build_object('campaign_id', fenced), 'settling', NULL, 2, 3
    FROM ids
    UNION ALL
    SELECT workspace_id, number_order, 'numbers', '{"mobile_numbers": ["+12025550099"]}', 'settling', NULL, 1, 1
    FROM ids;
    INSERT INTO campaign_fence (workspace_id, campaign_id, epoch, termination_id, sub_status)
    SELECT workspace_id, fenced, 0, campaign_order, 'USER_TERMINATED' FROM ids;
    INSERT INTO number_fence (workspace_id, called_number, termination_id, registered_in, sub_status)
    SELECT workspace_id, '+12025550099', number_order, pg_current_snapshot(), 'USER_TERMINATED' FROM ids;
    -- Swept already: two of the seven, and one of the five.
    UPDATE call c
    SET status = 'cancelled', sub_status = 'USER_TERMINATED', ended_at = clock_timestamp(), next_attempt_at = NULL,
        termination_id = CASE WHEN c.campaign_id = i.fenced THEN i.campaign_order ELSE i.number_order END
    FROM ids i
    WHERE (c.campaign_id = i.fenced AND c.contact_id <= 2) OR (c.campaign_id = i.numbered AND c.contact_id = 1);
    -- On the wire when the order came: three, all counted, one of them marked. Of the two numbered ones one is both.
    UPDATE call c
    SET status = 'ongoing', sub_status = 'ACCEPTED', next_attempt_at = NULL, last_attempt_at = now(),
        retry_barred = c.contact_id = 3,
        termination_id = CASE
            WHEN c.contact_id <> 3 THEN NULL WHEN c.campaign_id = i.fenced THEN i.campaign_order ELSE i.number_order
        END
    FROM ids i
    WHERE (c.campaign_id = i.fenced AND c.contact_id BETWEEN 3 AND 5)
       OR (c.campaign_id = i.numbered AND c.contact_id IN (3, 4));
    INSERT INTO dial_attempt (
        workspace_id, call_id, campaign_id, trunk_id, owner_id, state, lease_until, calling_number, prepared_at,
        originated_at
    )
    SELECT c.workspace_id, c.call_id, c.campaign_id, i.trunk_id, gen_random_uuid(), 'originated',
        now() - interval '1 s', '+12025550100', now() - interval '1 minute', now() - interval '1 minute'
    FROM ids i JOIN call c ON c.workspace_id = i.workspace_id AND c.status = 'ongoing';
"""


async def make_old_database(dsn: str) -> None:
    connection = await connect_once(dsn)
    try:
        await apply_migrations(connection, shipped_migrations()[:1])
        await connection.execute(ROWS)
        await connection.execute(ORDERS)
    finally:
        await connection.close()


async def migrate(dsn: str) -> None:
    connection = await connect_once(dsn)
    try:
        applied = await apply_migrations(connection)
        assert sorted(applied) == [migration.file_name for migration in shipped_migrations()[1:]]
    finally:
        await connection.close()


async def receipts(store: PostgresStore) -> list[tuple[object, ...]]:
    async with store.transaction() as tx:
        rows = await tx.connection.fetch(
            "SELECT level, state, cancelled_count, left_ongoing_count, retry_barred_count"
            " FROM termination ORDER BY level"
        )
    return [tuple(row) for row in rows]


async def test_what_the_first_release_left_settling_settles_with_true_counts(empty_database_dsn: str) -> None:
    await make_old_database(empty_database_dsn)
    await migrate(empty_database_dsn)
    store = await PostgresStore.connect(empty_database_dsn)
    try:
        assert await broken_invariants(store) == []
        assert await receipts(store) == [
            ("calls", "settled", 0, 4, 4),
            ("campaign", "settling", 2, 3, 1),
            ("numbers", "settling", 1, 1, 1),
        ]
        supervisor = Supervisor(store=store, driver=ScriptedCarrier(), clock=SystemClock())
        while await supervisor.sweeper.sweep() is not None:
            pass
        assert await supervisor.rescuer.rescue() == 5
        assert await receipts(store) == [
            ("calls", "settled", 0, 4, 4),
            ("campaign", "settled", 4, 3, 3),
            ("numbers", "settled", 3, 1, 2),
        ]
        assert await broken_invariants(store) == []
    finally:
        await store.close(timeout_s=1.0)


HISTORY = next(migration.sql for migration in shipped_migrations() if migration.file_name.endswith("_history.sql"))


async def test_indexes_that_were_built_beforehand_are_taken(empty_database_dsn: str) -> None:
    connection = await connect_once(empty_database_dsn)
    try:
        await apply_migrations(connection, shipped_migrations()[:1])
        built = re.findall(r"CREATE INDEX IF NOT EXISTS[^;]+", HISTORY)
        assert len(built) == 2
        for statement in built:
            await connection.execute(statement.replace("INDEX", "INDEX CONCURRENTLY"))
        before = await connection.fetch(BUILT)
        # As far as the release before partitions, which gives their names to new ones.
        await apply_migrations(connection, shipped_migrations()[:12])
        assert await connection.fetch(BUILT) == before
        assert len(before) == 2
    finally:
        await connection.close()


async def test_an_index_that_is_half_built_is_refused(empty_database_dsn: str) -> None:
    connection = await connect_once(empty_database_dsn)
    try:
        await apply_migrations(connection, shipped_migrations()[:1])
        await connection.execute("CREATE INDEX call_ended ON call (campaign_id)")
        # What CREATE INDEX CONCURRENTLY leaves behind when it is ended.
        await connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'call_ended'::regclass")
        with pytest.raises(MigrationRefused, match="left half built"):
            await apply_migrations(connection)
    finally:
        await connection.close()


BUILT = "SELECT oid, relname FROM pg_class WHERE relname IN ('call_ended', 'call_waiting') ORDER BY relname"
