"""The store: pools, transactions that surely committed or surely raised, and wake-ups by NOTIFY."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import asyncpg
import msgspec

from ringoff.domain.errors import DatabaseUnavailable, InvalidInput, MigrationRefused, SerializationConflict
from ringoff.domain.readings import PoolUse
from ringoff.ports import Wakeup
from ringoff.store.cluster import refuse_foreign
from ringoff.store.connection import Connection, is_lost
from ringoff.store.pool import Pool
from ringoff.store.schema import APPLICATION_NAME, check_schema
from ringoff.store.sql_loader import load
from ringoff.store.transaction import PostgresTransaction

SERVER_MAJOR_MIN = 15

_SQL = load("postgres")
_SETTINGS = _SQL["settings"]
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_CONNECT_TIMEOUT_S = 5.0
# A process that stops in the middle of a request may hold an agent's shared lock: an order waits no longer than this.
# An upload that streams is not idle.
_IDLE_IN_TRANSACTION_MS = 10_000
_ABANDONED_CHECK_MS = 1_000
_DISPATCH_STATEMENT_MS = 30_000
_ORDER_STATEMENT_MS = 30_000
_KEY_POOL_MAX = 2
_JSONB_VERSION = b"\x01"

# Whole classes of SQLSTATE: 08 connection, 53 resources, 57 operator intervention (shutdown, restart, timeout).
_SERVER_TROUBLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_CANNOT_CONNECT = (*_SERVER_TROUBLE, asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


class PostgresStore:
    """PostgreSQL as the product sees it. Made by ``connect``; ``close`` gives the connections back."""

    def __init__(self, dsn: str, pool: Pool, key_pool: Pool, order_pool: Pool, dispatch_pool: Pool) -> None:
        self._dsn = dsn
        self._pool = pool
        self._key_pool = key_pool
        self._order_pool = order_pool
        self._dispatch_pool = dispatch_pool

    @classmethod
    async def connect(
        cls,
        dsn: str,
        *,
        pool_max: int = 10,
        order_pool_max: int = 4,
        dispatch_pool_max: int = 10,
        originate_timeout_ms: int = 1_000,
        statement_timeout_ms: int = 600_000,
    ) -> Self:
        """Open the pools; ``DatabaseUnavailable`` when nobody answers, ``MigrationRefused`` for a server below 15.

        Terminations have a pool of their own, so that uploads never stand in their way. The dispatch loops have one, so
        that a burst of requests never delays a dial, and because the database must end their transactions early: a
        dead dispatcher may not hold up a termination for longer than ``originate_timeout_ms``.
        """
        requests = {
            "statement_timeout": str(statement_timeout_ms),
            "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS),
            # Whoever gives up cuts the connection: without this the server would work on until its time limit.
            "client_connection_check_interval": str(_ABANDONED_CHECK_MS),
            # A plan kept from when the tables were small would read them whole after the first big upload.
            "plan_cache_mode": "force_custom_plan",
        }
        # Planning each time would cost more than running; but every statement of orders and loops has its index, so a
        # kept plan is safe as long as it never reads a whole table.
        orders = {
            "statement_timeout": str(_ORDER_STATEMENT_MS),
            # An order never idles: one that stands still with its exclusive lock holds up every permit behind it.
            "idle_in_transaction_session_timeout": str(originate_timeout_ms),
            "enable_seqscan": "off",
        }
        dispatch = orders | {"statement_timeout": str(_DISPATCH_STATEMENT_MS)}
        pools: list[Pool] = []
        try:
            for name, size_max, settings in (
                ("requests", pool_max, requests),
                ("keys", _KEY_POOL_MAX, requests),
                ("orders", order_pool_max, orders),
                ("dispatch", dispatch_pool_max, dispatch),
            ):
                pools.append(await _open_pool(name, dsn, size_max, settings))
        except BaseException:
            for pool in pools:
                pool.terminate()
            raise
        return cls(dsn, *pools)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with _transaction(self._pool) as transaction:
            yield transaction

    @asynccontextmanager
    async def single_read(self) -> AsyncIterator[PostgresTransaction]:
        async with _acquired(self._key_pool) as connection:
            with _translated(connection):
                yield PostgresTransaction(connection)

    @asynccontextmanager
    async def order_transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with _transaction(self._order_pool) as transaction:
            yield transaction

    @asynccontextmanager
    async def dispatch_transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with _transaction(self._dispatch_pool) as transaction:
            yield transaction

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresTransaction]:
        async with _transaction(self._pool, _BEGIN_SNAPSHOT) as transaction:
            yield transaction

    @asynccontextmanager
    async def wakeups(self) -> AsyncIterator[AsyncIterator[frozenset[Wakeup]]]:
        """A dedicated LISTEN connection; its iterator yields once a burst and raises when the connection is gone."""
        connection = await connect_once(self._dsn)
        heard: set[Wakeup] = set()
        is_heard = asyncio.Event()

        def hear(_connection: object, _pid: int, channel: str, _payload: object) -> None:
            heard.add(Wakeup(channel))
            is_heard.set()

        try:
            connection.add_termination_listener(lambda _connection: is_heard.set())
            with _translated(connection):
                for channel in Wakeup:
                    await connection.add_listener(channel, hear)
            yield _bursts(connection, heard, is_heard)
        finally:
            connection.terminate()

    async def ping(self) -> None:
        async with _acquired(self._pool) as connection:
            with _translated(connection):
                await check_schema(connection)

    def pool_use(self) -> Sequence[PoolUse]:
        return [pool.use() for pool in (self._pool, self._key_pool, self._order_pool, self._dispatch_pool)]

    async def close(self, timeout_s: float = 5.0) -> None:
        """Give open transactions ``timeout_s`` to end, then cut the connections."""
        for pool in (self._dispatch_pool, self._order_pool, self._key_pool, self._pool):
            try:
                async with asyncio.timeout(timeout_s):
                    await pool.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pool.terminate()


async def connect_once(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection outside the pools, set up like theirs: for migrations, LISTEN and diagnosis."""
    with _translated_connect():
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_TIMEOUT_S, server_settings=_session_settings())
        await _prepare(connection)
    return connection


async def server_settings(connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
    """What the server has set, by name; a name that it does not know is left out."""
    with _translated(connection):
        rows = await connection.fetch(_SETTINGS, names)
    return {row["name"]: row["setting"] for row in rows}


def _session_settings() -> dict[str, str]:
    # The planner's JIT never pays for statements that take a millisecond.
    # A server that cannot reach us any more should notice, and let go of our locks.
    return {
        "application_name": APPLICATION_NAME,
        "timezone": "UTC",
        "jit": "off",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


async def _open_pool(name: str, dsn: str, size_max: int, settings: dict[str, str]) -> Pool:
    with _translated_connect():
        connections = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size_max,
            timeout=_CONNECT_TIMEOUT_S,
            init=_prepare_for_work,
            reset=_keep_session,
            server_settings=_session_settings() | settings,
        )
    return Pool(name, connections)


async def _prepare(connection: Connection) -> None:
    major = connection.get_server_version().major
    if major < SERVER_MAJOR_MIN:
        raise MigrationRefused(f"PostgreSQL {SERVER_MAJOR_MIN} or later is needed; this server is {major}")
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=_encode_jsonb, decoder=_decode_jsonb
    )


async def _prepare_for_work(connection: Connection) -> None:
    await _prepare(connection)
    await refuse_foreign(connection)


async def _keep_session(_connection: Connection) -> None:
    """Nothing to reset: our transactions leave nothing behind in a session, and a reset costs a round trip each."""


def _encode_jsonb(value: Any) -> bytes:
    return _JSONB_VERSION + msgspec.json.encode(value)


def _decode_jsonb(stored: bytes) -> Any:
    return msgspec.json.decode(memoryview(stored)[1:])


async def _bursts(
    connection: "asyncpg.Connection[asyncpg.Record]", heard: set[Wakeup], is_heard: asyncio.Event
) -> AsyncIterator[frozenset[Wakeup]]:
    while True:
        await is_heard.wait()
        is_heard.clear()
        if connection.is_closed():
            raise DatabaseUnavailable("the connection that listens for notifications was lost")
        burst = frozenset(heard)
        heard.clear()
        yield burst


@asynccontextmanager
async def _acquired(pool: Pool) -> AsyncIterator[Connection]:
    with _translated_connect():
        connection = await pool.acquire()
    try:
        yield connection
    finally:
        await pool.release(connection)


@asynccontextmanager
async def _transaction(pool: Pool, begin: str = _BEGIN) -> AsyncIterator[PostgresTransaction]:
    """BEGIN and COMMIT are sent by hand because PostgreSQL answers the COMMIT of a failed transaction with a polite
    ROLLBACK, which a driver takes for success. An acknowledgement must never rest on that."""
    async with _acquired(pool) as connection:
        with _translated(connection):
            try:
                await connection.execute(begin)
                yield PostgresTransaction(connection)
                ended = await connection.execute("COMMIT")
            except asyncio.CancelledError:
                # Given up, perhaps because the database does not answer: asking it to roll back could wait for ever.
                connection.terminate()
                raise
            except BaseException:
                await _roll_back(connection)
                raise
            if ended != "COMMIT":
                raise DatabaseUnavailable("the transaction was rolled back: a statement in it had failed")


async def _roll_back(connection: Connection) -> None:
    """Without hiding the error that led here: a connection that cannot even roll back is cut, which rolls back."""
    if is_lost(connection):
        return
    try:
        await connection.execute("ROLLBACK")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        if not is_lost(connection):
            connection.terminate()


@contextmanager
def _translated_connect() -> Iterator[None]:
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise InvalidInput(f"the database URL is not usable: {error}", field="database_url") from error
    except (OSError, asyncpg.InterfaceError, *_CANNOT_CONNECT) as error:
        raise DatabaseUnavailable(f"the database cannot be reached: {str(error) or type(error).__name__}") from error


@contextmanager
def _translated(connection: Connection) -> Iterator[None]:
    """The one place where a driver's error becomes one of ours."""
    try:
        yield
    except asyncpg.InvalidCachedStatementError as error:
        # Migrated under us; the driver has forgotten its old plans and types by now.
        raise SerializationConflict(f"the schema has changed meanwhile: {error}") from error
    except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as error:
        raise SerializationConflict(f"the database ended the transaction: {error}") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        # After a fail-over this session still talks to what has become a standby; the next one finds the primary.
        connection.terminate()
        raise DatabaseUnavailable("the database has become read-only") from error
    except _SERVER_TROUBLE as error:
        raise DatabaseUnavailable(f"the database is not available: {error}") from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # The first two can also come from the caller's own work inside the transaction; then the connection is alive.
        # The third is what a session says that was told to end between two statements.
        if isinstance(error, asyncpg.InternalClientError) or is_lost(connection):
            raise DatabaseUnavailable("the connection to the database was lost") from error
        raise
