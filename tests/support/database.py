"""One PostgreSQL for a whole test run, one migrated template, and a fresh copy of it for each test that asks."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from ringoff.store.embedded import EmbeddedPostgres
from ringoff.store.migrate import apply_migrations, shipped_migrations
from ringoff.store.postgres import connect_once
from tests.support.transition_guard import guard_sql

RUN_DIR_VARIABLE = "PYTEST_RINGOFF_DIR"
TEMPLATE_LOCK_KEY = 7_464_633
_IN_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 1024**3

# Tests throw the database away, so there is no disk to be faithful to; what a crash of PostgreSQL itself does to
# our data is tested with its real settings in tests/store/test_embedded.py.
FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}

without_given_server = pytest.mark.skipif(
    "RINGOFF_TEST_DATABASE_URL" in os.environ, reason="roles of a given server are not ours to make"
)
# For a DSN with &user=owns_nothing: reads and writes everything, and may make, change and drop no table.
OF_NOBODY = """
    DO $role$
    BEGIN
        CREATE ROLE owns_nothing LOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END
    $role$;
    GRANT ALL ON ALL TABLES IN SCHEMA public TO owns_nothing;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO owns_nothing;
"""


def make_run_dir() -> Path:
    """The directory that all worker processes of this run share; named in the environment, which they inherit.

    Not below pytest's own directory: that is private to its user, and PostgreSQL runs as another one under root. In
    memory where there is room: a copy of the template is hundreds of files, which takes some disks half a second.
    """
    parent = str(_IN_MEMORY) if _has_room(_IN_MEMORY) else None
    run_dir = Path(tempfile.mkdtemp(prefix="ringoff-test-", dir=parent))
    os.environ[RUN_DIR_VARIABLE] = str(run_dir)
    return run_dir


def _has_room(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK) and shutil.disk_usage(directory).free > _ROOM_BYTES


def remove_run_dir(run_dir: Path) -> None:
    shutil.rmtree(run_dir, ignore_errors=True)


@asynccontextmanager
async def running_server() -> AsyncIterator[str]:
    """The DSN of a server on which databases may be made: ours, or that of RINGOFF_TEST_DATABASE_URL."""
    if url := os.environ.get("RINGOFF_TEST_DATABASE_URL"):
        yield url
        return
    postgres = EmbeddedPostgres(Path(os.environ[RUN_DIR_VARIABLE]), settings=FAST_SETTINGS)
    try:
        yield await postgres.start()
    finally:
        await postgres.stop()


async def ensure_template(server_dsn: str) -> str:
    """The name of a database with the shipped migrations; the name changes with them."""
    checksums = "".join(migration.checksum for migration in shipped_migrations()) + guard_sql()
    name = f"ringoff_template_{hashlib.sha256(checksums.encode()).hexdigest()[:12]}"
    connection = await asyncpg.connect(server_dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", TEMPLATE_LOCK_KEY)
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await _make_template(connection, server_dsn, name)
    finally:
        await connection.close()
    return name


@asynccontextmanager
async def fresh_database(server_dsn: str, template: str) -> AsyncIterator[str]:
    """A database of its own, gone afterwards even if connections are left open. ``template0`` is an empty one."""
    name = f"test_{uuid4().hex}"
    await _administer(server_dsn, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield dsn_of(server_dsn, name)
    finally:
        await _administer(server_dsn, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def dsn_of(server_dsn: str, database: str) -> str:
    """The same server, another database. Put together by hand: urllib drops the empty host of ``postgresql:///``."""
    parts = urlsplit(server_dsn)
    if not parts.netloc:
        return f"{parts.scheme}:///{database}?{parts.query}"
    return urlunsplit(parts._replace(path=f"/{database}"))


async def _make_template(connection: "asyncpg.Connection[asyncpg.Record]", server_dsn: str, name: str) -> None:
    # Under a passing name first, so that an interrupted run leaves no half-made template behind.
    draft = f"{name}_{uuid4().hex[:8]}"
    await connection.execute(f'CREATE DATABASE "{draft}" TEMPLATE template0')
    migrating = await connect_once(dsn_of(server_dsn, draft))
    try:
        await apply_migrations(migrating)
        await migrating.execute(guard_sql())
    finally:
        await migrating.close()
    await connection.execute(f'ALTER DATABASE "{draft}" RENAME TO "{name}"')


async def _administer(server_dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(server_dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
