"""Each test has a browser, servers and profiles of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.browsing import CHROMIUM, NO_CHROMIUM, Person, running_browser
from tests.support.processes import ServerProcess


# For one test: while Playwright's blocking interface is open its event loop runs in this thread, and no other one can.
@pytest.fixture
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with running_browser() as browser:
        yield browser


@pytest.fixture
def start_server() -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers with the given settings, and stops them after the test."""
    with ExitStack() as servers:
        yield lambda **settings: servers.enter_context(ServerProcess(**settings))


@pytest.fixture
def sign_in(chromium: Browser, start_server: Callable[..., ServerProcess]) -> Iterator[Callable[..., Person]]:
    """Signs somebody in to a server; at the end their pages must have been well."""
    people: list[Person] = []

    def make(server: ServerProcess, **options: Any) -> Person:
        person = Person(chromium, server, **options)
        people.append(person)
        return person

    yield make
    for person in people:
        person.close()
