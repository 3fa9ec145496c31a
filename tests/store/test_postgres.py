"""A transaction surely committed or surely raised, and a lost database is one clear error."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from ringoff.domain.errors import DatabaseUnavailable, InvalidInput, MigrationRefused, SerializationConflict
from ringoff.store import postgres
from ringoff.store.postgres import PostgresStore, connect_once
from tests.support.database import dsn_of


async def rows_in_scratch(store: PostgresStore) -> int:
    async with store.transaction() as tx:
        count: int = await tx.connection.fetchval("SELECT count(*) FROM scratch")
        return count


@pytest.fixture
async def scratch(store: PostgresStore) -> PostgresStore:
    async with store.transaction() as tx:
        await tx.connection.execute("CREATE TABLE scratch (n integer UNIQUE, payload jsonb)")
    return store


async def test_a_transaction_commits_at_its_end(scratch: PostgresStore) -> None:
    async with scratch.transaction() as tx:
        await tx.connection.execute("INSERT INTO scratch VALUES (1)")
    assert await rows_in_scratch(scratch) == 1


async def test_an_exception_rolls_back_and_is_passed_on(scratch: PostgresStore) -> None:
    with pytest.raises(OSError, match="not the database's"):
        async with scratch.transaction() as tx:
            await tx.connection.execute("INSERT INTO scratch VALUES (1)")
            raise OSError("not the database's")
    assert await rows_in_scratch(scratch) == 0


async def test_a_swallowed_failure_never_looks_like_a_commit(scratch: PostgresStore) -> None:
    with pytest.raises(DatabaseUnavailable, match="rolled back"):
        async with scratch.transaction() as tx:
            await tx.connection.execute("INSERT INTO scratch VALUES (1)")
            with pytest.raises(asyncpg.UniqueViolationError):
                await tx.connection.execute("INSERT INTO scratch VALUES (1)")
    assert await rows_in_scratch(scratch) == 0


async def test_a_cancelled_transaction_rolls_back(scratch: PostgresStore) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with scratch.transaction() as tx:
            await tx.connection.execute("INSERT INTO scratch VALUES (1)")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await rows_in_scratch(scratch) == 0


async def test_jsonb_columns_pass_as_python_values(scratch: PostgresStore) -> None:
    payload = {"name": "Zoë", "list": [1, 2.5, None, True], "id": str(uuid4())}
    async with scratch.transaction() as tx:
        await tx.connection.execute("INSERT INTO scratch VALUES (1, $1)", payload)
        assert await tx.connection.fetchval("SELECT payload FROM scratch") == payload
        assert await tx.connection.fetchval("SELECT array_agg(payload) FROM scratch") == [payload]


async def test_a_lost_connection_is_unavailability_and_the_next_transaction_is_fine(scratch: PostgresStore) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with scratch.transaction() as tx:
            pid = await tx.connection.fetchval("SELECT pg_backend_pid()")
            async with scratch.transaction() as other:
                await other.connection.execute("SELECT pg_terminate_backend($1)", pid)
            await tx.connection.execute("INSERT INTO scratch VALUES (1)")
    assert await rows_in_scratch(scratch) == 0


async def test_a_commit_whose_connection_is_lost_raises(scratch: PostgresStore) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with scratch.transaction() as tx:
            await tx.connection.execute("INSERT INTO scratch VALUES (1)")
            pid = await tx.connection.fetchval("SELECT pg_backend_pid()")
            async with scratch.transaction() as other:
                await other.connection.execute("SELECT pg_terminate_backend($1)", pid)
    assert await rows_in_scratch(scratch) == 0


async def test_a_deadlock_is_a_serialization_conflict(scratch: PostgresStore) -> None:
    both_locked = asyncio.Barrier(2)

    async def take(first: int, second: int) -> None:
        async with scratch.transaction() as tx:
            await tx.connection.execute("SET LOCAL deadlock_timeout = '20ms'")
            await tx.connection.execute("SELECT pg_advisory_xact_lock($1)", first)
            await both_locked.wait()
            await tx.connection.execute("SELECT pg_advisory_xact_lock($1)", second)

    results = await asyncio.gather(take(1, 2), take(2, 1), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [SerializationConflict]


async def test_the_database_ends_a_dispatch_transaction_that_idles(database_dsn: str) -> None:
    store = await PostgresStore.connect(database_dsn, pool_max=2, dispatch_pool_max=1, originate_timeout_ms=20)
    gone = asyncio.Event()
    try:
        with pytest.raises(DatabaseUnavailable):
            async with store.dispatch_transaction() as tx:
                tx.connection.add_termination_listener(lambda _connection: gone.set())
                await tx.connection.execute("SELECT pg_advisory_xact_lock_shared(1)")
                await gone.wait()
        async with store.transaction() as tx:
            assert await tx.connection.fetchval("SELECT pg_try_advisory_xact_lock(1)")
    finally:
        await store.close()


async def test_wakeups_yield_once_for_a_burst(store: PostgresStore) -> None:
    async with store.wakeups() as wakeups:
        for _round in range(2):
            async with store.transaction() as tx:
                for payload in "abc":
                    await tx.connection.execute("SELECT pg_notify('ringoff_due', $1)", payload)
            await anext(wakeups)


async def test_wakeups_say_so_when_their_connection_is_lost(store: PostgresStore) -> None:
    async with store.wakeups() as wakeups:
        async with store.transaction() as tx:
            await tx.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"
            )
        with pytest.raises(DatabaseUnavailable, match="listens"):
            await anext(wakeups)


async def test_ping_tells_whether_the_database_answers(store: PostgresStore) -> None:
    await store.ping()
    await store.close()
    with pytest.raises(DatabaseUnavailable):
        await store.ping()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await connect_once("postgresql:///nothing?host=/nonexistent")


async def test_a_database_that_is_not_there_is_unavailable(database_server: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="no_such_database"):
        await connect_once(dsn_of(database_server, "no_such_database"))


async def test_a_url_that_is_none_is_an_input_error() -> None:
    with pytest.raises(InvalidInput) as caught:
        await PostgresStore.connect("mysql://nowhere/x")
    assert caught.value.field == "database_url"


async def test_a_ping_says_when_the_schema_is_behind(store: PostgresStore) -> None:
    await store.ping()
    async with store.transaction() as tx:
        await tx.connection.execute("DELETE FROM schema_migration WHERE version = 1")
    with pytest.raises(MigrationRefused, match=r"0001_initial\.sql"):
        await store.ping()


@pytest.mark.parametrize("kept_s", [0.0, 3_600.0])
async def test_a_plan_from_when_a_table_was_empty_is_made_again(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch, kept_s: float
) -> None:
    monkeypatch.setattr(postgres, "_PLANS_KEPT_S", kept_s)
    connected = await PostgresStore.connect(database_dsn, dispatch_pool_max=1)
    try:
        async with connected.dispatch_transaction() as tx:
            await tx.connection.execute(
                "CREATE TABLE young (tenant integer, call integer, number integer) WITH (autovacuum_enabled = off);"
                " CREATE INDEX by_call ON young (tenant, call); CREATE INDEX by_number ON young (tenant, number)"
            )
        async with connected.dispatch_transaction() as tx:
            await tx.connection.execute(
                "SET plan_cache_mode = force_generic_plan;"
                " PREPARE kept (integer, integer) AS SELECT FROM young WHERE tenant = $1 AND call = $2"
            )
            young = await tx.connection.fetchval("EXPLAIN (FORMAT JSON) EXECUTE kept (1, 1)")
            await tx.connection.execute("INSERT INTO young SELECT 1, n, n FROM generate_series(1, 5000) n")
        async with connected.dispatch_transaction() as tx:
            grown = await tx.connection.fetchval("EXPLAIN (FORMAT JSON) EXECUTE kept (1, 1)")
    finally:
        await connected.close()
    # The kept plan is the same to the last figure; one that was made again knows how big the table is.
    assert (grown == young) == (kept_s > 0)
