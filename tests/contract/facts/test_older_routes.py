"""Routes that were documented once, as clients of that age call them."""

import json

from tests.contract.facts.caller import NOBODY, TERMINATED, Caller
from tests.contract.facts.shapes import Keys, ListOf, identifier, instant, text


def upload(caller: Caller, agent_id: str, number: str) -> str:
    answer = caller.ask(
        "POST",
        "/calling/contact/list",
        data={
            "agent_id": agent_id,
            "country_code": "+91",
            "variables_map": json.dumps({"callee_name": "Name"}),
            "call_config": json.dumps({"call_time": {"scheduled_at": "2040-01-05T10:00:00"}}),
        },
        files={"file": ("old.csv", f"Mobile Number,Name\n{number},Asha\n".encode(), "text/csv")},
    )
    list_id: str = answer["list_id"]
    return list_id


def test_a_list_is_uploaded_started_and_terminated_as_in_2025(caller: Caller) -> None:
    agent_id, number = caller.agent(), caller.number()
    list_id = upload(caller, agent_id, number)
    lists = caller.get("/workspace/lists")
    shown = Keys({"list_id": identifier, "file_name": text, "created_at": instant, "status": text})
    caller.expect(lists, Keys({"contact_lists": ListOf(shown, least=1)}))
    assert [found["file_name"] for found in lists["contact_lists"] if found["list_id"] == list_id] == ["old.csv"]
    body = {"agent_id": agent_id, "list_id": list_id, "from_numbers": [caller.calling_number()["number"]]}
    started = caller.post("/calling/outbound/bulk", body)
    assert (started["campaign_id"], started["status"]) == (list_id, "campaign registered successfully!")
    assert list_id in json.dumps(caller.get("/calling/terminate"))
    assert caller.patch("/calling/terminate", {"agent_id": agent_id}) == TERMINATED
    assert set(caller.statuses(list_id).values()) == {("cancelled", "USER_TERMINATED")}


def test_calls_are_terminated_as_in_2025(caller: Caller) -> None:
    call_id = caller.call(caller.agent(), caller.number())
    assert caller.patch("/calling/terminate", {"call_ids": [call_id]}) == TERMINATED
    assert caller.call_status(call_id) == ("cancelled", "USER_TERMINATED")


def test_a_list_is_deleted(caller: Caller) -> None:
    list_id = upload(caller, caller.agent(), caller.number())
    assert caller.ask("DELETE", f"/calling/contact/{list_id}") == {"message": "Bulk list deleted successfully!"}
    caller.ask("DELETE", f"/calling/contact/{list_id}", 404)
    caller.ask("DELETE", f"/calling/contact/{NOBODY}", 404)
    assert list_id not in json.dumps(caller.get("/workspace/lists"))


def test_a_key_is_renewed(caller: Caller, second_key: str) -> None:
    address = str(caller.http.base_url).removesuffix("/ca/api/v0/")
    old = Caller(address, second_key)
    answer = caller.expect(old.ask("PATCH", "/workspace/api-key"), Keys({"new_api_key": text}))
    new = Caller(address, answer["new_api_key"])
    old.get("/workspace", 401)
    assert new.get("/workspace") == caller.get("/workspace")
    old.http.close()
    new.http.close()
