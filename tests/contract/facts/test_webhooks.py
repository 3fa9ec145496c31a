"""Events by ``edit_event_subscriptions`` and by ``callback_url``, as a server that listens for them gets them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.facts.caller import AGENT, NOBODY, Caller
from tests.contract.facts.receiver import Receiver
from tests.contract.facts.shapes import (
    Keys,
    ListOf,
    Maybe,
    an_object,
    anything,
    e164,
    identifier,
    nothing,
    one_of,
    text,
    whole,
    zulu_instant,
)

WaitFor = Callable[[Callable[[], Any], str], Any]

EDITED = "Agent updated successfully!"
TYPES = (
    *("call_started", "call_completed", "recording_completed", "platform_analysis_completed"),
    *("client_analysis_completed", "all_processing_completed"),
)
SHARED = {
    "event_type": one_of(*TYPES),
    "call_id": identifier,
    "agent_id": identifier,
    "workspace_id": identifier,
    "status": text,
    "sub_status": text,
    "call_type": "outbound",
    "custom_args_values": an_object,
    "to_number": e164,
    "from_number": Maybe(e164),
    "bulk_list_id": Maybe(identifier),
    "agent_name": text,
    "version_id": Maybe(text),
    "version_slug": Maybe(text),
    "version_description": Maybe(text),
    "call_cost": nothing,
    "overall_latency_seconds": nothing,
    "first_utterance_seconds": nothing,
    "tool_call_logs": ListOf(anything),
}
STARTED = Keys(
    SHARED
    | {
        "event_id": text,
        "version": "1.0",
        "timestamp": zulu_instant,
        "call_sid": nothing,
        "status": "registered",
        "sub_status": "QUEUED",
        "calling_source": text,
        "called_on": nothing,
        "created_at": nothing,
    }
)
ENDED = SHARED | {
    "call_duration": Maybe(whole),
    "agent_message_count": whole,
    "user_message_count": whole,
    "call_sid": Maybe(text),
    "called_on": Maybe(zulu_instant),
    "created_at": zulu_instant,
    "transcript": ListOf(an_object),
    "retry_count": whole,
    "attempts": ListOf(Keys({"status": text, "called_on_time": zulu_instant})),
    "recording_url": Maybe(text),
}
OURS = frozenset({"event_id"})
COMPLETED = Keys(ENDED, beside=OURS)
ANALYSIS_STATUS = one_of("success", "failed", "not_enabled", "cancelled")
PROCESSED = Keys(
    ENDED
    | {
        "entity_type": "call",
        "platform_analysis": Maybe(an_object),
        "platform_analysis_status": ANALYSIS_STATUS,
        "client_analysis": Maybe(an_object),
        "client_analysis_status": ANALYSIS_STATUS,
    },
    beside=OURS,
)
CALLED_BACK = Keys(
    {
        "status": "success",
        "data": Keys(
            {
                "call_id": identifier,
                "call_direction": "outbound",
                "status": text,
                "call_duration": Maybe(whole),
                "recording_url": Maybe(text),
                "transcript": text,
                "agent_id": identifier,
                "retry": whole,
                "from_number": Maybe(e164),
                "to_number": e164,
                "custom_args_values": an_object,
            }
        ),
        "message": "Call Details",
    }
)


def listen(caller: Caller, agent_id: str, url: str, *types: str, **changes: Any) -> None:
    entry = {"event_type": list(types), "callback_url": url, "method_type": "POST"} | changes
    body = {"operation": "edit_event_subscriptions", "agent_id": agent_id, "event_subscriptions": [entry]}
    assert caller.patch("/agent/v1", body) == {"message": EDITED, "agent_id": agent_id}


def test_a_call_from_its_registration_to_its_end(caller: Caller, receiver: Receiver, wait_for: WaitFor) -> None:
    agent_id, number = caller.agent(), caller.number("0001")
    types = ("call_started", "call_completed", "all_processing_completed")
    listen(caller, agent_id, receiver.url(), *types, headers={"Authorization": "Bearer theirs"})
    call_id = caller.call(agent_id, number, call_config=None)
    wait_for(lambda: len(receiver.received()) >= len(types), "an event of each type")
    for event in receiver.received():
        assert (event.method, event.path, event.headers["authorization"]) == ("POST", "/events", "Bearer theirs")
        assert event.headers["content-type"].startswith("application/json")
    [started], [completed], [processed] = (receiver.bodies(event_type) for event_type in types)
    caller.expect(started, STARTED)
    caller.expect(completed, COMPLETED)
    caller.expect(processed, PROCESSED)
    workspace_id = caller.get("/workspace")["workspace_info"]["id"]
    for body in (started, completed, processed):
        assert (body["call_id"], body["agent_id"], body["to_number"]) == (call_id, agent_id, number)
        assert (body["workspace_id"], body["agent_name"]) == (workspace_id, AGENT["agent_name"])
        assert (body["bulk_list_id"], body["custom_args_values"]["callee_name"]) == (None, "Asha Rao")
    for body in (completed, processed):
        assert (body["status"], body["sub_status"], body["retry_count"]) == ("completed", "ACCEPTED", 0)
        assert body["call_sid"] is not None
        assert body["called_on"] is not None
        assert len(body["attempts"]) == 1


def test_a_call_that_is_terminated(caller: Caller, receiver: Receiver, wait_for: WaitFor) -> None:
    agent_id = caller.agent()
    listen(caller, agent_id, receiver.url(), "call_completed")
    call_id = caller.call(agent_id, caller.number())
    caller.terminate(call_ids=[call_id])
    wait_for(lambda: receiver.received("call_completed"), "the end of the call")
    [body] = receiver.bodies("call_completed")
    caller.expect(body, COMPLETED)
    assert (body["call_id"], body["status"], body["sub_status"]) == (call_id, "cancelled", "USER_TERMINATED")
    assert (body["call_duration"], body["transcript"], body["attempts"]) == (None, [], [])


def test_a_campaign_that_is_terminated(caller: Caller, receiver: Receiver, wait_for: WaitFor) -> None:
    agent_id, numbers = caller.agent(), [caller.number() for _ in range(3)]
    listen(caller, agent_id, receiver.url(), "call_started", "call_completed")
    list_id = caller.campaign(agent_id, numbers)
    caller.terminate(campaign_id=list_id)
    wait_for(lambda: len(receiver.received()) >= 2 * len(numbers), "two events of each call")
    for event_type, shape in (("call_started", STARTED), ("call_completed", COMPLETED)):
        bodies = receiver.bodies(event_type)
        assert sorted(body["to_number"] for body in bodies) == sorted(numbers)
        for body in bodies:
            caller.expect(body, shape)
            assert body["bulk_list_id"] == list_id
            assert body["custom_args_values"]["company_name"] == "Orchid"
    assert {body["status"] for body in receiver.bodies("call_completed")} == {"cancelled"}


def test_each_attempt_has_its_end(caller: Caller, receiver: Receiver, wait_for: WaitFor) -> None:
    """The words of a retry that waits and of carriers are those of events, not those of the history."""
    agent_id = caller.agent()
    listen(caller, agent_id, receiver.url(), "call_completed", "all_processing_completed")
    config = {"call_retry_config": {"retry_count": 1, "retry_busy": 0}}
    call_id = caller.call(agent_id, caller.number("0002"), call_config=config)
    wait_for(lambda: receiver.received("all_processing_completed"), "the last attempt is processed")
    wait_for(lambda: len(receiver.received("call_completed")) >= 2, "two attempts")
    interim, last = receiver.bodies("call_completed")
    for body, attempts in ((interim, 1), (last, 2)):
        caller.expect(body, COMPLETED)
        assert (body["call_id"], body["call_duration"], body["transcript"]) == (call_id, None, [])
        assert (len(body["attempts"]), body["retry_count"]) == (attempts, attempts - 1)
    assert (interim["status"], interim["sub_status"]) == ("retry", "QUEUED")
    assert (last["status"], last["sub_status"]) == ("failed", "retry_limit_reached")
    [processed] = receiver.bodies("all_processing_completed")
    assert (processed["status"], processed["sub_status"]) == ("failed", "retry_limit_reached")
    assert caller.call_status(call_id) == ("failed", "RETRY_LIMIT_REACHED")


@pytest.mark.parametrize("refusals", [(500,), (500, 503, 404)])
def test_a_refused_event_comes_again(
    caller: Caller, receiver: Receiver, wait_for: WaitFor, refusals: tuple[int, ...]
) -> None:
    """Four tries at most, with the same body: it is known by its call and its type."""
    agent_id = caller.agent()
    listen(caller, agent_id, receiver.url(), "call_started")
    receiver.answer_with(*refusals)
    call_id = caller.call(agent_id, caller.number())
    wait_for(lambda: len(receiver.received()) > len(refusals), "the try that is accepted")
    tries = receiver.received()
    assert [each.answered for each in tries] == [*refusals, 200]
    assert all(each.body == tries[0].body for each in tries)
    assert (tries[0].body["call_id"], tries[0].body["event_type"]) == (call_id, "call_started")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_other_ways_to_subscribe(caller: Caller, receiver: Receiver, wait_for: WaitFor, method: str) -> None:
    """One event type as a word, as before March 2026, and each method; two entries in one edit."""
    agent_id = caller.agent()
    entries = [
        {"event_type": event_type, "callback_url": receiver.url(f"/{event_type}"), "method_type": method}
        for event_type in ("call_started", "call_completed")
    ]
    edit = {"operation": "edit_event_subscriptions", "agent_id": agent_id, "event_subscriptions": entries}
    caller.patch("/agent/v1", edit)
    caller.terminate(call_ids=[caller.call(agent_id, caller.number())])
    wait_for(lambda: len(receiver.received()) >= 2, "both events")
    assert {(each.method, each.path, each.body["event_type"]) for each in receiver.received()} == {
        (method, "/call_started", "call_started"),
        (method, "/call_completed", "call_completed"),
    }


def test_subscriptions_are_read_back_without_their_secrets(caller: Caller, receiver: Receiver) -> None:
    agent_id = caller.agent()
    listen(caller, agent_id, receiver.url("/old"), *TYPES, headers={"Authorization": "Bearer theirs"})
    listen(caller, agent_id, receiver.url("/new"), *TYPES, headers={"Authorization": "Bearer theirs"})
    shown = caller.get(f"/agent/v1/{agent_id}")["agents"]["event_subscriptions"]
    assert [(sorted(each["event_type"]), each["callback_url"]) for each in shown] == [
        (sorted(TYPES), receiver.url("/new"))
    ]
    assert "theirs" not in str(shown)


def test_wrong_subscriptions(caller: Caller, receiver: Receiver, strangers: list[Caller]) -> None:
    agent_id = caller.agent()
    good = {"event_type": ["call_started"], "callback_url": receiver.url(), "method_type": "POST"}
    edit = {"operation": "edit_event_subscriptions", "agent_id": agent_id, "event_subscriptions": [good]}
    wrongs: list[dict[str, Any]] = [
        {"event_type": ["call_forgotten"]},
        {"event_type": []},
        {"callback_url": "nowhere"},
        {"callback_url": "ftp://example.com/"},
        {"method_type": "GET"},
        {"headers": {"Bad\nName": "x"}},
    ]
    for wrong in wrongs:
        refused = caller.patch("/agent/v1", edit | {"event_subscriptions": [good | wrong]}, 400)
        caller.expect(refused, Keys({"detail": text}))
    assert caller.patch("/agent/v1", edit | {"agent_id": NOBODY}, 404) == {"detail": "Agent not found"}
    for stranger in strangers:
        assert stranger.patch("/agent/v1", edit, 401) == {"detail": "Invalid credentials"}
    assert caller.get(f"/agent/v1/{agent_id}")["agents"]["event_subscriptions"] == []


def test_the_callback_of_a_call(caller: Caller, receiver: Receiver, wait_for: WaitFor) -> None:
    """As the guide had it until August 2025: parameters become the query, headers go along."""
    agent_id, number = caller.agent(), caller.number("0001")
    args = {
        "headers": {"Content-Type": "application/json", "X-Order": "7"},
        "params": {"order": "7", "source": "crm"},
    }
    call_id = caller.call(agent_id, number, call_config=None, callback_url=receiver.url("/calls"), callback_args=args)
    wait_for(receiver.received, "the callback")
    [told] = receiver.received()
    assert (told.method, told.path, told.query) == ("POST", "/calls", {"order": ["7"], "source": ["crm"]})
    assert (told.headers["x-order"], told.headers["content-type"]) == ("7", "application/json")
    caller.expect(told.body, CALLED_BACK)
    found = told.body["data"]
    assert (found["call_id"], found["agent_id"], found["to_number"]) == (call_id, agent_id, number)
    assert (found["status"], found["retry"]) == ("completed", 0)


@pytest.mark.parametrize("path", ["/campaign/start", "/campaign/v2/start"])
def test_the_callback_of_a_start(caller: Caller, receiver: Receiver, wait_for: WaitFor, path: str) -> None:
    agent_id, numbers = caller.agent(), [caller.number() for _ in range(2)]
    list_id = caller.save(agent_id, numbers)["list_id"]
    calling = caller.calling_number()["number"]
    body = {"agent_id": agent_id, "list_id": list_id, "from_numbers": [calling], "callback_url": receiver.url()}
    caller.post(path, body)
    caller.terminate(campaign_id=list_id)
    wait_for(lambda: len(receiver.received()) >= len(numbers), "a callback for each call")
    for told in receiver.received():
        caller.expect(told.body, CALLED_BACK)
        assert told.body["data"]["status"] == "cancelled"
    assert sorted(told.body["data"]["to_number"] for told in receiver.received()) == sorted(numbers)
