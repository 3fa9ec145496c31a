"""Keeps a database that was restored from a dump truthful: its transaction ids are those of another cluster.

An order on numbers with very many calls keeps a snapshot, and covers the calls whose registration is visible in it.
``pg_restore`` brings ids and snapshots of the old cluster into one that counts from the beginning: a new order would
miss the old calls, and an old order would cover new ones. A base backup and a fail-over keep the history.
"""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
import structlog

from ringoff.domain.errors import DatabaseUnavailable, MigrationRefused
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

log = structlog.get_logger()

_SQL = load("cluster")
_THIS_CLUSTER, _IS_REMEMBERED, _REMEMBER_IN = _SQL["this_cluster"], _SQL["is_remembered"], _SQL["remember_in"]
_REMEMBERED, _REMEMBER, _ONE_AT_A_TIME = _SQL["remembered"], _SQL["remember"], _SQL["one_at_a_time"]
_HAS_FOREIGN_IDS, _KEEP_WRITERS_OUT = _SQL["has_foreign_ids"], _SQL["keep_writers_out"]
_IDS_MISSING, _USE_UP_AN_ID, _TRANSLATE = _SQL["ids_missing"], _SQL["use_up_an_id"], _SQL["translate"]
_HAS_ERASURES, _KEEP_ERASURES_OUT = _SQL["has_erasures"], _SQL["keep_erasures_out"]
_CALLS_AFTER_ERASURES, _TRANSLATE_ERASURES = _SQL["calls_after_erasures"], _SQL["translate_erasures"]
_LAST_WORDS = _SQL["last_words"]

# Every version of Ringoff uses the same one: "cluster" read as a number.
_LOCK_KEY = int.from_bytes(b"cluster", "big")


@dataclass(frozen=True, slots=True)
class LastWords:
    """How far a database reaches, and what goes on in it once somebody dials."""

    newest_event_at: datetime | None
    newest_order_at: datetime | None
    settling_count: int
    started_count: int
    live_attempt_count: int


@dataclass(frozen=True, slots=True)
class Translated:
    """How many rows got ids of this cluster."""

    call_count: int
    list_count: int
    fence_count: int


async def is_foreign(connection: Connection) -> bool:
    """Whether the database says that it belongs to another cluster; False also where it says nothing yet."""
    remembered = await _remembered(connection)
    return remembered is not None and remembered != await connection.fetchval(_THIS_CLUSTER)


async def refuse_foreign(connection: Connection) -> None:
    """For each new session that works on calls: ``DatabaseUnavailable`` until ``settle_in`` has been here.

    So that processes that ran while their database was replaced by a restored one do nothing on it.
    """
    if await is_foreign(connection):
        raise DatabaseUnavailable(
            "the database was restored into another cluster, and its transaction ids are not translated yet:"
            " start Ringoff again"
        )


async def settle_in(connection: Connection, *, lock_wait_ms: int = 10_000) -> Translated | None:
    """Make sure that every stored id is of this cluster; what had to be translated, or None.

    All in one transaction, so that a crash leaves it undone. Takes time in proportion to the open calls, and only
    after a restore; while it runs nobody registers, dials or orders. ``MigrationRefused`` when somebody works on the
    tables at the same time.
    """
    here = await connection.fetchval(_THIS_CLUSTER)
    if await _remembered(connection) == here:
        return None
    # An id is used up by a transaction of its own. A new cluster has used some hundreds for itself, and there is
    # seldom more than one fence: this loop hardly ever turns.
    for _turn in range(await connection.fetchval(_IDS_MISSING)):
        await connection.execute(_USE_UP_AN_ID)
    try:
        async with connection.transaction():
            await connection.fetchrow(_ONE_AT_A_TIME, _LOCK_KEY, str(lock_wait_ms))
            remembered = await _remembered(connection)
            if remembered == here:
                return None
            translated = None
            if remembered is not None or await connection.fetchval(_HAS_FOREIGN_IDS):
                translated = await _translate(connection)
            await _remember(connection, here)
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
        raise MigrationRefused(
            "the database was restored from a dump, and somebody works on it: stop every process of Ringoff, try again"
        ) from error
    if translated is not None:
        log.warning(
            "the database was restored from a dump: its transaction ids were translated",
            calls=translated.call_count,
            lists=translated.list_count,
            fences=translated.fence_count,
        )
    return translated


async def _translate(connection: Connection) -> Translated:
    await connection.execute(_KEEP_WRITERS_OUT)
    has_erasures = await connection.fetchval(_HAS_ERASURES)
    later: list[asyncpg.Record] = []
    if has_erasures:
        await connection.execute(_KEEP_ERASURES_OUT)
        later = await connection.fetch(_CALLS_AFTER_ERASURES)
    row = dict(await connection.fetchrow(_TRANSLATE) or {})
    last_id = row.pop("last_id")
    if has_erasures:
        of, ids = [call["workspace_id"] for call in later], [call["call_id"] for call in later]
        await connection.execute(_TRANSLATE_ERASURES, last_id, of, ids)
    return Translated(**row)


async def last_words(connection: Connection) -> LastWords:
    """For whoever has restored a backup and wants to know of which instant."""
    return LastWords(**await connection.fetchrow(_LAST_WORDS))  # type: ignore[arg-type]


async def has_foreign_ids(connection: Connection) -> bool:
    """Whether any open call, list or fence has an id that this cluster cannot have given: reads all open calls."""
    return bool(await connection.fetchval(_HAS_FOREIGN_IDS))


async def _remembered(connection: Connection) -> int | None:
    if not await connection.fetchval(_IS_REMEMBERED):
        return None
    remembered: int | None = await connection.fetchval(_REMEMBERED)
    return remembered


async def _remember(connection: Connection, here: int) -> None:
    try:
        async with connection.transaction():
            await connection.execute(_REMEMBER_IN)
            await connection.execute(_REMEMBER, here)
    except asyncpg.InsufficientPrivilegeError:
        if await _remembered(connection) is not None:
            raise
        # Whoever migrates may make tables and this role may not: then each start looks at the open calls.
        log.warning("the cluster of this database cannot be remembered: this role may not make a table")
