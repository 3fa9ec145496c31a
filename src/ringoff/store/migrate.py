"""Brings a database to this version's schema: forward only, numbered, one at a time, and never over edited history."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

from ringoff.domain.errors import MigrationRefused
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("migrate")
_LOCK, _UNLOCK = _SQL["lock"], _SQL["unlock"]
_CREATE_LOG, _LOG_EXISTS = _SQL["create_log"], _SQL["log_exists"]
_APPLIED, _RECORD, _LIMIT_LOCK_WAIT = _SQL["applied"], _SQL["record"], _SQL["limit_lock_wait"]

_FILE_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
# Any constant will do, as long as every version of Ringoff uses the same one: "ringoff" read as a number.
_LOCK_KEY = int.from_bytes(b"ringoff", "big")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    file_name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of the text with Unix line ends, so that a checkout on another system is not an edit."""
        return hashlib.sha256(self.sql.replace("\r\n", "\n").encode()).hexdigest()


def shipped_migrations(directory: Traversable | None = None) -> Sequence[Migration]:
    """The migrations of this version in order; a gap or a bad name in the shipped files is refused."""
    directory = directory or files("ringoff.store").joinpath("sql", "migrations")
    migrations: list[Migration] = []
    for file in sorted((f for f in directory.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationRefused(f"migration file {file.name} is not named NNNN_name.sql")
        migration = Migration(int(match["version"]), file.name, file.read_text(encoding="utf-8"))
        if migration.version != len(migrations) + 1:
            raise MigrationRefused(f"migration file {file.name} is out of order: {len(migrations) + 1:04} was expected")
        migrations.append(migration)
    return migrations


async def apply_migrations(connection: Connection, migrations: Sequence[Migration] | None = None) -> Sequence[str]:
    """Apply what is missing and return the file names applied.

    Processes that start together queue on a lock and find the work done. ``MigrationRefused`` leaves the
    database as it was before the refused file.
    """
    shipped = shipped_migrations() if migrations is None else migrations
    await connection.execute(_LOCK, _LOCK_KEY)
    try:
        await connection.execute(_CREATE_LOG)
        waiting = await pending(connection, shipped)
        for migration in waiting:
            await _apply(connection, migration)
        return [migration.file_name for migration in waiting]
    finally:
        if not connection.is_closed():
            await connection.execute(_UNLOCK, _LOCK_KEY)


async def pending(connection: Connection, migrations: Sequence[Migration] | None = None) -> Sequence[Migration]:
    """What is still to be applied; refuses a database whose history is not a beginning of the shipped one."""
    shipped = shipped_migrations() if migrations is None else migrations
    if not await connection.fetchval(_LOG_EXISTS):
        return shipped
    applied = {row["version"]: row for row in await connection.fetch(_APPLIED)}
    by_version = {migration.version: migration for migration in shipped}
    for version, row in applied.items():
        if version not in by_version:
            raise MigrationRefused(
                f"the database has migration {row['name']}, which this version of Ringoff is too old for"
            )
        if row["checksum"] != by_version[version].checksum:
            raise MigrationRefused(f"migration {by_version[version].file_name} was edited after it had been applied")
    missing = [migration for migration in shipped if migration.version not in applied]
    for migration in missing:
        if applied and migration.version < max(applied):
            raise MigrationRefused(f"migration {migration.file_name} is missing below a later one that was applied")
    return missing


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(_LIMIT_LOCK_WAIT)
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, migration.version, migration.file_name, migration.checksum)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationRefused(f"migration {migration.file_name} could not get its locks in time; try again") from error
    except asyncpg.PostgresError as error:
        raise MigrationRefused(f"migration {migration.file_name} failed: {error}") from error
