"""Individual calls of both versions, through history and details to the download."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.facts.caller import NOBODY, SCHEDULED, Caller
from tests.contract.facts.shapes import (
    Keys,
    ListOf,
    Maybe,
    an_object,
    anything,
    boolean,
    e164,
    identifier,
    instant,
    naive_instant,
    number,
    one_of,
    text,
    whole,
)

PATHS = ("/calling/outbound/individual", "/calling/v2/outbound/individual")
STATUSES = ("registered", "ongoing", "retry", "error", "completed", "failed", "cancelled", "forwarded")
SUB_STATUSES = (
    *("IN_DB", "QUEUED", "ACCEPTED", "RATE_LIMITED", "RETRY_LIMIT_REACHED", "RETRY_SCHEDULED", "FAILED"),
    *("USER_DID_NOT_JOIN", "USER_LEFT", "USER_BECAME_IDLE", "CAMPAIGN_TIME_EXCEEDED", "MAX_CALL_DURATION"),
    *("NOT_ABLE_TO_CALL", "USER_TERMINATED", "DND_SKIPPED", "VOICEMAIL_DETECTED", "VOICEMAIL_DETECTED_VIA_LLM"),
    *("PRE_CALL_API_FAILED", "RECONCILED_TO_ERROR_FROM_REGISTERED", "RECONCILED_TO_ERROR_FROM_RETRY"),
    *("RECONCILED_TO_ERROR_FROM_ONGOING", "RECONCILED_TO_COMPLETED_FROM_ONGOING"),
)
# Both generations at once: clients of either read their own keys.
INITIATED = Keys(
    {
        "status": "success",
        "Call Status": "success",
        "data": Keys(
            {
                "call_id": identifier,
                "call_direction": "outbound",
                "call_status": one_of(*STATUSES),
                "initiated_at": naive_instant,
                "agent_id": identifier,
                "custom_args_values": an_object,
                "Unique Call ID": identifier,
                "Call Direction": "outbound",
                "Call Status": one_of(*STATUSES),
                "From Number": e164,
                "To Number": e164,
                "Initiated at": naive_instant,
                "Agent ID": identifier,
                "System generated message": "Call initiated successfully",
            }
        ),
        "message": "Call initiated successfully",
    }
)
LISTED = Keys(
    {
        "id": identifier,
        "to_number": e164,
        "name": text,
        "status": one_of(*STATUSES),
        "sub_status": one_of(*SUB_STATUSES),
        "transcript": text,
        "audio_recording": Maybe(text),
        "created_at": instant,
        "agent": Keys(
            {
                "id": identifier,
                "agent_name": text,
                "agent_version_id": Maybe(text),
                "orchestration_mode": "single_node",
                "version": Keys({"version_id": Maybe(text), "version_slug": Maybe(text)}),
            }
        ),
        "call_duration": Maybe(number),
        "call_attempt_time": Maybe(instant),
        "call_cost": Maybe(number),
        "call_type": one_of("outbound", "inbound", "webcall"),
        "inbound_from": Maybe(text),
        "credits_processed": boolean,
        "from_numbers": ListOf(e164),
        "voicemail_detected": boolean,
    }
)
HISTORY = Keys({"calls": ListOf(LISTED), "limit": whole, "offset": whole, "count": whole, "total": whole})
DETAIL = {
    "id": identifier,
    "call_direction": one_of("inbound", "outbound", "webcall"),
    "call_status": one_of(*STATUSES),
    "call_sub_status": one_of(*SUB_STATUSES),
    "from_number": Maybe(e164),
    "to_number": e164,
    "callee_name": text,
    "agent_id": identifier,
    "initiation_time": instant,
    "recording_url": Maybe(text),
    "transcription_url": ListOf(an_object),
    # Not in the schema; a client has found it there.
    "custom_args_values": an_object,
}


def request(caller: Caller, **changes: Any) -> dict[str, Any]:
    body = {
        "name": "Asha Rao",
        "mobile_number": caller.number(),
        "agent_id": caller.get("/agent/all")["data"]["agents"][0]["id"],
        "from_number": caller.calling_number()["number"],
        "call_config": SCHEDULED,
    } | changes
    return {name: value for name, value in body.items() if value is not None}


@pytest.mark.parametrize("path", PATHS)
def test_a_call_is_initiated_by_number_and_by_its_id(caller: Caller, path: str) -> None:
    calling = caller.calling_number()
    wishes: list[dict[str, Any]] = [
        {"from_number": calling["number"]},
        {"from_number": [calling["number"]]},
        {"from_number": None, "from_number_id": calling["id"]},
        {"from_number": None, "from_number_id": [calling["id"]]},
    ]
    for wish in wishes:
        body = request(caller, custom_args_values={"plan": "gold"}, **wish)
        answer = caller.expect(caller.post(path, body), INITIATED)
        known = {"callee_name": "Asha Rao", "mobile_number": body["mobile_number"], "plan": "gold"}
        assert answer["data"]["custom_args_values"] == known
        assert answer["data"]["To Number"] == body["mobile_number"]
        assert answer["data"]["call_id"] == answer["data"]["Unique Call ID"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("missing", ["name", "mobile_number", "agent_id"])
def test_a_required_field_of_a_call(caller: Caller, path: str, missing: str) -> None:
    refused = caller.post(path, request(caller, **{missing: None}), 400)
    assert refused["error"]["code"] == "invalid_parameter"
    assert refused["error"]["message"].startswith(f"Missing required field: {missing}")


@pytest.mark.parametrize("path", PATHS)
def test_exactly_one_kind_of_calling_number(caller: Caller, path: str) -> None:
    calling = caller.calling_number()
    nothing = caller.post(path, request(caller, from_number=None), 400)
    caller.expect(nothing, Keys({"error": Keys({"code": "invalid_parameter", "message": text})}))
    if path == PATHS[1]:
        wanted = "Provide at least one of: number_pool_id, from_number_id, from_number"
        assert nothing["error"]["message"] == wanted
    caller.post(path, request(caller, from_number_id=calling["id"]), 400)


def test_a_pool_of_calling_numbers_that_is_not_there(caller: Caller) -> None:
    asked = request(caller, from_number=None, number_pool_id=NOBODY)
    refused = caller.post(PATHS[1], asked, 400)
    assert refused == {"error": {"code": "invalid_parameter", "message": "Number pool not found."}}
    both = caller.post(PATHS[1], request(caller, number_pool_id=NOBODY), 400)
    caller.expect(both, Keys({"error": Keys({"code": "invalid_parameter", "message": text})}))


def test_what_else_a_call_may_say(caller: Caller) -> None:
    config = {
        "idle_timeout_warning": 5,
        "idle_timeout_end": 10,
        "max_call_length": 240,
        "call_retry_config": {"retry_count": 3, "retry_busy": 30, "retry_not_picked": 30, "retry_failed": 30},
        "call_time": {
            "call_start_time": "00:00",
            "call_end_time": "23:00",
            "timezone": "Asia/Kolkata",
            "scheduled_at": "2040-10-18T10:30:00",
        },
    }
    others = {"version_id": NOBODY, "call_category": "renewal", "parent_call_id": NOBODY}
    body = request(caller, call_config=config, smart_formatter={"extract_first_name": True}, **others)
    answer = caller.post(PATHS[0], body)
    known = answer["data"]["custom_args_values"]
    assert (known["callee_name"], known["original_callee_name"]) == ("Asha", "Asha Rao")


@pytest.mark.parametrize("path", PATHS)
def test_a_call_of_a_stranger(caller: Caller, strangers: list[Caller], path: str) -> None:
    body = request(caller)
    for stranger in strangers:
        refused = stranger.post(path, body, 401)
        assert refused == {"error": {"code": "401 Unauthorized", "message": "Invalid credentials"}}


@pytest.mark.parametrize(
    ("ending", "retries", "status"),
    [("0001", 0, "completed"), ("0005", 0, "failed"), ("0002", 1, "retry"), ("0009", 0, "completed")],
)
def test_a_call_is_dialled_and_told(
    caller: Caller, wait_for: Callable[..., Any], ending: str, retries: int, status: str
) -> None:
    """Answered, an invalid number, busy with a retry to come, a voicemail: by the last digits."""
    dialled = caller.number(ending)
    config = {"call_retry_config": {"retry_count": retries, "retry_busy": 30}}
    call_id = caller.call(caller.agent(), dialled, call_config=config)

    def told() -> Any:
        view = caller.get("/calling/call-details", id=call_id)
        return view if view["data"]["call_status"] == status else None

    view = wait_for(told, f"{dialled} is {status}")
    caller.expect(view, Keys({"status": "success", "data": Keys(DETAIL)}))
    page = caller.get("/calling/history", status=status, limit=1000)
    caller.expect(page, HISTORY)
    [listed] = [call for call in page["calls"] if call["id"] == call_id]
    assert json.loads(listed["transcript"]) == []
    assert listed["from_numbers"] == [caller.calling_number()["number"]]
    assert listed["call_attempt_time"] is not None
    assert (listed["call_duration"] is not None) is (status == "completed")


def test_the_history_by_page_and_filter(caller: Caller) -> None:
    agent_id = caller.agent()
    made = [caller.call(agent_id, caller.number()) for _ in range(12)]
    page = caller.expect(caller.get("/calling/history", agent_id=agent_id), HISTORY)
    assert (page["limit"], page["offset"], page["count"], page["total"]) == (10, 0, 10, 12)
    rest = caller.get("/calling/history", agent_id=agent_id, limit=10, offset=10)
    assert (rest["limit"], rest["offset"], rest["count"], rest["total"]) == (10, 10, 2, 12)
    assert {call["id"] for call in page["calls"] + rest["calls"]} == set(made)
    for status in STATUSES:
        total = caller.get("/calling/history", agent_id=agent_id, status=status)["total"]
        assert total == (12 if status == "registered" else 0)
    day = {"start_date": "2020-01-01T00:00:00+05:30", "end_date": "2099-01-01T23:59:59+05:30"}
    assert caller.get("/calling/history", agent_id=agent_id, **day)["total"] == 12
    past = {"start_date": "2020-01-01T00:00:00+00:00", "end_date": "2020-01-02T00:00:00+00:00"}
    assert caller.get("/calling/history", agent_id=agent_id, **past)["calls"] == []
    assert caller.get("/calling/history", agent_id=agent_id, call_type="outbound", download="false")["total"] == 12


@pytest.mark.parametrize("name", ["start_date", "end_date"])
def test_a_date_that_is_none(caller: Caller, name: str) -> None:
    refused = caller.get("/calling/history", 400, **{name: "yesterday"})
    assert refused == {"error": {"code": "invalid_parameter", "message": f"Invalid date format for {name}."}}


def test_details_of_a_call(caller: Caller, strangers: list[Caller]) -> None:
    call_id = caller.call(caller.agent(), caller.number())
    plain = caller.get("/calling/call-details", id=call_id, send_analysis="false")
    caller.expect(plain, Keys({"status": "success", "data": Keys(DETAIL)}))
    analysed = Keys(DETAIL | {"platform_analysis": Maybe(an_object), "client_analysis": Maybe(an_object)})
    full = caller.get("/calling/call-details", id=call_id, send_analysis="true")
    caller.expect(full, Keys({"status": "success", "data": analysed}))
    assert caller.get("/calling/call-details", 404, id=NOBODY) == {"detail": "Call not found"}
    for stranger in strangers:
        assert stranger.get("/calling/call-details", 401, id=call_id) == {"detail": "Invalid credentials"}


def test_the_history_is_downloaded(caller: Caller, strangers: list[Caller]) -> None:
    agents = [caller.agent(), caller.agent()]
    made = [caller.call(agent_id, caller.number()) for agent_id in agents for _ in range(2)]
    query: dict[str, Any] = {
        "start_date": "2020-01-01T00:00:00+00:00",
        "end_date": "2099-01-01T00:00:00+00:00",
        "agent_id": agents,
        "status": "registered",
        "include_analysis": "true",
        "call_type": "outbound",
        "limit": 1000,
        "offset": 0,
    }
    response = caller.http.post("/calling/history/download", params=query)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        [name] = archive.namelist()
        lines = archive.read(name).decode("utf-8-sig").splitlines()
    hints = "id,to_number,name,status,transcript,recording_url,agent_id,initiation_time"
    assert name.endswith(".csv")
    assert lines[0].startswith(hints)
    assert {line.split(",")[0] for line in lines[1:]} == set(made)
    one = caller.http.post("/calling/history/download", params={"call_id": made[0], "voicemail": "false"})
    assert one.status_code == 200
    for stranger in strangers:
        refused = stranger.ask("POST", "/calling/history/download", 401)
        assert refused == {"error": {"code": "401 Unauthorized", "message": "Invalid credentials"}}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("platform-analytics", {"performance_metrics": an_object, "metrics_summary": an_object, "cached": boolean}),
        ("drill-down-analytics", {"performance_metrics": an_object, "cached": boolean}),
        ("number-analytics", {"number_analytics": ListOf(anything)}),
        ("duration-distribution", {"duration_distribution": an_object}),
        ("classification-analytics", {"classification_analytics": an_object}),
    ],
)
def test_analytics(caller: Caller, name: str, keys: dict[str, Any]) -> None:
    agent_id = caller.agent()
    list_id = caller.save(agent_id, [caller.number()])["list_id"]
    query = {"start_date": "2026-11-01", "end_date": "2026-11-30", "agent_id": agent_id, "voicemail": "false"}
    caller.expect(caller.get(f"/analytics/{name}", bulk_list_id=list_id, **query), Keys(keys))
    if name == "drill-down-analytics":
        caller.get(f"/analytics/{name}", 400, **query)
