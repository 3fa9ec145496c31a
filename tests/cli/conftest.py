"""A server for the commands, started once for the tests of a module, and what they need to find it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ServerProcess
from tests.support.troubled_server import Troubled, troubled_server


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """Settles a fence row by row, so that there is time to look at it."""
    with ServerProcess(shows_logs=False, sweep_batch_max="1") as started:
        yield started


@pytest.fixture
def here(server: ServerProcess, tmp_path: Path) -> dict[str, str]:
    """Variables of a user who has set the server and the key."""
    return {"RINGOFF_URL": server.url, "RINGOFF_API_KEY": server.key, "XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def troubled() -> Iterator[tuple[type[Troubled], dict[str, str]]]:
    """A server that answers as it is told to, or not at all, and the variables that lead there."""
    with troubled_server() as found:
        yield found
