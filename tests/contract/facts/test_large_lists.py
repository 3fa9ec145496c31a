"""The beta flow for lists of 5,000 rows and more: upload, status, balance, start, history; and what it refuses."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.facts.caller import NOBODY, TERMINATED, Caller
from tests.contract.facts.shapes import Keys, Maybe, boolean, identifier, number, one_of, text, whole

WaitFor = Callable[[Callable[[], Any], str], Any]

ROWS = 5_000
GOES_ON = ("verifying", "uploaded", "processing")
REQUIRED = ("agent_id", "campaign_name", "country_code", "variables_map")
LIST = {
    "bulk_list_id": identifier,
    "campaign_name": text,
    "total_callees": whole,
    "invalidated_rows_count": whole,
    "invalidated_rows_csv_url": Maybe(text),
}
ACCEPTED = Keys(LIST | {"status": "verifying", "message": "CSV upload accepted for processing"})
STATUS = Keys(
    LIST | {"status": text},
    beside=frozenset({"verified_rows_count", "valid_rows_count", "percent", "invalidated_rows", "failure"}),
)
# Both documented shapes at once: the schema's and the page's.
BALANCE = Keys(
    {
        "status": one_of("draft", "insufficient_balance"),
        "bulk_list_id": identifier,
        "message": text,
        "required_credits": number,
        "available_credits": number,
        "sufficient_balance": boolean,
    }
)
REFUSED = Keys({"detail": text})
WINDOW = {"campaign_start_time": "01/02/2040, 09:00", "campaign_end_time": "28/02/2040, 20:00"}
CONFIG = {"call_time": {"timezone": "Asia/Kolkata"}}


def upload(caller: Caller, agent_id: str, csv: str, status: int = 200, /, **changes: Any) -> Any:
    fields = {
        "agent_id": agent_id,
        "campaign_name": "Renewals of thousands",
        "country_code": "+91",
        "variables_map": json.dumps({"callee_name": "Name"}),
        "call_config": json.dumps(CONFIG),
        **WINDOW,
    } | changes
    data = {name: value for name, value in fields.items() if value is not None}
    return caller.ask(
        "POST", "/campaign/upload-csv", status, data=data, files={"file": ("many.csv", csv.encode(), "text/csv")}
    )


def contacts(*numbers: str) -> str:
    return "Mobile Number,Name\n" + "".join(f"{each},Asha\n" for each in numbers)


def status_of(caller: Caller, list_id: str) -> Any:
    return caller.expect(caller.get(f"/campaign/upload-status/{list_id}"), STATUS)


def verified(caller: Caller, wait_for: WaitFor, agent_id: str, csv: str) -> str:
    """A list whose verification is over."""
    list_id: str = caller.expect(upload(caller, agent_id, csv), ACCEPTED)["bulk_list_id"]
    wait_for(lambda: status_of(caller, list_id)["status"] not in GOES_ON, "the verification is over")
    return list_id


def start(caller: Caller, list_id: str, agent_id: str, status: int = 200, /, **changes: Any) -> Any:
    body = {
        "bulk_list_id": list_id,
        "agent_id": agent_id,
        "country_code": "+91",
        "call_config": CONFIG,
        "from_numbers": [caller.calling_number()["number"]],
        **WINDOW,
    } | changes
    return caller.post("/campaign/make-call-async", {k: v for k, v in body.items() if v is not None}, status)


def test_thousands_from_the_upload_to_the_history(caller: Caller, wait_for: WaitFor) -> None:
    agent_id, area = caller.agent(), caller.number("")
    numbers = [f"{area}{line:04}" for line in range(ROWS)]
    list_id = verified(caller, wait_for, agent_id, contacts(*numbers, "nobody"))
    done = status_of(caller, list_id)
    assert (done["status"], done["total_callees"], done["invalidated_rows_count"]) == ("draft", ROWS, 1)
    balance = caller.expect(caller.post(f"/campaign/check-balance/{list_id}", {}), BALANCE)
    assert (balance["bulk_list_id"], balance["status"], balance["sufficient_balance"]) == (list_id, "draft", True)
    assert start(caller, list_id, agent_id) == {
        "message": "Campaign calls scheduled",
        "bulk_list_id": list_id,
        "status": "scheduled",
    }
    caller.expect(start(caller, list_id, agent_id, 400), REFUSED)
    listed = caller.get("/campaign/all", call_count="true", limit=1000)["campaigns"]
    [own] = [campaign for campaign in listed if campaign["id"] == list_id]
    assert (own["campaign_status"], own["total_count"], own["registered_count"]) == ("scheduled", ROWS, ROWS)
    page = caller.get("/calling/history", bulk_list_id=list_id, limit=1000, offset=ROWS - 1000)
    assert (page["total"], page["count"]) == (ROWS, 1000)
    assert {call["to_number"] for call in page["calls"]} <= set(numbers)
    assert {call["status"] for call in page["calls"]} == {"registered"}
    assert caller.terminate(campaign_id=list_id, mobile_numbers=numbers[:1]) == TERMINATED
    assert caller.terminate(campaign_id=list_id) == TERMINATED
    ended = caller.get("/calling/history", bulk_list_id=list_id, status="cancelled")
    assert ended["total"] == ROWS


def test_the_page_starts_a_list_with_three_fields(caller: Caller, wait_for: WaitFor) -> None:
    agent_id = caller.agent()
    list_id = verified(caller, wait_for, agent_id, contacts(caller.number()))
    bare = {"country_code": None, "call_config": None, "campaign_start_time": None, "campaign_end_time": None}
    started = start(caller, list_id, agent_id, **bare, concurrency_percentage=0)
    assert started["status"] == "scheduled"
    assert caller.terminate(campaign_id=list_id) == TERMINATED


@pytest.mark.parametrize("csv", ["\x00\x01PK", "Telephone,Name\n+919800000000,Asha\n"])
def test_a_file_that_cannot_be_a_list(caller: Caller, csv: str) -> None:
    refused = caller.expect(upload(caller, caller.agent(), csv, 400), REFUSED)
    assert refused["detail"].startswith("Invalid CSV file or variable mapping.")


def test_a_mapping_to_a_column_that_is_not_there(caller: Caller) -> None:
    mapping = json.dumps({"callee_name": "Nickname"})
    refused = upload(caller, caller.agent(), contacts(caller.number()), 400, variables_map=mapping)
    assert refused["detail"].startswith("Invalid CSV file or variable mapping.")


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_required_field_of_an_upload(caller: Caller, missing: str) -> None:
    refused = upload(caller, caller.agent(), contacts(caller.number()), 400, **{missing: None})
    assert missing in caller.expect(refused, REFUSED)["detail"]


def test_a_list_that_failed_is_not_started(caller: Caller, wait_for: WaitFor) -> None:
    agent_id = caller.agent()
    list_id = verified(caller, wait_for, agent_id, contacts("nobody", "no one"))
    assert status_of(caller, list_id)["status"] == "failed"
    assert start(caller, list_id, agent_id, 400) == {"detail": "Bulk list is not ready to start."}


def test_calling_numbers_of_a_start(caller: Caller, wait_for: WaitFor) -> None:
    agent_id = caller.agent()
    list_id = verified(caller, wait_for, agent_id, contacts(caller.number()))
    caller.expect(start(caller, list_id, agent_id, 422, number_pool_id=NOBODY), REFUSED)
    caller.expect(start(caller, list_id, agent_id, 422, from_numbers=None), REFUSED)
    unknown = start(caller, list_id, agent_id, 400, from_numbers=None, number_pool_id=NOBODY)
    assert unknown == {"detail": "Number pool not found."}
    caller.expect(start(caller, list_id, agent_id, 400, from_numbers=["+12025550199"]), REFUSED)
    for wrong in (-1, 101):
        caller.expect(start(caller, list_id, agent_id, 400, concurrency_percentage=wrong), REFUSED)
    assert status_of(caller, list_id)["status"] == "draft"


def test_lists_and_agents_that_are_not_there(caller: Caller, wait_for: WaitFor) -> None:
    agent_id = caller.agent()
    caller.expect(caller.get(f"/campaign/upload-status/{NOBODY}", 404), REFUSED)
    caller.expect(caller.post(f"/campaign/check-balance/{NOBODY}", {}, 404), REFUSED)
    caller.expect(start(caller, NOBODY, agent_id, 404), REFUSED)
    caller.expect(upload(caller, NOBODY, contacts(caller.number()), 400), REFUSED)
    list_id = verified(caller, wait_for, agent_id, contacts(caller.number()))
    assert start(caller, list_id, NOBODY, 400) == {"detail": "Invalid agent_id."}


def test_a_list_of_a_stranger(caller: Caller, wait_for: WaitFor, strangers: list[Caller]) -> None:
    agent_id = caller.agent()
    list_id = verified(caller, wait_for, agent_id, contacts(caller.number()))
    body = {"bulk_list_id": list_id, "agent_id": agent_id, "from_numbers": [caller.calling_number()["number"]]}
    wanted = {"detail": "Invalid credentials"}
    for stranger in strangers:
        assert upload(stranger, agent_id, contacts("+919800000000"), 401) == wanted
        assert stranger.get(f"/campaign/upload-status/{list_id}", 401) == wanted
        assert stranger.post(f"/campaign/check-balance/{list_id}", {}, 401) == wanted
        assert stranger.post("/campaign/make-call-async", body, 401) == wanted
    assert status_of(caller, list_id)["status"] == "draft"
