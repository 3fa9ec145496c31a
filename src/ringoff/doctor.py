"""What `ringoff doctor` looks at: each check says what it found, and none of them changes anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ringoff.clock import SystemClock
from ringoff.database import running_database
from ringoff.domain.durability import judge
from ringoff.domain.errors import DatabaseUnavailable, RingoffError
from ringoff.migrating import migration_report
from ringoff.observability.invariants import broken_invariants
from ringoff.settings import Settings
from ringoff.store.cluster import has_foreign_ids, is_foreign, last_words
from ringoff.store.connection import Connection
from ringoff.store.durability import read_durability
from ringoff.store.postgres import PostgresStore, connect_once
from ringoff.wiring import simulated_carrier


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    is_good: bool
    words: str


async def run_checks(settings: Settings) -> AsyncIterator[Check]:
    """In an order in which each check needs the ones before it; ends early when the database cannot be asked."""
    yield await _carrier(settings)
    if settings.database_url is None and not (settings.data_dir / "postgres" / "PG_VERSION").exists():
        yield Check("database", False, f"there is none in {settings.data_dir} yet; `ringoff up` makes it")
        return
    try:
        async with _connected(settings) as (dsn, connection):
            version = connection.get_server_version()
            yield Check("database", True, f"PostgreSQL {version.major}.{version.micro} answers")
            yield await _durability(connection, dsn)
            is_good, words = await migration_report(connection)
            yield Check("migrations", is_good, words)
            if not is_good:
                return
            cluster = await _cluster(connection)
            yield cluster
            yield await _contents(connection)
            if cluster.is_good:
                async with _store(dsn) as store:
                    yield await _trunks(store)
                    yield await _webhooks(store)
                    yield await _invariants(store)
    except DatabaseUnavailable as error:
        yield Check("database", False, error.message)
    except RingoffError as error:
        yield Check("database", False, error.message)


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[tuple[str, Connection]]:
    async with running_database(settings) as (dsn, _postgres):
        connection = await connect_once(dsn)
        try:
            yield dsn, connection
        finally:
            await connection.close()


async def _carrier(settings: Settings) -> Check:
    carrier = simulated_carrier(settings, SystemClock())
    try:
        await carrier.start()
        await carrier.stop()
    except (OSError, RingoffError) as error:
        return Check("carrier", False, f"simulated: {error}")
    return Check("carrier", True, "simulated: ready (it rings nobody)")


async def _durability(connection: Connection, dsn: str) -> Check:
    return Check("durability", *judge(await read_durability(connection, dsn)))


async def _cluster(connection: Connection) -> Check:
    if await is_foreign(connection) or await has_foreign_ids(connection):
        words = "the database was restored from a dump; the next start of Ringoff translates its transaction ids"
        return Check("cluster", False, words)
    return Check("cluster", True, "every transaction id is of this cluster")


async def _contents(connection: Connection) -> Check:
    """Never bad: it tells how far a restored backup reaches."""
    last = await last_words(connection)
    event, order = (
        "none" if at is None else at.isoformat(timespec="seconds")
        for at in (last.newest_event_at, last.newest_order_at)
    )
    words = (
        f"newest event {event}, newest order {order}; {last.started_count} campaigns are started,"
        f" {last.settling_count} orders settle, {last.live_attempt_count} attempts are live"
    )
    return Check("contents", True, words)


@asynccontextmanager
async def _store(dsn: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.connect(dsn, pool_max=2, order_pool_max=1, dispatch_pool_max=1)
    try:
        yield store
    finally:
        await store.close()


async def _trunks(store: PostgresStore) -> Check:
    """Of every workspace: whoever runs the server answers for all of its carriers."""
    async with store.transaction() as tx:
        workspaces = await tx.workspaces.workspaces()
        trunks = [trunk for each in workspaces for trunk in await tx.workspaces.trunks(each.workspace_id)]
    alarmed = [trunk for trunk in trunks if trunk.alarm is not None]
    if alarmed:
        words = "; ".join(
            f"{trunk.name} ({trunk.driver}, {trunk.trunk_id}): {trunk.alarm}"
            + ("" if trunk.is_enabled else ", stopped")
            for trunk in alarmed
        )
        return Check("trunks", False, words)
    return Check("trunks", True, f"no alarm on any of {len(trunks)}")


async def _webhooks(store: PostgresStore) -> Check:
    async with store.transaction() as tx:
        paused = await tx.webhooks.paused()
        age_s = await tx.webhooks.oldest_undelivered_s()
    waits = "nothing waits" if age_s is None else f"the oldest undelivered event is {age_s:.0f} s old"
    if paused:
        # Without the URL, which may hold a token.
        named = "; ".join(f"{each.event_type} ({each.subscription_id}): {each.alarm}" for each in paused)
        return Check("webhooks", False, f"paused: {named}; {waits}")
    return Check("webhooks", True, f"none is paused; {waits}")


async def _invariants(store: PostgresStore) -> Check:
    broken = await broken_invariants(store)
    if broken:
        return Check("invariants", False, "; ".join(f"{rule.name}: {', '.join(rule.broken_ids)}" for rule in broken))
    return Check("invariants", True, "every rule over the stored calls holds")
