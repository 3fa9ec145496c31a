"""The server that the callers speak to; the one module here that knows what it is."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.facts.caller import Caller
from tests.contract.facts.receiver import Receiver
from tests.support.processes import ServerProcess, until


@pytest.fixture(scope="package")
def server() -> Iterator[ServerProcess]:
    # Thousands of access lines would hide the line that matters.
    # Receivers listen on loopback, and nobody waits the documented minutes for a second try.
    with ServerProcess(log_level="warning", webhook_allow_private="true", webhook_backoff_s="0.1,0.1,0.1") as started:
        yield started


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who listens for events, alone in its test."""
    with Receiver() as listening:
        yield listening


@pytest.fixture(scope="package")
def caller(server: ServerProcess) -> Iterator[Caller]:
    made = Caller(server.url, server.key)
    yield made
    made.http.close()


@pytest.fixture
def caller_of_slow_calls() -> Iterator[Caller]:
    """Of a server whose calls ring for seconds."""
    with ServerProcess(log_level="warning", simulated_speed="5") as started:
        made = Caller(started.url, started.key)
        yield made
        made.http.close()


@pytest.fixture
def strangers(server: ServerProcess) -> Iterator[list[Caller]]:
    """Callers without a key, and with one that nobody has."""
    made = [Caller(server.url, ""), Caller(server.url, "nobodys-key")]
    del made[0].http.headers["X-API-KEY"]
    yield made
    for stranger in made:
        stranger.http.close()


@pytest.fixture
def second_key(server: ServerProcess) -> str:
    """One more key of the same workspace, which a test may end."""
    made = server.command("key", "create")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture
def spare_number_id(server: ServerProcess, caller: Caller) -> str:
    """A calling number that a test may give back."""
    number = f"+1206555{caller.number()[5:9]}"
    answer = server.http.post("/api/v1/numbers", json={"number": number})
    assert answer.status_code == 201, answer.text
    number_id: str = answer.json()["number_id"]
    return number_id


@pytest.fixture
def wait_for() -> Callable[[Callable[[], Any], str], Any]:
    """Until something is true, with a name for what was waited for."""
    return until
