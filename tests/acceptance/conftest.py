"""Acceptance tests stand on processes of their own, not on the run's shared database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.processes import ServerProcess


@pytest.fixture
def start_server() -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers with the given settings, and stops them after the test."""
    with ExitStack() as servers:
        yield lambda **settings: servers.enter_context(ServerProcess(**settings))
