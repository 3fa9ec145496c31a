"""What schema a database has: what waits for it, whether this version runs on it, and who else is connected."""

from collections.abc import Sequence
from typing import Final

from ringoff import __version__
from ringoff.domain.errors import MigrationRefused
from ringoff.store.connection import Connection
from ringoff.store.migration_files import Migration, shipped_migrations
from ringoff.store.sql_loader import load

APPLICATION_NAME: Final = f"ringoff/{__version__}"
"""What every session of this version calls itself. Up to 0.2.0 it was ``ringoff``."""

_SQL = load("migrate")
_LOGS, _APPLIED, _EXPANDED, _HALF_DONE = _SQL["logs"], _SQL["applied"], _SQL["expanded"], _SQL["half_done"]
_ANY_WORKSPACE, _OTHERS = _SQL["any_workspace"], _SQL["others"]


async def pending(connection: Connection, migrations: Sequence[Migration] | None = None) -> Sequence[Migration]:
    """What is still to be applied, or to be finished, by number.

    ``MigrationRefused`` for a history that was edited, has a hole, or has a file that is newer than this version. An
    expansion that this version does not know is none of its business: it suits the release before its own.
    """
    shipped = shipped_migrations() if migrations is None else migrations
    logs = await connection.fetchrow(_LOGS)
    assert logs is not None
    by_version = {migration.version: migration for migration in shipped}
    applied = {row["version"]: row for row in await connection.fetch(_APPLIED)} if logs["has_migrations"] else {}
    expanded = {row["version"]: row for row in await connection.fetch(_EXPANDED)} if logs["has_expansions"] else {}
    half_done = {row["version"]: row for row in await connection.fetch(_HALF_DONE)} if logs["has_steps"] else {}
    for version, row in applied.items():
        if version not in by_version or by_version[version].is_expansion:
            raise MigrationRefused(
                f"the database has migration {row['name']}, which this version of Ringoff is too old for"
            )
    for version, row in (*applied.items(), *expanded.items(), *half_done.items()):
        if version in by_version and row["checksum"] != by_version[version].checksum:
            raise MigrationRefused(f"migration {by_version[version].file_name} was edited after it had been applied")
    done = (applied.keys() | expanded.keys()) - half_done.keys()
    for migration in shipped:
        is_hole = migration.version not in applied and applied and migration.version < max(applied)
        if is_hole and not migration.is_expansion:
            raise MigrationRefused(f"migration {migration.file_name} is missing below a later one that was applied")
    return [migration for migration in shipped if migration.version not in done]


async def check_schema(connection: Connection) -> None:
    """``MigrationRefused`` when this version cannot run on the schema. What only waits to be applied is no reason."""
    for migration in await pending(connection):
        if migration.is_needed:
            raise MigrationRefused(
                f"migration {migration.file_name} has not been applied; `ringoff migrate --contract` applies it"
            )


async def is_empty(connection: Connection) -> bool:
    """Nobody has anything in it yet: no workspace, or no table of ours at all."""
    logs = await connection.fetchrow(_LOGS)
    assert logs is not None
    return not (logs["has_workspaces"] and await connection.fetchval(_ANY_WORKSPACE))


async def other_versions(connection: Connection) -> str | None:
    """Who else is connected with another version, in words; None when nobody is."""
    others = [
        f"{row['application_name']} ({row['session_count']})"
        for row in await connection.fetch(_OTHERS, APPLICATION_NAME)
    ]
    return ", ".join(others) or None
