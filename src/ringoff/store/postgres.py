"""The store: pools, transactions that surely committed or surely raised, and wake-ups by NOTIFY."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

import asyncpg
import msgspec

from ringoff.domain.errors import DatabaseUnavailable, MigrationRefused
from ringoff.domain.readings import PoolUse
from ringoff.ports import Clock, Wakeup
from ringoff.store.cluster import refuse_foreign
from ringoff.store.commits import BEGIN_SNAPSHOT, Commit, acquired, transaction
from ringoff.store.connection import Connection
from ringoff.store.pool import Pool
from ringoff.store.primary import Primary, Session
from ringoff.store.schema import APPLICATION_NAME, check_schema
from ringoff.store.sql_loader import load
from ringoff.store.standstill import OF_REQUESTS_S, Standstills
from ringoff.store.transaction import PostgresTransaction
from ringoff.store.translation import translated, translated_connect
from ringoff.store.watch import PrimaryWatch

SERVER_MAJOR_MIN = 15

_LEARN_PARTITIONS = load("postgres")["learn_partitions"]
# A process that stops in the middle of a request may hold an agent's shared lock: an order waits no longer than this.
# An upload that streams is not idle.
_IDLE_IN_TRANSACTION_MS = round(OF_REQUESTS_S * 1_000)
# Whoever gives up, or dies, cuts the connection. Without this the server would work on, or wait on with what it has
# locked, until its time limit.
_ABANDONED_ENDS = {"client_connection_check_interval": "1000"}
_DISPATCH_STATEMENT_MS = 30_000
_ORDER_STATEMENT_MS = 30_000
_KEY_POOL_MAX = 2
# Whoever asked gets an answer, but a standby may still be busy with the log of a large upload; a dispatch loop waits as
# long as it takes, and claims nothing meanwhile.
_ORDER_COMMIT_LIMIT_S = 10.0
_REQUEST_COMMIT_LIMIT_S = 60.0
_READ = Commit()
_PLANS_KEPT_S = 10.0
_KEEP_PLANS = "force_generic_plan"
_JSONB_VERSION = b"\x01"


class PostgresStore:
    """PostgreSQL as the product sees it. Made by ``connect``; ``close`` gives the connections back."""

    def __init__(
        self,
        primary: Primary,
        standstills: Standstills,
        quiet_s: float,
        pool: Pool,
        key_pool: Pool,
        order_pool: Pool,
        dispatch_pool: Pool,
    ) -> None:
        self._primary = primary
        self._standstills = standstills
        self._request_commit = Commit(limit_s=_REQUEST_COMMIT_LIMIT_S, quiet_s=quiet_s)
        self._order_commit = Commit(is_marked=True, limit_s=_ORDER_COMMIT_LIMIT_S, quiet_s=quiet_s)
        self._dispatch_commit = Commit()
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
        quiet_ms: int = 0,
    ) -> Self:
        """Open the pools; ``DatabaseUnavailable`` when nobody answers, ``MigrationRefused`` for a server below 15.

        Terminations have a pool of their own, so that uploads never stand in their way. The dispatch loops have one, so
        that a burst of requests never delays a dial, and because the database must end their transactions early: a
        dead dispatcher may not hold up a termination for longer than ``originate_timeout_ms``.

        For ``quiet_ms`` after this process has met a new primary nothing is acknowledged: so long may a permit that was
        granted by the old one be on its way to the wire.
        """
        primary = Primary(dsn)
        requests = _ABANDONED_ENDS | {
            "statement_timeout": str(statement_timeout_ms),
            "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS),
            # A plan kept from when the tables were small would read them whole after the first big upload.
            "plan_cache_mode": "force_custom_plan",
        }
        # Planning each time would cost more than running; but every statement of orders and loops has its index, so a
        # kept plan is safe as long as it never reads a whole table.
        orders = _ABANDONED_ENDS | {
            "statement_timeout": str(_ORDER_STATEMENT_MS),
            # An order never idles: one that stands still with its exclusive lock holds up every permit behind it.
            "idle_in_transaction_session_timeout": str(originate_timeout_ms),
            "enable_seqscan": "off",
            # Partitions make a plan that knows its arguments look much cheaper than it is: making it costs more than
            # running the kept one.
            "plan_cache_mode": _KEEP_PLANS,
            # A kept plan leaves partitions out only when it runs, and PostgreSQL 18 (to 18.4 at least) loses count of
            # them when it looks again at a row that somebody has changed meanwhile: it then finds nothing, or dies.
            "enable_partition_pruning": "off",
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
                plans_kept_s = _PLANS_KEPT_S if settings is dispatch else None
                pools.append(await _open_pool(name, primary, size_max, settings, plans_kept_s))
            await _refuse_transaction_pooling(primary)
        except BaseException:
            for pool in pools:
                pool.terminate()
            raise
        return cls(primary, Standstills(originate_timeout_ms / 1_000), quiet_ms / 1_000, *pools)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with transaction(self._pool, self._primary, self._request_commit) as tx:
            yield tx

    @asynccontextmanager
    async def single_read(self) -> AsyncIterator[PostgresTransaction]:
        async with acquired(self._key_pool) as connection:
            with translated(connection):
                yield PostgresTransaction(connection)

    @asynccontextmanager
    async def order_transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with transaction(self._order_pool, self._primary, self._order_commit) as tx:
            yield tx

    @asynccontextmanager
    async def dispatch_transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with transaction(self._dispatch_pool, self._primary, self._dispatch_commit) as tx:
            yield tx

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresTransaction]:
        async with transaction(self._pool, self._primary, _READ, BEGIN_SNAPSHOT) as tx:
            yield tx

    @asynccontextmanager
    async def wakeups(self) -> AsyncIterator[AsyncIterator[frozenset[Wakeup]]]:
        """A dedicated LISTEN connection; its iterator yields once a burst and raises when the connection is gone."""
        connection = await _connect(self._primary)
        heard: set[Wakeup] = set()
        is_heard = asyncio.Event()

        def hear(_connection: object, _pid: int, channel: str, _payload: object) -> None:
            heard.add(Wakeup(channel))
            is_heard.set()

        try:
            connection.add_termination_listener(lambda _connection: is_heard.set())
            with translated(connection):
                for channel in Wakeup:
                    await connection.add_listener(channel, hear)
            yield _bursts(connection, heard, is_heard)
        finally:
            connection.terminate()

    async def watch(self, clock: Clock) -> None:
        """Cut connections to a primary that fell silent or was replaced; runs until it is cancelled.

        Sessions that stand still with their locks are ended, those of other processes, too.
        """
        await PrimaryWatch(self._primary, clock, self._standstills).run()

    async def watch_sessions(self, clock: Clock) -> None:
        """The second part of ``watch`` alone, for a server that is watched as a process. Runs until it is cancelled."""
        await self._standstills.run(self._primary, clock)

    @property
    def is_unconfirmed(self) -> bool:
        """Whether commits wait for a synchronous standby that is away, as far as ``watch`` has seen."""
        return self._primary.is_unconfirmed

    def now(self) -> datetime:
        """The database's time, as it told it last and carried on steadily."""
        return self._primary.now()

    async def ping(self) -> None:
        async with acquired(self._pool) as connection:
            with translated(connection):
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
    """One connection outside the pools, set up like theirs: for migrations and diagnosis."""
    primary = Primary(dsn)
    session = await _connect(primary)
    try:
        await _refuse_transaction_pooling(primary)
    except BaseException:
        session.terminate()
        raise
    return session


async def _refuse_transaction_pooling(primary: Primary) -> None:
    with translated_connect():
        await primary.refuse_transaction_pooling()


async def _connect(primary: Primary) -> Session:
    with translated_connect():
        session = await primary.connect(_session_settings())
        try:
            await _prepare(session)
        except BaseException:
            session.terminate()
            raise
    return session


def _session_settings() -> dict[str, str]:
    # The planner's JIT never pays for statements that take a millisecond.
    # A server that cannot reach us any more should notice, and let go of our locks.
    return {
        "timezone": "UTC",
        "jit": "off",
        # A commit that did not wait for its standby says so in a warning.
        "client_min_messages": "warning",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


async def _open_pool(
    name: str, primary: Primary, size_max: int, settings: dict[str, str], plans_kept_s: float | None
) -> Pool:
    async def connect(*_args: Any, **_kwargs: Any) -> Session:
        return await primary.connect(_session_settings() | settings, f"{APPLICATION_NAME} {name}")

    with translated_connect():
        connections = await asyncpg.create_pool(
            min_size=1,
            max_size=size_max,
            connect=connect,
            connection_class=Session,
            init=_prepare_loop if settings["plan_cache_mode"] == _KEEP_PLANS else _prepare_for_work,
            reset=_keep_session,
        )
    return Pool(name, connections, plans_kept_s)


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


async def _prepare_loop(connection: Connection) -> None:
    await _prepare_for_work(connection)
    await connection.execute(_LEARN_PARTITIONS)


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
