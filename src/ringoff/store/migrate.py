"""Brings a database to this version's schema, forward only and while others work on it; never over edited history.

What the release before can live with (an expansion) is applied at any time. What it cannot (a contract) is applied
when none of its sessions are left. docs/decisions/0045 has the reasons.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import structlog

from ringoff.domain.errors import MigrationRefused
from ringoff.store.connection import Connection
from ringoff.store.migration_files import Migration, Step, shipped_migrations
from ringoff.store.schema import is_empty, other_versions, pending
from ringoff.store.sql_loader import load

__all__ = [
    "LockWait",
    "Migration",
    "OtherVersionsConnected",
    "apply_migrations",
    "half_done",
    "pending",
    "planned",
    "shipped_migrations",
]

log = structlog.get_logger()

_SQL = load("migrate")
_TRY_LOCK, _UNLOCK, _LOCK_AS_BEFORE, _PAUSE = _SQL["try_lock"], _SQL["unlock"], _SQL["lock_as_before"], _SQL["pause"]
_CREATE_LOGS, _LOGS, _HALF_DONE = _SQL["create_logs"], _SQL["logs"], _SQL["half_done"]
_LIMIT_LOCK_WAIT, _UNLIMIT_LOCK_WAIT = _SQL["limit_lock_wait"], _SQL["unlimit_lock_wait"]
_RECORD_MIGRATION, _RECORD_EXPANSION = _SQL["record_migration"], _SQL["record_expansion"]
_RECORD_STEP, _FORGET_STEPS, _IS_DONE = _SQL["record_step"], _SQL["forget_steps"], _SQL["is_done"]
_HALF_BUILT = _SQL["half_built"]

# Any constants will do, as long as every version uses the same: these are "ringoff" and "ringoff2" read as numbers.
_KEY_BEFORE = int.from_bytes(b"ringoff", "big")
_KEY = int.from_bytes(b"ringoff2", "big")
_INDEX = re.compile(r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\s+(?P<name>\w+)", re.IGNORECASE)
_QUEUE_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class LockWait:
    """How long a step may stand in the way of others, and how often it tries."""

    timeout_ms: int = 1_000
    """Everybody who wants the same table waits behind a step that waits: no longer than this."""
    outside_timeout_ms: int = 600_000
    """Of a step outside a transaction, behind which nobody waits."""
    tries_max: int = 30
    pause_s: float = 1.0
    """Between two tries; those who queued behind the last one are served then."""
    queue_s: float = 60.0
    """For another process that migrates."""


class OtherVersionsConnected(MigrationRefused):
    """A contract has to wait for sessions of another version to leave; nothing of it was begun, or it goes on later."""


async def apply_migrations(
    connection: Connection,
    migrations: Sequence[Migration] | None = None,
    *,
    contract: bool = True,
    wait: LockWait | None = None,
) -> Sequence[str]:
    """Apply what is missing and return the file names applied.

    Without ``contract`` only expansions, except in a database that is empty. Processes that start together queue on a
    lock and find the work done. ``MigrationRefused`` leaves the database as the last finished step left it.
    """
    shipped = shipped_migrations() if migrations is None else migrations
    wait = wait or LockWait()
    if not await planned(connection, shipped, contract=contract):
        return []
    await _queue(connection, wait)
    try:
        await _create_logs(connection)
        plan = await planned(connection, shipped, contract=contract)
        return [migration.file_name for migration in plan if await _apply(connection, migration, wait)]
    finally:
        if not connection.is_closed():
            await connection.execute(_UNLOCK, _KEY)


async def planned(
    connection: Connection, migrations: Sequence[Migration] | None = None, *, contract: bool
) -> Sequence[Migration]:
    """What ``apply_migrations`` would do now, in its order: what this version needs, expansions, contracts."""
    waiting = await pending(connection, migrations)
    if await is_empty(connection):
        return waiting if await other_versions(connection) is None else [m for m in waiting if not _is_late(m)]
    ordered = sorted(waiting, key=lambda m: (not m.is_needed, not m.is_expansion, m.version))
    if contract:
        return ordered
    return [] if any(m.is_needed for m in ordered) else [m for m in ordered if m.is_expansion]


async def half_done(connection: Connection) -> dict[int, int]:
    """How many steps are done of the files that are begun and not finished, by their numbers."""
    logs = await connection.fetchrow(_LOGS)
    if logs is None or not logs["has_steps"]:
        return {}
    return {row["version"]: row["done_count"] for row in await connection.fetch(_HALF_DONE)}


def _is_late(migration: Migration) -> bool:
    return not (migration.is_needed or migration.is_expansion)


async def _queue(connection: Connection, wait: LockWait) -> None:
    for _poll in range(max(1, round(wait.queue_s / _QUEUE_POLL_S))):
        if await connection.fetchval(_TRY_LOCK, _KEY):
            return
        await connection.execute(_PAUSE, _QUEUE_POLL_S)
    raise MigrationRefused(f"another process has been migrating this database for {wait.queue_s:g} s")


async def _create_logs(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute(_LOCK_AS_BEFORE, _KEY_BEFORE)
        await connection.execute(_CREATE_LOGS)


async def _apply(connection: Connection, migration: Migration, wait: LockWait) -> bool:
    """Every step that is not done yet; False when another process was faster."""
    done_count = (await half_done(connection)).get(migration.version, 0)
    steps = migration.steps
    # On a database with nothing in it the steps take no time that anybody could wonder about.
    is_new = await is_empty(connection)
    for number, step in enumerate(steps[done_count:], done_count + 1):
        if not await _do(connection, migration, step, number, wait):
            return False
        if len(steps) > 1 and not is_new:
            log.info("migration step done", migration=migration.file_name, step=number, steps=len(steps))
    return True


async def _do(connection: Connection, migration: Migration, step: Step, number: int, wait: LockWait) -> bool:
    """One step, tried again while its locks are held by others."""
    run = _in_transaction if step.is_in_transaction else _outside
    for tries in range(1, wait.tries_max + 1):
        if _is_late(migration) and (others := await other_versions(connection)) is not None:
            raise OtherVersionsConnected(
                f"migration {migration.file_name} is not for other versions, and sessions of them are connected:"
                f" {others}; stop those processes first"
            )
        try:
            return await run(connection, migration, step, number, wait)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if tries == wait.tries_max:
                raise MigrationRefused(
                    f"migration {migration.file_name} could not get its locks in time, {tries} times; try again"
                ) from error
            log.info("migration waits for its locks", migration=migration.file_name, step=number, tries=tries)
        except asyncpg.PostgresError as error:
            raise MigrationRefused(f"migration {migration.file_name} failed: {error}") from error
        await connection.execute(_PAUSE, wait.pause_s)
    raise AssertionError("a last try ends the loop")


async def _in_transaction(
    connection: Connection, migration: Migration, step: Step, number: int, wait: LockWait
) -> bool:
    async with connection.transaction():
        await connection.execute(_LIMIT_LOCK_WAIT, str(wait.timeout_ms), True)
        # A process of 0.2.0 that starts now may be applying the same file.
        await connection.execute(_LOCK_AS_BEFORE, _KEY_BEFORE)
        if await connection.fetchval(_IS_DONE, migration.version):
            return False
        await connection.execute(step.sql)
        await _record(connection, migration, number)
    return True


async def _outside(connection: Connection, migration: Migration, step: Step, number: int, wait: LockWait) -> bool:
    await connection.execute(_LIMIT_LOCK_WAIT, str(wait.outside_timeout_ms), False)
    try:
        index = _INDEX.match(_without_comments(step.sql))
        if index is not None and await connection.fetchval(_HALF_BUILT, index["name"]):
            # An earlier try was ended in the middle; IF NOT EXISTS would take its ruin for an index.
            await connection.execute(f"DROP INDEX CONCURRENTLY {index['name']}")
        await connection.execute(step.sql)
    finally:
        if not connection.is_closed():
            await connection.execute(_UNLIMIT_LOCK_WAIT)
    async with connection.transaction():
        await _record(connection, migration, number)
    return True


async def _record(connection: Connection, migration: Migration, number: int) -> None:
    """A contract is in the log from its first step on, so that older versions refuse what is half contracted."""
    row = (migration.version, migration.file_name, migration.checksum)
    is_last = number == len(migration.steps)
    if not migration.is_expansion:
        await connection.execute(_RECORD_MIGRATION, *row)
    elif is_last:
        await connection.execute(_RECORD_EXPANSION, *row)
    if is_last:
        await connection.execute(_FORGET_STEPS, migration.version)
    else:
        await connection.execute(_RECORD_STEP, migration.version, migration.checksum, number)


def _without_comments(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--")).strip()
