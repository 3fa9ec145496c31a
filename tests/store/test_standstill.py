"""A process that stands still within a statement: no limit of PostgreSQL's sees it, so other processes look."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
import pytest

from ringoff.clock import SystemClock
from ringoff.domain.errors import DatabaseUnavailable
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations.terminations import terminate
from ringoff.ports import Clock
from ringoff.store.postgres import PostgresStore
from ringoff.store.schema import APPLICATION_NAME
from ringoff.store.standstill import OF_REQUESTS_S, Standstills
from tests.support.bare_client import BareClient
from tests.support.database import without_given_server
from tests.support.world import World

pytestmark = [pytest.mark.anyio, without_given_server]

_KEY = 4_711
_WITHIN_S = 30
_OF_LOOPS_S = 1.5
_PIECE = b"x" * 1_000_000 + b"\n"


def stands_before_its_arguments(process: BareClient) -> None:
    process.parse("SELECT 1 + $1::int")


def stands_within_a_copy(process: BareClient) -> None:
    process.begin_copy("stage")
    process.copy(_PIECE)


def does_not_take_its_answer(process: BareClient) -> None:
    process.ask("SELECT repeat('x', 1000) FROM generate_series(1, 100_000)")


WAYS = (stands_before_its_arguments, stands_within_a_copy, does_not_take_its_answer)
Way = Callable[[BareClient], None]
Watcher: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def watcher(empty_database_dsn: str) -> AsyncIterator[Watcher]:
    connection = await asyncpg.connect(empty_database_dsn)
    yield connection
    await connection.close()


@asynccontextmanager
async def standing(watcher: Watcher, dsn: str, name: str, way: Way) -> AsyncIterator[BareClient]:
    """A process that holds a lock, and stands still for longer than the database would have it idle, or answer."""
    limits = {"idle_in_transaction_session_timeout": "200", "statement_timeout": "200"}
    with BareClient(dsn, application_name=name, **limits) as process:
        process.run("CREATE TEMPORARY TABLE stage (line text)")
        process.run(f"BEGIN; SELECT pg_advisory_xact_lock({_KEY})")
        way(process)
        await until(watcher, process, "clock_timestamp() - a.query_start > '500 ms'")
        yield process


async def until(watcher: Watcher, process: BareClient, condition: str) -> None:
    """The session waits for its process, and this is so."""
    statement = f"""
        SELECT EXISTS (
            SELECT FROM pg_stat_activity a LEFT JOIN pg_stat_progress_copy p ON p.pid = a.pid
            WHERE a.pid = $1 AND a.state = 'active' AND a.wait_event_type = 'Client' AND {condition}
        )
    """
    async with asyncio.timeout(_WITHIN_S):
        while not await watcher.fetchval(statement, process.pid):
            await watcher.execute("SELECT pg_sleep(0.01)")


async def is_locked(watcher: Watcher) -> bool:
    return not await watcher.fetchval(f"SELECT pg_try_advisory_lock({_KEY}) AND pg_advisory_unlock({_KEY})")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("pool", "limit_s"), [("dispatch", _OF_LOOPS_S), ("orders", _OF_LOOPS_S), ("requests", OF_REQUESTS_S)]
)
async def test_it_is_ended_after_its_limit_and_not_before(
    watcher: Watcher, empty_database_dsn: str, way: Way, pool: str, limit_s: float
) -> None:
    standstills = Standstills(_OF_LOOPS_S)
    async with standing(watcher, empty_database_dsn, f"{APPLICATION_NAME} {pool}", way):
        assert await standstills.look(watcher, 100.0) == 0
        assert await standstills.look(watcher, 100.0 + limit_s - 0.1) == 0
        assert await is_locked(watcher), "by no limit of the database's own"
        assert await standstills.look(watcher, 100.0 + limit_s) == 1
        async with asyncio.timeout(_WITHIN_S):
            await watcher.execute(f"SELECT pg_advisory_lock({_KEY})")
        assert await standstills.look(watcher, 1_000.0) == 0


async def test_a_copy_that_goes_on_is_left_alone(watcher: Watcher, empty_database_dsn: str) -> None:
    standstills = Standstills(_OF_LOOPS_S)
    with BareClient(empty_database_dsn, application_name=f"{APPLICATION_NAME} requests") as process:
        process.run("CREATE TEMPORARY TABLE stage (line text)")
        stands_within_a_copy(process)
        await until(watcher, process, f"p.bytes_processed >= {len(_PIECE)}")
        assert await standstills.look(watcher, 100.0) == 0
        process.copy(_PIECE)
        await until(watcher, process, f"p.bytes_processed > {len(_PIECE)}")
        assert await standstills.look(watcher, 200.0) == 0
        assert await standstills.look(watcher, 200.0 + OF_REQUESTS_S) == 1


async def test_another_statement_begins_another_wait(watcher: Watcher, empty_database_dsn: str) -> None:
    standstills = Standstills(_OF_LOOPS_S)
    with BareClient(empty_database_dsn, application_name=APPLICATION_NAME) as process:
        process.run("BEGIN")
        for now_s in (100.0, 200.0, 300.0):
            process.parse("SELECT 1 + $1::int")
            await until(watcher, process, "true")
            assert await standstills.look(watcher, now_s) == 0
            process.end_exchange()
        assert await standstills.look(watcher, 400.0) == 0, "idle in its transaction: the database has a limit for that"
        process.run("COMMIT")


@pytest.mark.parametrize("name", ["psql", "ringoffline", "my ringoff"])
async def test_sessions_of_others_are_left_alone(watcher: Watcher, empty_database_dsn: str, name: str) -> None:
    standstills = Standstills(_OF_LOOPS_S)
    async with standing(watcher, empty_database_dsn, name, stands_before_its_arguments):
        for now_s in (100.0, 1_000.0):
            assert await standstills.look(watcher, now_s) == 0
        assert await is_locked(watcher)


@pytest.mark.parametrize("watches", [PostgresStore.watch, PostgresStore.watch_sessions])
async def test_an_order_gets_past_a_permit_that_stands_still(
    store: PostgresStore, database_dsn: str, watches: Callable[[PostgresStore, Clock], Coroutine[None, None, None]]
) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(["+12025550111"])
    other = await PostgresStore.connect(database_dsn, originate_timeout_ms=50)
    watch = asyncio.ensure_future(watches(other, SystemClock()))
    try:
        with pytest.raises(DatabaseUnavailable):
            async with other.dispatch_transaction() as permit:
                await permit.dispatch.lock_for_permit(world.workspace_id, world.agent_id, campaign_id)
                # As the driver does with a statement that is new to the session, up to where its process was stopped.
                await permit.connection.prepare("SELECT 1 + $1::int")
                async with asyncio.timeout(_WITHIN_S):
                    await terminate(store, world.principal, TerminationOrder(Selector(campaign_id=campaign_id)))
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await other.close()
    assert {status for status, _ in (await world.statuses()).values()} == {"cancelled"}
