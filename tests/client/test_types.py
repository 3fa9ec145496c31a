"""What the type checker sees: the same method is a value on one client and a coroutine on the other."""

from collections.abc import AsyncIterator, Iterator
from inspect import iscoroutine
from typing import Any, assert_type

from ringoff.client import AsyncRingoffClient, RingoffClient
from ringoff.client.answers import HistoryCall, ListedAgent, Terminated
from ringoff.client.native_answers import Receipt
from tests.client.asking import Script, json_answer

AGENTS: dict[str, Any] = {"data": {"agents": []}}
TERMINATED = {"message": "Calls terminated successfully!"}
RECEIPT = {"termination_id": "t", "level": "agent", "selector": {}, "state": "settled", "counts": {}}


def test_a_blocking_client_gives_values() -> None:
    script = Script(json_answer(200, AGENTS), json_answer(200, TERMINATED), json_answer(202, RECEIPT))
    client = script.client("blocking").client
    assert isinstance(client, RingoffClient)
    assert assert_type(client.agents.list(), list[ListedAgent]) == []
    assert isinstance(assert_type(client.terminate(agent_id="a"), Terminated), Terminated)
    assert isinstance(assert_type(client.native.terminations.give(agent_id="a"), Receipt), Receipt)
    assert isinstance(assert_type(client.calls.history(), Iterator[HistoryCall]), Iterator)
    client.close()


async def test_a_client_of_an_event_loop_gives_coroutines() -> None:
    script = Script(json_answer(200, AGENTS), json_answer(202, RECEIPT))
    client = script.client("event loop").client
    assert isinstance(client, AsyncRingoffClient)
    asked = client.agents.list()
    assert assert_type(await asked, list[ListedAgent]) == []
    assert iscoroutine(asked)
    assert isinstance(assert_type(await client.native.terminations.give(agent_id="a"), Receipt), Receipt)
    assert isinstance(assert_type(client.calls.history(), AsyncIterator[HistoryCall]), AsyncIterator)
    await client.aclose()


def test_a_method_tells_what_it_does() -> None:
    assert (RingoffClient.terminate.__doc__ or "").startswith("End every registered or retrying call")
