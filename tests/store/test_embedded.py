"""The embedded PostgreSQL is durable, comes back after a kill, and is stopped by the last process that leaves."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from ringoff.domain.errors import DatabaseUnavailable
from ringoff.store.embedded import EmbeddedPostgres

SMALL = {"shared_buffers": "16MB"}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's directory, which is private to one user: PostgreSQL runs as another one under root."""
    path = Path(tempfile.mkdtemp(prefix="ringoff-embedded-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
async def postgres(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    embedded = EmbeddedPostgres(data_dir, settings=SMALL)
    await embedded.start()
    yield embedded
    await embedded.stop()


async def fetch(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def keep_a_row(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE kept (n integer); INSERT INTO kept VALUES (42);")
    await connection.close()


async def test_what_is_committed_is_on_disk_and_nobody_else_can_reach_it(postgres: EmbeddedPostgres) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await fetch(postgres.dsn, f"SHOW {name}") == "on"
    assert await fetch(postgres.dsn, "SHOW listen_addresses") == ""
    assert await fetch(postgres.dsn, "SHOW unix_socket_permissions") == "0700"


async def test_a_killed_server_is_started_again_with_all_that_was_committed(postgres: EmbeddedPostgres) -> None:
    await keep_a_row(postgres.dsn)
    dsn, pid = postgres.dsn, postgres.postmaster_pid
    assert pid is not None
    assert not await postgres.ensure_running()
    witness, gone = await asyncpg.connect(dsn), asyncio.Event()
    witness.add_termination_listener(lambda _connection: gone.set())
    os.kill(pid, signal.SIGKILL)
    await gone.wait()  # a signal is delivered a moment after it is sent; this backend has noticed
    assert await postgres.ensure_running()
    assert postgres.dsn == dsn
    assert postgres.postmaster_pid != pid
    assert await fetch(dsn, "SELECT n FROM kept") == 42


async def test_a_stop_and_a_start_keep_the_data(postgres: EmbeddedPostgres) -> None:
    await keep_a_row(postgres.dsn)
    await postgres.stop()
    assert postgres.postmaster_pid is None
    await postgres.stop()
    assert await fetch(await postgres.start(), "SELECT n FROM kept") == 42


async def test_the_second_process_attaches_and_does_not_stop_it_under_the_first(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    pid = postgres.postmaster_pid
    second = EmbeddedPostgres(data_dir, settings=SMALL)
    assert await second.start() == postgres.dsn
    await second.stop()
    assert postgres.postmaster_pid == pid
    assert await fetch(postgres.dsn, "SELECT 1") == 1


async def test_the_last_process_stops_it_whoever_started_it(data_dir: Path) -> None:
    first, second = EmbeddedPostgres(data_dir, settings=SMALL), EmbeddedPostgres(data_dir, settings=SMALL)
    await first.start()
    await second.start()
    await first.stop()
    assert second.postmaster_pid is not None
    await second.stop()
    assert second.postmaster_pid is None


async def test_a_server_left_by_a_killed_process_is_taken_over(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    pid = postgres.postmaster_pid
    assert postgres._attached is not None
    postgres._attached.close()  # what the operating system does with the locks of a killed process
    heir = EmbeddedPostgres(data_dir, settings=SMALL)
    await heir.start()
    assert heir.postmaster_pid == pid
    await heir.stop()
    assert heir.postmaster_pid is None
    postgres._attached = None


async def test_a_stale_pid_file_that_names_a_living_stranger_does_not_prevent_the_start(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    pid_file = data_dir / "postgres" / "postmaster.pid"
    text = pid_file.read_text()
    await postgres.stop()
    stranger = os.getpid()
    pid_file.write_text(text.replace(text.splitlines()[0], str(stranger), 1))
    await postgres.start()
    assert postgres.postmaster_pid not in (None, stranger)
    assert psutil.pid_exists(stranger)


async def test_the_socket_lock_that_a_base_backup_brings_along_does_not_prevent_the_start(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    lock = data_dir / "postgres" / ".s.PGSQL.5432.lock"
    text = lock.read_text()
    await postgres.stop()
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    # PostgreSQL believes a lock only of a process of its own user: here another cluster's.
    other = EmbeddedPostgres(data_dir / "other", settings=SMALL)
    await other.start()
    try:
        lock.write_text(text.replace(text.splitlines()[0], str(other.postmaster_pid), 1))
        await postgres.start()
        assert postgres.postmaster_pid not in (None, other.postmaster_pid)
    finally:
        await other.stop()


async def test_a_directory_of_another_major_version_is_refused_by_name(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "PG_VERSION").write_text("13\n")
    embedded = EmbeddedPostgres(data_dir)
    with pytest.raises(DatabaseUnavailable, match="was made by PostgreSQL 13, but 18 is embedded"):
        await embedded.start()
    await embedded.stop()


async def test_a_path_too_long_for_a_socket_and_with_odd_characters_works(data_dir: Path) -> None:
    deep = data_dir / ("a b'c&d=%41é-" * 4) / ("x" * 80)
    embedded = EmbeddedPostgres(deep, settings=SMALL)
    dsn = await embedded.start()
    try:
        assert await fetch(dsn, "SELECT 1") == 1
    finally:
        await embedded.stop()
