"""The main job as a client does it: a messy list goes in, every call comes to its documented end."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.client import CALLING_NUMBER, Client
from tests.support.processes import ServerProcess, until

# BOM, CRLF, names with quotes and newlines, numbers as people write them, and five rows that nobody can call.
MESSY_CSV = (
    "\ufeffMobile Number,Name,Company,Notes\r\n"
    '+1 (202) 555-0001,"Ada, Countess","Analytical ""Engines""","first line\r\nsecond line"\r\n'
    " 202-555-0002 ,Bob,Acme,\r\n"
    "1 202 555 0003,Cy,Acme,\r\n"
    "\r\n"
    '"+1-202-555-0004",Dee,Acme,"one\ntwo"\r\n'
    "+12025550005,Eve,Acme,\r\n"
    "+12025550006,Fay,Acme,\r\n"
    "+12025550001,Ada again,Acme,duplicate\r\n"
    "(202) 555 0007,Gus,Acme,\r\n"
    "not a number,Hal,Acme,\r\n"
    ",Ida,Acme,\r\n"
    "+1 12,Jo,Acme,too short\r\n"
    "+12025550008,Kim,Acme,\r\n"
    "+12025550010,Lea,Acme,one field too many,here\r\n"
    "+12025550009,Zoë,Acme,\r\n"
)
RETRY_COUNT = 2
# By number: status, sub-status, and how often it was rung.
ENDS = {
    "+12025550001": ("completed", "ACCEPTED", 1),
    "+12025550002": ("failed", "RETRY_LIMIT_REACHED", 1 + RETRY_COUNT),
    "+12025550003": ("failed", "RETRY_LIMIT_REACHED", 1 + RETRY_COUNT),
    "+12025550004": ("failed", "FAILED", 1),
    "+12025550005": ("failed", "FAILED", 1),
    "+12025550007": ("failed", "RETRY_LIMIT_REACHED", 1 + RETRY_COUNT),
    "+12025550008": ("error", "RECONCILED_TO_ERROR_FROM_ONGOING", 1),
    "+12025550009": ("completed", "VOICEMAIL_DETECTED", 1),
}
CONGESTED = "+12025550006"


@pytest.mark.slow
def test_every_row_of_a_messy_list_comes_to_its_documented_end(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(silence_timeout_s="5")
    client = Client(server)
    saved = client.upload(
        MESSY_CSV.encode(),
        retry_count=RETRY_COUNT,
        remove_invalid_rows="true",
        variables_map='{"mobile_number": "Mobile Number", "callee_name": "Name", "company": "Company"}',
    )
    assert saved["message"] == "Contacts imported successfully!"
    assert (saved["total_rows"], saved["successful_rows"], saved["failed_rows"]) == (14, 9, 5)
    assert saved["custom_args_values"][0] == {
        "mobile_number": "+12025550001",
        "callee_name": "Ada, Countess",
        "company": 'Analytical "Engines"',
    }
    campaign_id = saved["list_id"]
    assert client.statuses(campaign_id) == {"registered": 9}, "a draft waits for its start"
    client.start(campaign_id)

    def by_number() -> dict[str, dict[str, Any]]:
        return {call["to_number"]: call for call in client.history(campaign_id)}

    # Congestion is put back again and again, and spends no retry: only the order ends it.
    until(lambda: _ended(by_number()) == set(ENDS), "all but the congested call are over", 40)
    # It may just be on the wire again.
    acknowledged_ns = until(lambda: client.terminate_pending(campaign_id=campaign_id), "the congested call is put back")
    assert acknowledged_ns is not None

    calls = by_number()
    rung = Counter(line.called_number for line in server.wire())
    assert {
        number: (call["status"], call["sub_status"], rung[number])
        for number, call in calls.items()
        if number != CONGESTED
    } == ENDS
    assert (calls[CONGESTED]["status"], calls[CONGESTED]["sub_status"]) == ("cancelled", "USER_TERMINATED")
    assert rung[CONGESTED] >= 1
    assert all(line.monotonic_ns < acknowledged_ns for line in server.wire())
    assert [number for number, call in calls.items() if call["voicemail_detected"]] == ["+12025550009"]
    assert calls["+12025550001"]["call_duration"] > 0
    assert calls["+12025550002"]["call_duration"] is None

    _check_details(client, calls)
    _check_campaign(client, campaign_id)


def _ended(calls: dict[str, dict[str, Any]]) -> set[str]:
    return {number for number, call in calls.items() if call["status"] in ("completed", "failed", "error")}


def _check_details(client: Client, calls: dict[str, dict[str, Any]]) -> None:
    for number, call in calls.items():
        details = client.get("/calling/call-details", id=call["id"])
        assert details["status"] == "success"
        assert {
            "id": call["id"],
            "to_number": number,
            "from_number": CALLING_NUMBER,
            "call_status": call["status"],
            "call_sub_status": call["sub_status"],
            "callee_name": call["name"],
            "agent_id": client.agent_id,
        }.items() <= details["data"].items()
    ada = client.get("/calling/call-details", id=calls["+12025550001"]["id"])["data"]
    assert ada["custom_args_values"]["company"] == 'Analytical "Engines"'


def _check_campaign(client: Client, campaign_id: str) -> None:
    page = client.get("/campaign/all", call_count="true")
    assert page["pagination"] == {"total": 1, "limit": 10, "offset": 0}
    (campaign,) = page["campaigns"]
    assert campaign["id"] == campaign_id
    assert campaign["campaign_status"] == "terminated"
    assert (campaign["total_count"], campaign["registered_count"], campaign["completed_count"]) == (9, 0, 2)
