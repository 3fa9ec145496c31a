"""Migrations while others work: locks that are held, files that are half done, sessions of other versions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from ringoff.database import migrate_at_start
from ringoff.domain.errors import MigrationRefused, SerializationConflict
from ringoff.migrating import migration_report, run_migrate
from ringoff.settings import Settings
from ringoff.store import migrate, schema
from ringoff.store.connection import Connection
from ringoff.store.migrate import (
    LockWait,
    Migration,
    OtherVersionsConnected,
    apply_migrations,
    half_done,
    pending,
    planned,
    shipped_migrations,
)
from ringoff.store.migration_files import RUNS_FROM, Step
from ringoff.store.postgres import PostgresStore, connect_once
from ringoff.store.schema import APPLICATION_NAME, check_schema, other_versions

pytestmark = pytest.mark.anyio

HASTY = LockWait(timeout_ms=20, tries_max=3, pause_s=0.0)
PATIENT = LockWait(timeout_ms=20, tries_max=100_000, pause_s=0.0)
BEFORE = shipped_migrations()[:RUNS_FROM]
"""The schema of 0.2.0."""
CONTRACT = Migration(9001, "9001_toy.sql", "ALTER TABLE workspace ADD COLUMN toy integer;")
EXPANSION = Migration(9002, "9002_toy.expand.sql", "CREATE TABLE toy (n integer);")
BUSY = Migration(1, "0001_busy.sql", "CREATE TABLE busy (n integer); CREATE SEQUENCE tries;")
"""A sequence counts tries that are rolled back, too."""
WANTS_BUSY = Migration(
    2, "0002_wants.sql", "CREATE TABLE left_over (n integer); SELECT nextval('tries'); ALTER TABLE busy ADD m integer;"
)
INDEX = Migration(
    2, "0002_index.sql", "-- step outside a transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS busy_n ON busy (n);"
)


@asynccontextmanager
async def session(dsn: str, name: str = "a test") -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": name})
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    connection = await connect_once(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def until(is_so: Callable[[], Awaitable[object]]) -> None:
    """Asks the database again and again, which is all the waiting that it takes."""
    for _look in range(100_000):
        if await is_so():
            return
    raise AssertionError("it never came")


async def make_old(connection: Connection) -> None:
    """A database of 0.2.0 with something in it."""
    await apply_migrations(connection, BEFORE)
    await connection.execute("INSERT INTO workspace (workspace_id, name) VALUES (gen_random_uuid(), 'old')")


async def names(connection: Connection, table: str) -> list[str]:
    return [row["name"] for row in await connection.fetch(f"SELECT name FROM {table} ORDER BY version")]


async def test_a_step_that_gets_no_lock_fails_in_its_time_and_leaves_nothing(empty_database_dsn: str) -> None:
    async with connected(empty_database_dsn) as connection, session(empty_database_dsn) as holder:
        await apply_migrations(connection, [BUSY])
        async with holder.transaction():
            await holder.execute("LOCK TABLE busy IN ACCESS SHARE MODE")
            with pytest.raises(MigrationRefused, match=r"0002_wants\.sql could not get its locks in time, 3 times"):
                await apply_migrations(connection, [BUSY, WANTS_BUSY], wait=HASTY)
        assert await connection.fetchval("SELECT last_value FROM tries") == 3
        assert await connection.fetchval("SELECT to_regclass('left_over')") is None
        assert await pending(connection, [BUSY, WANTS_BUSY]) == [WANTS_BUSY]
        assert await apply_migrations(connection, [BUSY, WANTS_BUSY], wait=HASTY) == [WANTS_BUSY.file_name]


async def test_a_step_is_tried_again_until_its_lock_is_free(empty_database_dsn: str) -> None:
    async with connected(empty_database_dsn) as connection, session(empty_database_dsn) as holder:
        await apply_migrations(connection, [BUSY])
        async with asyncio.TaskGroup() as tasks:
            async with holder.transaction():
                await holder.execute("LOCK TABLE busy IN ACCESS SHARE MODE")
                applying = tasks.create_task(apply_migrations(connection, [BUSY, WANTS_BUSY], wait=PATIENT))
                await until(lambda: holder.fetchval("SELECT last_value >= 2 FROM tries"))
            assert await applying == [WANTS_BUSY.file_name]


@pytest.mark.parametrize("file_name", ["0002_steps.sql", "0002_steps.expand.sql"])
async def test_a_file_that_is_half_done_goes_on_with_its_next_step(empty_database_dsn: str, file_name: str) -> None:
    steps = Migration(
        2,
        file_name,
        "-- What it is for.\n-- step\nCREATE TABLE one (n integer);\n"
        "-- step\nALTER TABLE missing ADD m integer;\n-- step\nCREATE TABLE three (n integer);",
    )
    async with connected(empty_database_dsn) as connection:
        with pytest.raises(MigrationRefused, match="failed"):
            await apply_migrations(connection, [BUSY, steps])
        assert await half_done(connection) == {2: 1}
        assert await pending(connection, [BUSY, steps]) == [steps]
        # A release that would not know the file must refuse what is half contracted already.
        is_known_before = steps.file_name in await names(connection, "schema_migration")
        assert is_known_before is not steps.is_expansion
        with pytest.raises(MigrationRefused, match="was edited"):
            await apply_migrations(connection, [BUSY, Migration(2, file_name, steps.sql + "-- more")])
        await connection.execute("CREATE TABLE missing (n integer)")
        assert await apply_migrations(connection, [BUSY, steps]) == [file_name]
        assert await half_done(connection) == {}
        assert await connection.fetchval("SELECT to_regclass('three') IS NOT NULL")
        assert await pending(connection, [BUSY, steps]) == []


async def test_an_index_is_built_outside_a_transaction_and_a_ruin_of_it_is_built_again(empty_database_dsn: str) -> None:
    async with connected(empty_database_dsn) as connection:
        await apply_migrations(connection, [BUSY])
        await connection.execute("CREATE INDEX busy_n ON busy (n)")
        await connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'busy_n'::regclass")
        ruin = await connection.fetchval("SELECT 'busy_n'::regclass::oid")
        assert await apply_migrations(connection, [BUSY, INDEX]) == [INDEX.file_name]
        built = "SELECT indexrelid <> $1 AND indisvalid FROM pg_index WHERE indexrelid = 'busy_n'::regclass"
        assert await connection.fetchval(built, ruin)
        assert await connection.fetchval("SHOW lock_timeout") == "0"


async def test_who_waits_for_another_to_migrate_does_not_stand_in_the_way_of_an_index(empty_database_dsn: str) -> None:
    async with (
        connected(empty_database_dsn) as first,
        connected(empty_database_dsn) as second,
        session(empty_database_dsn) as writer,
    ):
        await apply_migrations(first, [BUSY])
        async with asyncio.TaskGroup() as tasks:
            async with writer.transaction():
                await writer.execute("INSERT INTO busy (n) VALUES (1)")
                # It waits for the writer, whose transaction is older.
                building = tasks.create_task(apply_migrations(first, [BUSY, INDEX]))
                async with session(empty_database_dsn) as watching:
                    await until(lambda: watching.fetchval(IS_WAITING))
                    queueing = tasks.create_task(apply_migrations(second, [BUSY, INDEX]))
                    await until(lambda: watching.fetchval(IS_QUEUEING))
                    # And a starting process of 0.2.0, which waits for its lock in one statement, gets it.
                    await watching.execute("SELECT pg_advisory_lock($1)", migrate._KEY_BEFORE)
            assert await building == [INDEX.file_name]
            assert await queueing == []


IS_WAITING = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%CONCURRENTLY%' AND wait_event_type = 'Lock'
          AND pid <> pg_backend_pid()
    )
"""
IS_QUEUEING = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'
    )
"""


async def test_a_process_that_queues_for_too_long_says_so(empty_database_dsn: str) -> None:
    async with connected(empty_database_dsn) as connection, session(empty_database_dsn) as migrating:
        await migrating.execute("SELECT pg_advisory_lock($1)", migrate._KEY)
        with pytest.raises(MigrationRefused, match="another process has been migrating"):
            await apply_migrations(connection, [BUSY], wait=LockWait(queue_s=0.2))


async def test_a_contract_waits_until_no_session_of_another_version_is_left(empty_database_dsn: str) -> None:
    shipped = [*BEFORE, CONTRACT, EXPANSION]
    async with connected(empty_database_dsn) as connection:
        await make_old(connection)
        async with session(empty_database_dsn, "ringoff"), session(empty_database_dsn, "ringoff/0.0.1"):
            # What suits the others is applied, in spite of its higher number.
            assert await apply_migrations(connection, shipped, contract=False) == [EXPANSION.file_name]
            with pytest.raises(OtherVersionsConnected, match=r"9001_toy\.sql .* ringoff \(1\), ringoff/0\.0\.1 \(1\)"):
                await apply_migrations(connection, shipped)
            assert await pending(connection, shipped) == [CONTRACT]
        # A session of our own version, and one of somebody else's program, are in nobody's way.
        pooled = f"{APPLICATION_NAME} - 10.0.0.1:5432"
        async with (
            session(empty_database_dsn, APPLICATION_NAME),
            session(empty_database_dsn, pooled),
            session(empty_database_dsn, "psql"),
        ):
            await until(lambda: no_others(connection))
            assert await apply_migrations(connection, shipped, contract=False) == []
            assert await apply_migrations(connection, shipped) == [CONTRACT.file_name]


async def no_others(connection: Connection) -> bool:
    return await other_versions(connection) is None


async def test_a_start_with_nothing_to_do_waits_for_nobody_who_contracts(
    empty_database_dsn: str,
) -> None:
    async with connected(empty_database_dsn) as connection, session(empty_database_dsn) as contracting:
        await make_old(connection)
        await contracting.execute("SELECT pg_advisory_lock($1)", migrate._KEY)
        assert await apply_migrations(connection, [*BEFORE, CONTRACT], contract=False) == []


async def test_a_statement_that_a_migration_has_made_invalid_is_worth_trying_again(store: PostgresStore) -> None:
    async def read() -> int:
        async with store.transaction() as tx:
            return len(await tx.connection.fetch("SELECT * FROM toy"))

    async def execute(statement: str) -> None:
        async with store.order_transaction() as tx:
            await tx.connection.execute(statement)

    await execute("CREATE TABLE toy (n integer)")
    for _time in range(10):  # in each session of the pool
        assert await read() == 0
    await execute("ALTER TABLE toy ADD COLUMN m text")
    with pytest.raises(SerializationConflict, match="the schema has changed"):
        await read()
    assert await read() == 0


async def test_an_empty_database_gets_everything_at_once_in_order(empty_database_dsn: str) -> None:
    shipped = [*BEFORE, CONTRACT, EXPANSION]
    async with connected(empty_database_dsn) as connection:
        await apply_migrations(connection, BEFORE[:3])  # a first start that was killed
        assert await planned(connection, shipped, contract=False) == shipped[3:]
        assert await apply_migrations(connection, shipped, contract=False) == [m.file_name for m in shipped[3:]]


async def test_a_database_that_is_too_old_is_left_to_the_command(empty_database_dsn: str) -> None:
    shipped = [*BEFORE, CONTRACT, EXPANSION]
    async with connected(empty_database_dsn) as connection:
        await apply_migrations(connection, BEFORE[:-1])
        await connection.execute("INSERT INTO workspace (workspace_id, name) VALUES (gen_random_uuid(), 'old')")
        with pytest.raises(MigrationRefused, match=r"0012_dashboard_sessions\.sql has not been applied"):
            await check_schema(connection)
        assert await apply_migrations(connection, shipped, contract=False) == []
        # What this version needs first, then what suits others, then what does not.
        in_order = [BEFORE[-1], EXPANSION, CONTRACT]
        assert await apply_migrations(connection, shipped) == [m.file_name for m in in_order]


async def test_the_schema_of_the_release_before_is_good_enough(
    empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(monkeypatch, [*BEFORE, CONTRACT, EXPANSION])
    async with connected(empty_database_dsn) as connection:
        await make_old(connection)
        await check_schema(connection)
        is_good, words = await migration_report(connection)
        assert is_good
        assert "`ringoff migrate` applies 9002_toy.expand.sql" in words
        assert "`ringoff migrate --contract` applies 9001_toy.sql" in words
        await apply_migrations(connection)
        # An expansion of a newer version suits this one; its contracts do not.
        ship(monkeypatch, [*BEFORE, CONTRACT])
        await check_schema(connection)
        ship(monkeypatch, [*BEFORE, EXPANSION])
        with pytest.raises(MigrationRefused, match=r"9001_toy\.sql, which this version of Ringoff is too old for"):
            await check_schema(connection)


async def test_the_command_says_what_it_would_do_and_then_does_it(
    empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ship(monkeypatch, [*BEFORE, CONTRACT, EXPANSION])
    settings = Settings(data_dir=tmp_path, database_url=empty_database_dsn)
    async with connected(empty_database_dsn) as connection:
        await make_old(connection)

    async def said(*, contract: bool, is_dry_run: bool) -> list[str]:
        lines: list[str] = []
        await run_migrate(settings, contract=contract, is_dry_run=is_dry_run, say=lines.append)
        return lines

    would_expand = "would apply 9002_toy.expand.sql (0 of 1 steps are done)"
    would_contract = "would apply 9001_toy.sql (0 of 1 steps are done)"
    waits = "waits for --contract: 9001_toy.sql"
    assert await said(contract=False, is_dry_run=True) == [would_expand, waits]
    async with session(empty_database_dsn, "ringoff"):
        refused = f"{would_contract}; refused while these are connected: ringoff (1)"
        assert await said(contract=True, is_dry_run=True) == [would_expand, refused]
    async with session(empty_database_dsn) as watching:
        await until(lambda: no_others(watching))
    assert await said(contract=True, is_dry_run=True) == [would_expand, would_contract]
    assert await said(contract=False, is_dry_run=False) == ["applied 9002_toy.expand.sql", waits]
    assert await said(contract=True, is_dry_run=False) == ["applied 9001_toy.sql", "the schema is this version's"]


async def test_a_start_expands_if_it_may_and_contracts_only_what_is_its_own(
    empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ship(monkeypatch, [*BEFORE, CONTRACT, EXPANSION])
    auto = Settings(data_dir=tmp_path)
    async with connected(empty_database_dsn) as connection:
        with pytest.raises(MigrationRefused, match=r"0001_initial\.sql has not been applied"):
            await migrate_at_start(connection, replace(auto, migrate="never"), contract=True)
        await make_old(connection)
        await migrate_at_start(connection, replace(auto, migrate="never"), contract=True)
        assert await pending(connection) == [CONTRACT, EXPANSION]
        async with session(empty_database_dsn, "ringoff"):
            await migrate_at_start(connection, auto, contract=True)
        assert await pending(connection) == [CONTRACT], "another version is there: it starts all the same"
        await until(lambda: no_others(connection))
        await migrate_at_start(connection, auto, contract=False)
        assert await pending(connection) == [CONTRACT]
        await migrate_at_start(connection, auto, contract=True)
        assert await pending(connection) == []


async def test_an_expansion_that_gets_no_lock_keeps_nobody_from_starting(
    empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = Migration(9002, "9002_toy.expand.sql", "ALTER TABLE nowhere ADD m integer;")
    ship(monkeypatch, [*BEFORE, broken])
    async with connected(empty_database_dsn) as connection:
        await make_old(connection)
        await migrate_at_start(connection, Settings(data_dir=tmp_path), contract=False)
        assert await pending(connection) == [broken]


async def test_a_session_of_0_2_0_writes_nothing_after_the_contract(database_dsn: str) -> None:
    write = "UPDATE call SET retry_barred = true"
    async with session(database_dsn, "ringoff") as old, session(database_dsn, APPLICATION_NAME) as ours:
        await ours.execute(write)
        for table in ("call", "dial_attempt", "termination", "outbox_event", "webhook_delivery"):
            with pytest.raises(asyncpg.RaiseError, match="migrated to a later version of Ringoff"):
                await old.execute(f"DELETE FROM {table}")


async def test_a_dry_run_makes_no_database(tmp_path: Path) -> None:
    lines: list[str] = []
    await run_migrate(Settings(data_dir=tmp_path), contract=True, is_dry_run=True, say=lines.append)
    assert lines == [f"there is no database in {tmp_path} yet; `ringoff up` makes it"]
    assert not (tmp_path / "postgres").exists()


def ship(monkeypatch: pytest.MonkeyPatch, migrations: Sequence[Migration]) -> None:
    for module in (migrate, schema):
        monkeypatch.setattr(module, "shipped_migrations", lambda: migrations)


def test_a_file_is_cut_into_its_steps() -> None:
    text = "-- Why.\r\n-- step\r\nSELECT 1;\r\n-- step outside a transaction\r\n-- Long.\r\nSELECT 2;\r\n"
    assert Migration(1, "0001_a.sql", text).steps == [Step("SELECT 1;"), Step("-- Long.\nSELECT 2;", False)]
    assert Migration(1, "0001_a.sql", "-- Why.\nSELECT 1;").steps == [Step("-- Why.\nSELECT 1;")]
    assert Migration(1, "0001_a.sql", "-- Nothing any more.").steps == [Step("")]


def test_later_numbers_may_be_missing_and_none_may_come_twice(tmp_path: Path) -> None:
    for number in range(1, RUNS_FROM + 1):
        (tmp_path / f"{number:04}_a.sql").write_text("SELECT 1;")
    (tmp_path / "0015_b.expand.sql").write_text("SELECT 1;")
    assert [m.version for m in shipped_migrations(tmp_path) if m.is_expansion] == [15]
    (tmp_path / "0015_c.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationRefused, match=r"0015_c\.sql is out of order"):
        shipped_migrations(tmp_path)
