"""The database that the settings name: started if it is ours, brought to a schema to run on, connected."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from ringoff.clock import SystemClock
from ringoff.domain.errors import DatabaseUnavailable, MigrationRefused
from ringoff.ports import Clock
from ringoff.settings import Settings
from ringoff.store.cluster import settle_in
from ringoff.store.connection import Connection
from ringoff.store.migrate import apply_migrations
from ringoff.store.postgres import PostgresStore, connect_once
from ringoff.store.schema import check_schema

if TYPE_CHECKING:
    from ringoff.store.embedded import EmbeddedPostgres

log = structlog.get_logger()

_PAUSE_MIN_S: Final = 0.25
_PAUSE_MAX_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store on a schema that this version runs on, and the PostgreSQL under it if it is our own."""

    store: PostgresStore
    postgres: "EmbeddedPostgres | None"


class StoppedWaiting(Exception):
    """This process was asked to stop before the database answered."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a process waits for a database that cannot be reached when it starts."""

    clock: Clock
    stopping: asyncio.Event
    wait_s: float


@asynccontextmanager
async def opened_store(
    settings: Settings, *, contracts_its_own: bool = False, patience: Patience | None = None
) -> AsyncIterator[OpenedStore]:
    """Ready for work. ``contracts_its_own``: an embedded database is contracted too when no other version is there.

    ``DatabaseUnavailable`` when it cannot be reached, at once or when ``patience`` is over; ``StoppedWaiting``.
    """
    async with running_database(settings) as (dsn, postgres):
        contract = contracts_its_own and postgres is not None
        if patience is None:
            store = await _migrated_store(dsn, settings, contract=contract)
        else:
            store = await _awaited_store(dsn, settings, patience, contract=contract)
        try:
            async with _watched_from_aside(store, settings):
                yield OpenedStore(store, postgres)
        finally:
            await store.close()


@asynccontextmanager
async def _watched_from_aside(store: PostgresStore, settings: Settings) -> AsyncIterator[None]:
    """A server behind a network may fall silent; the embedded one is beside us, and is watched as a process."""
    clock = SystemClock()
    watch = asyncio.ensure_future(store.watch_sessions(clock) if settings.database_url is None else store.watch(clock))
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _awaited_store(dsn: str, settings: Settings, patience: Patience, *, contract: bool) -> PostgresStore:
    give_up_at = patience.clock.monotonic() + patience.wait_s
    pause_s = _PAUSE_MIN_S
    while True:
        try:
            return await _migrated_store(dsn, settings, contract=contract)
        except DatabaseUnavailable as error:
            left_s = give_up_at - patience.clock.monotonic()
            if left_s <= 0:
                raise
            log.warning("starting waits for the database", reason=error.message, at_most_s=round(left_s, 1))
        with suppress(TimeoutError):
            async with asyncio.timeout(min(pause_s, left_s)):
                await patience.stopping.wait()
        if patience.stopping.is_set():
            raise StoppedWaiting
        pause_s = min(2 * pause_s, _PAUSE_MAX_S)


async def _migrated_store(dsn: str, settings: Settings, *, contract: bool) -> PostgresStore:
    connection = await connect_once(dsn)
    try:
        await migrate_at_start(connection, settings, contract=contract)
    finally:
        await connection.close()
    return await connect_store(dsn, settings)


async def connect_store(dsn: str, settings: Settings) -> PostgresStore:
    """The pools of the sizes that the settings give."""
    return await PostgresStore.connect(
        dsn,
        pool_max=settings.pool_max,
        order_pool_max=settings.order_pool_max,
        dispatch_pool_max=settings.dispatch_pool_max,
        originate_timeout_ms=settings.originate_timeout_ms,
        statement_timeout_ms=settings.statement_timeout_ms,
        # A request leaves no later than this after its permit was checked, or its place in the pace taken.
        quiet_ms=max(settings.permit_ttl_ms, settings.slot_ttl_ms),
    )


@asynccontextmanager
async def running_database(settings: Settings) -> "AsyncIterator[tuple[str, EmbeddedPostgres | None]]":
    """The DSN of a PostgreSQL: the one in the settings, or ours."""
    if settings.database_url is not None:
        yield settings.database_url, None
        return
    # Only here, so that the embedded server's needs (file locks, its wheel) are nobody else's.
    from ringoff.store.embedded import EmbeddedPostgres

    postgres = EmbeddedPostgres(settings.data_dir)
    try:
        yield await postgres.start(), postgres
    finally:
        await postgres.stop()


async def migrate_at_start(connection: Connection, settings: Settings, *, contract: bool) -> None:
    """What RINGOFF_MIGRATE allows. ``MigrationRefused`` only when this version cannot run on what is there then."""
    if settings.migrate == "auto":
        # Contracts in a second go: whether they can be applied or not, nothing else waits for them.
        for goes_further in (False, True) if contract else (False,):
            try:
                for file_name in await apply_migrations(connection, contract=goes_further):
                    log.info("migration applied", migration=file_name)
            except MigrationRefused as error:
                log.warning("a migration waits; `ringoff migrate` goes on with it", reason=error.message)
    await check_schema(connection)
    # Last, because it needs the tables; before anything is served or dialled.
    await settle_in(connection)
