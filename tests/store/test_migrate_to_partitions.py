"""A database with calls is parted without being rewritten, and has everything afterwards that it had before."""

import asyncpg
import pytest

from ringoff.dispatch.coming_partitions import make_coming_partitions
from ringoff.domain.errors import MigrationRefused
from ringoff.store.connection import Connection
from ringoff.store.migrate import LockWait, apply_migrations, shipped_migrations
from ringoff.store.migration_files import RUNS_FROM
from ringoff.store.postgres import PostgresStore, connect_once
from tests.store.test_migrate_with_calls import ORDERS, ROWS

pytestmark = pytest.mark.anyio

TABLES = ("call", "dial_attempt", "contact", "outbox_event", "webhook_delivery")
COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_name = ANY($1::text[]) ORDER BY 1, ordinal_position
"""
CHECKS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid, true) FROM pg_constraint
    WHERE conrelid = ANY($1::regclass[]) AND contype = 'c' ORDER BY 1, 2
"""
INDEXES = """
    SELECT indrelid::regclass::text, indexrelid::regclass::text,
        replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
    FROM pg_index WHERE indrelid = ANY($1::regclass[]) ORDER BY 1, 2
"""
SUBSCRIBED = """
    INSERT INTO event_subscription (workspace_id, event_type, callback_url, signing_secret)
    SELECT workspace_id, 'call_completed', 'http://127.0.0.1:9/', 'secret' FROM ids
"""
CONTACTS = """
    INSERT INTO contact (workspace_id, campaign_id, called_number, callee_name, custom_args)
    SELECT workspace_id, fenced, '+12025550001', 'somebody', '{}' FROM ids, generate_series(1, 5)
"""
EVENTS = """
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT c.workspace_id, 'call_completed', c.call_id, jsonb_build_object('campaign_id', c.campaign_id) FROM call c
"""
LAST_IDS = "SELECT max(contact_id) FROM contact UNION ALL SELECT max(event_id) FROM outbox_event"


async def state(connection: Connection, former: bool = False) -> tuple[dict[str, int], dict[str, int]]:
    """How many rows each table has, and on which file they lie."""
    counts, places = {}, {}
    for table in TABLES:
        counts[table] = await connection.fetchval(f"SELECT count(*) FROM {table}")
        name = table
        if former:
            name = await connection.fetchval(
                "SELECT inhrelid::regclass::text FROM pg_inherits"
                " WHERE inhparent = $1::regclass AND inhrelid::regclass::text ~ '_before_'",
                table,
            )
        places[table] = await connection.fetchval("SELECT pg_relation_filenode($1::regclass)", name)
    return counts, places


async def test_tables_with_rows_become_the_partition_of_what_is_older(empty_database_dsn: str) -> None:
    connection = await connect_once(empty_database_dsn)
    try:
        await apply_migrations(connection, shipped_migrations()[:RUNS_FROM])
        for statements in (ROWS, ORDERS, SUBSCRIBED, CONTACTS, EVENTS):
            await connection.execute(statements)
        before = await state(connection)
        shape = [await connection.fetch(query, TABLES) for query in (COLUMNS, CHECKS, INDEXES)]
        last_ids = await connection.fetch(LAST_IDS)
        view = await connection.fetchval("SELECT pg_get_viewdef('call_effective'::regclass)")
        assert await apply_migrations(connection)
        assert await state(connection, former=True) == before
        columns, checks, indexes = [await connection.fetch(query, TABLES) for query in (COLUMNS, CHECKS, INDEXES)]
        assert columns == shape[0]
        assert [(row[0], row[1]) for row in checks] == [(row[0], row[1]) for row in shape[1]]
        expected = {tuple(row) for row in shape[2] if row[1] != "dial_attempt_pkey"}
        assert expected == {tuple(row) for row in indexes if row[1] != "dial_attempt_pkey"}
        assert await connection.fetchval("SELECT pg_get_viewdef('call_effective'::regclass)") == view
        assert await connection.fetchval("SELECT count(*) FROM pg_constraint WHERE conname ~ '_before_.*[0-9]$'") == 0
        # Ids go on, and events still make their deliveries.
        await connection.execute(CONTACTS)
        await connection.execute(EVENTS)
        now_last = await connection.fetch(LAST_IDS)
        assert [row[0] for row in now_last] == [last_ids[0][0] + 5, last_ids[1][0] + 12]
        assert (await state(connection))[0]["webhook_delivery"] == 24
    finally:
        await connection.close()


BOUND = "SELECT conname FROM pg_constraint WHERE conrelid = 'call'::regclass AND conname LIKE 'call\\_before\\_%'"
LATER = """
    ALTER TABLE call DROP CONSTRAINT {bound};
    ALTER TABLE call
        ADD CONSTRAINT call_before_20200101 CHECK (call_id < '016f5e66-e800-7000-8000-000000000000') NOT VALID
"""
CALL = """
    INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)
    SELECT workspace_id, fenced, 1, 1, '+12025550002', now() FROM ids
"""


async def test_a_migration_that_is_left_half_done_for_months_keeps_nobody_from_registering(
    empty_database_dsn: str,
) -> None:
    connection, busy = await connect_once(empty_database_dsn), await connect_once(empty_database_dsn)
    try:
        await apply_migrations(connection, shipped_migrations()[:RUNS_FROM])
        for statements in (ROWS, ORDERS):
            await connection.execute(statements)
        async with busy.transaction():
            # The tables are bounded by then, and none is partitioned yet.
            await busy.execute("LOCK TABLE termination IN ROW EXCLUSIVE MODE")
            with pytest.raises(MigrationRefused):
                await apply_migrations(connection, wait=LockWait(timeout_ms=50, tries_max=1))
        await connection.execute(LATER.format(bound=await connection.fetchval(BOUND)))
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(CALL)
        store = await PostgresStore.connect(empty_database_dsn)
        assert await make_coming_partitions(store) == 0
        await connection.execute(CALL)
        await store.close()
        before = await state(connection)
        await apply_migrations(connection)
        assert await state(connection, former=True) == before
    finally:
        await connection.close()
        await busy.close()
