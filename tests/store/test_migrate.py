"""Migrations go forward once, and never over a history that somebody changed."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ringoff.domain.errors import MigrationRefused
from ringoff.store.migrate import Migration, apply_migrations, pending, shipped_migrations
from ringoff.store.postgres import connect_once

FIRST = Migration(1, "0001_first.sql", "CREATE TABLE first (n integer); CREATE TABLE second (n integer);")
SECOND = Migration(2, "0002_second.sql", "ALTER TABLE first ADD COLUMN m integer;")


async def apply(dsn: str, migrations: Sequence[Migration]) -> Sequence[str]:
    connection = await connect_once(dsn)
    try:
        return await apply_migrations(connection, migrations)
    finally:
        await connection.close()


async def waiting(dsn: str, migrations: Sequence[Migration]) -> Sequence[str]:
    connection = await connect_once(dsn)
    try:
        return [migration.file_name for migration in await pending(connection, migrations)]
    finally:
        await connection.close()


async def test_each_migration_is_applied_once_and_in_order(empty_database_dsn: str) -> None:
    assert await waiting(empty_database_dsn, [FIRST, SECOND]) == [FIRST.file_name, SECOND.file_name]
    assert await apply(empty_database_dsn, [FIRST]) == [FIRST.file_name]
    assert await waiting(empty_database_dsn, [FIRST, SECOND]) == [SECOND.file_name]
    assert await apply(empty_database_dsn, [FIRST, SECOND]) == [SECOND.file_name]
    assert await apply(empty_database_dsn, [FIRST, SECOND]) == []


async def test_processes_that_start_together_apply_each_migration_once(empty_database_dsn: str) -> None:
    results = await asyncio.gather(*(apply(empty_database_dsn, [FIRST, SECOND]) for _ in range(4)))
    assert sorted(len(result) for result in results) == [0, 0, 0, 2]


async def test_an_edited_migration_is_refused_by_name(empty_database_dsn: str) -> None:
    await apply(empty_database_dsn, [FIRST])
    with pytest.raises(MigrationRefused, match=r"0001_first\.sql was edited"):
        await apply(empty_database_dsn, [replace(FIRST, sql=FIRST.sql + " ")])


async def test_line_ends_are_no_edit(empty_database_dsn: str) -> None:
    first = replace(FIRST, sql=FIRST.sql.replace(" ", "\n"))
    await apply(empty_database_dsn, [first])
    assert await apply(empty_database_dsn, [replace(first, sql=first.sql.replace("\n", "\r\n"))]) == []


async def test_a_database_of_a_newer_version_is_refused(empty_database_dsn: str) -> None:
    await apply(empty_database_dsn, [FIRST, SECOND])
    with pytest.raises(MigrationRefused, match=r"0002_second\.sql, which this version of Ringoff is too old for"):
        await apply(empty_database_dsn, [FIRST])


async def test_a_hole_in_the_history_is_refused(empty_database_dsn: str) -> None:
    await apply(empty_database_dsn, [replace(SECOND, sql="CREATE TABLE third (n integer);")])
    with pytest.raises(MigrationRefused, match=r"0001_first\.sql is missing below a later one"):
        await apply(empty_database_dsn, [FIRST, replace(SECOND, sql="CREATE TABLE third (n integer);")])


async def test_a_failing_migration_leaves_nothing_of_itself_and_keeps_what_came_before(empty_database_dsn: str) -> None:
    broken = replace(SECOND, sql="CREATE TABLE half (n integer); ALTER TABLE nowhere ADD COLUMN m integer;")
    with pytest.raises(MigrationRefused, match=r"0002_second\.sql failed"):
        await apply(empty_database_dsn, [FIRST, broken])
    assert await waiting(empty_database_dsn, [FIRST, SECOND]) == [SECOND.file_name]
    assert await apply(empty_database_dsn, [FIRST, replace(SECOND, sql="CREATE TABLE half (n integer);")])


async def test_the_shipped_migrations_apply_to_an_empty_database(empty_database_dsn: str) -> None:
    shipped = shipped_migrations()
    assert await apply(empty_database_dsn, shipped) == [migration.file_name for migration in shipped]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a.sql", "0003_c.sql"], r"0003_c\.sql is out of order: 0002 was expected"),
        (["0001_a.sql", "0001_b.sql"], r"0001_b\.sql is out of order"),
        (["1_a.sql"], r"1_a\.sql is not named NNNN_name\.sql"),
    ],
)
def test_a_wrong_file_name_is_refused(tmp_path: Path, names: list[str], complaint: str) -> None:
    for name in names:
        (tmp_path / name).write_text("CREATE TABLE a (n integer);")
    with pytest.raises(MigrationRefused, match=complaint):
        shipped_migrations(tmp_path)
