"""What every test may ask for: an asyncio loop, a fresh migrated database, a store on it."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from ringoff.store.postgres import PostgresStore
from tests.support.database import ensure_template, fresh_database, make_run_dir, remove_run_dir, running_server

_RUN_DIR = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    # The default renders a traceback with every local variable, a second each.
    structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])
    # A shell that starts us in the background ignores Ctrl-C for us, and for the processes whose Ctrl-C we test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):  # the one process that starts and outlives the others
        config.stash[_RUN_DIR] = make_run_dir()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _RUN_DIR in config.stash:
        remove_run_dir(config.stash[_RUN_DIR])


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def database_server(anyio_backend: str) -> AsyncIterator[str]:
    """The DSN of a server where tests may make databases."""
    async with running_server() as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def database_template(database_server: str) -> str:
    return await ensure_template(database_server)


@pytest.fixture
async def database_dsn(database_server: str, database_template: str) -> AsyncIterator[str]:
    """A fresh, migrated database of this test alone."""
    async with fresh_database(database_server, database_template) as dsn:
        yield dsn


@pytest.fixture
async def empty_database_dsn(database_server: str) -> AsyncIterator[str]:
    """A fresh database without any table."""
    async with fresh_database(database_server, "template0") as dsn:
        yield dsn


@pytest.fixture
async def store(database_dsn: str) -> AsyncIterator[PostgresStore]:
    """The real store on a fresh database."""
    connected = await PostgresStore.connect(database_dsn, pool_max=20, dispatch_pool_max=8, originate_timeout_ms=20_000)
    try:
        yield connected
    finally:
        await connected.close(timeout_s=1.0)
