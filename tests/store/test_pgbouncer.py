"""Through PgBouncer: a session pool is as good as PostgreSQL itself, and a transaction pool is refused at the start."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from ringoff.domain.errors import DatabaseUnavailable, InvalidInput
from ringoff.ports import Wakeup
from ringoff.store.postgres import PostgresStore, connect_once
from tests.support.pgbouncer import pgbouncer


async def wait_until_it_listens(dsn: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                connection = await asyncpg.connect(dsn, statement_cache_size=0)
            except OSError:
                continue
            await connection.close()
            return


@pytest.fixture
async def session_pool(database_dsn: str) -> AsyncIterator[str]:
    with pgbouncer(database_dsn, "session") as dsn:
        await wait_until_it_listens(dsn)
        yield dsn


@pytest.fixture
async def through_it(session_pool: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.connect(session_pool, originate_timeout_ms=50)
    try:
        yield store
    finally:
        await store.close(timeout_s=1.0)


async def test_a_session_pool_carries_settings_and_transactions(through_it: PostgresStore) -> None:
    async with through_it.dispatch_transaction() as tx:
        assert await tx.connection.fetchval("SHOW idle_in_transaction_session_timeout") == "50ms"
        assert await tx.connection.fetchval("SHOW enable_seqscan") == "off"
        await tx.connection.execute("CREATE TABLE scratch (n integer)")
    async with through_it.transaction() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM scratch") == 0
        assert await tx.connection.fetchval("SHOW client_connection_check_interval") == "1s"
        assert await tx.connection.fetchval("SHOW timezone") == "UTC"


async def test_a_session_pool_carries_notifications(through_it: PostgresStore) -> None:
    async with through_it.wakeups() as bursts, asyncio.timeout(30):
        async with through_it.transaction() as tx:
            await tx.connection.execute(f"NOTIFY {Wakeup.DUE}")
        assert Wakeup.DUE in await anext(bursts)


async def test_behind_a_session_pool_the_database_still_ends_a_permit_that_idles(through_it: PostgresStore) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with through_it.dispatch_transaction() as tx, asyncio.timeout(30):
            while not tx.is_lost:
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def test_a_session_that_becomes_another_one_is_noticed_in_the_next_transaction(
    through_it: PostgresStore,
) -> None:
    async with through_it.transaction() as tx:
        connection = tx.connection
        session = connection._con  # type: ignore[union-attr]
        session.backend_pid += 1
    with pytest.raises(InvalidInput, match="pool_mode = session"):
        async with through_it.transaction():
            pass


@pytest.mark.parametrize("round_robin", ["0", "1"])
async def test_a_transaction_pool_is_refused_and_the_refusal_says_why(database_dsn: str, round_robin: str) -> None:
    with pgbouncer(database_dsn, "transaction", server_round_robin=round_robin) as dsn:
        await wait_until_it_listens(dsn)
        for begin in (connect_once, PostgresStore.connect):
            with pytest.raises(InvalidInput, match="listens for notifications") as refused:
                await begin(dsn)
            assert refused.value.field == "database_url"
