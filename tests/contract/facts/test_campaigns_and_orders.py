"""Campaigns from the upload to the list, and every way to terminate, with the texts of the documents."""

import json
from typing import Any

import pytest

from tests.contract.facts.caller import NOBODY, TERMINATED, Caller
from tests.contract.facts.shapes import Keys, ListOf, Maybe, an_object, identifier, instant, text, whole

STARTED = {"status": "campaign registered successfully!", "has_ongoing_calls": False}
NOTHING = {"detail": "No terminable calls found for the specified parameters"}
NO_SELECTOR = {"detail": "Either 'agent_id', 'call_ids', 'campaign_id', or 'mobile_numbers' must be provided."}
WAITS, ENDED = ("registered", "QUEUED"), ("cancelled", "USER_TERMINATED")
STARTS = ("/campaign/start", "/campaign/v2/start")
REQUIRED = (
    *("agent_id", "campaign_name", "country_code", "variables_map", "call_config"),
    *("campaign_start_time", "campaign_end_time"),
)
SAVED = Keys(
    {
        "message": "Contacts imported successfully!",
        "list_id": identifier,
        "custom_args_values": ListOf(an_object, least=1),
        "total_rows": whole,
        "successful_rows": whole,
        "failed_rows": whole,
    }
)
LISTED = {
    "id": identifier,
    "name": text,
    "campaign_status": text,
    "created_at": instant,
    "updated_at": instant,
    "campaign_start_time": Maybe(instant),
    "campaign_end_time": Maybe(instant),
}
COUNTS = {"total_count": whole, "registered_count": whole, "completed_count": whole}


def test_contacts_are_imported(caller: Caller) -> None:
    numbers = [caller.number() for _ in range(3)]
    answer = caller.expect(caller.save(caller.agent(), numbers), SAVED)
    assert (answer["total_rows"], answer["successful_rows"], answer["failed_rows"]) == (3, 3, 0)
    first = {"callee_name": "Asha", "company_name": "Orchid", "mobile_number": numbers[0]}
    assert answer["custom_args_values"][0] == first


def test_bad_rows_fail_the_upload_or_are_left_out(caller: Caller) -> None:
    agent_id = caller.agent()
    csv = f"Mobile Number,Name,Company\n{caller.number()},Asha,Orchid\nnobody,Bala,Orchid\n"
    caller.expect(caller.save(agent_id, [], 400, csv=csv), Keys({"detail": text}))
    answer = caller.save(agent_id, [], csv=csv, remove_invalid_rows="true")
    assert (answer["total_rows"], answer["successful_rows"], answer["failed_rows"]) == (2, 1, 1)


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_required_field_of_an_upload(caller: Caller, missing: str) -> None:
    refused = caller.save(caller.agent(), [caller.number()], 400, **{missing: None})
    caller.expect(refused, Keys({"detail": text}))
    assert missing in refused["detail"]


def test_other_ways_to_write_an_upload(caller: Caller) -> None:
    """A region for the prefix, ISO 8601 for the times, the number's column by its name."""
    agent_id = caller.agent()
    csv = f"phone_number,Name\n{caller.number()},Asha\n"
    columns = json.dumps({"mobile_number": "phone_number", "callee_name": "Name"})
    times = {"campaign_start_time": "2040-02-01T09:00:00", "campaign_end_time": "2040-02-28T20:00:00"}
    for country_code in ("+91", "IN"):
        caller.save(agent_id, [], csv=csv, variables_map=columns, country_code=country_code, **times)


def test_a_file_that_is_no_csv(caller: Caller) -> None:
    refused = caller.expect(caller.save(caller.agent(), [], 400, csv="\x00\x01PK"), Keys({"detail": text}))
    assert refused["detail"].startswith("Invalid file format.")


@pytest.mark.parametrize("path", STARTS)
def test_a_campaign_is_started_once(caller: Caller, path: str) -> None:
    agent_id = caller.agent()
    list_id = caller.save(agent_id, [caller.number()])["list_id"]
    assert caller.start(agent_id, list_id, path=path) == STARTED
    caller.expect(caller.start(agent_id, list_id, 400, path=path), Keys({"detail": text}))
    listed = caller.get("/campaign/all", limit=1000)["campaigns"]
    assert [campaign["campaign_status"] for campaign in listed if campaign["id"] == list_id] == ["scheduled"]


@pytest.mark.parametrize("path", STARTS)
def test_a_start_of_what_is_not_there(caller: Caller, strangers: list[Caller], path: str) -> None:
    agent_id = caller.agent()
    list_id = caller.save(agent_id, [caller.number()])["list_id"]
    assert caller.start(NOBODY, list_id, 400, path=path) == {"detail": "Invalid agent_id."}
    caller.expect(caller.start(agent_id, NOBODY, 404, path=path), Keys({"detail": text}))
    body = {"agent_id": agent_id, "list_id": list_id, "from_numbers": ["+12025550100"]}
    for stranger in strangers:
        assert stranger.post(path, body, 401) == {"detail": "Invalid credentials"}


def test_a_pool_that_is_not_there(caller: Caller) -> None:
    agent_id = caller.agent()
    list_id = caller.save(agent_id, [caller.number()])["list_id"]
    body = {"agent_id": agent_id, "list_id": list_id, "number_pool_id": NOBODY}
    assert caller.post("/campaign/v2/start", body, 400) == {"detail": "Number pool not found."}


def test_numbers_to_start_with_may_be_ids(caller: Caller) -> None:
    agent_id = caller.agent()
    list_id = caller.save(agent_id, [caller.number()])["list_id"]
    body = {"agent_id": agent_id, "list_id": list_id, "from_numbers": [caller.calling_number()["id"]]}
    assert caller.post("/campaign/start", body) == STARTED


def test_campaigns_are_listed_with_and_without_counts(caller: Caller) -> None:
    agent_id = caller.agent()
    numbers = [caller.number() for _ in range(3)]
    list_id = caller.save(agent_id, numbers)["list_id"]
    page = Keys({"total": whole, "limit": whole, "offset": whole})
    plain = caller.get("/campaign/all")
    caller.expect(plain, Keys({"campaigns": ListOf(Keys(LISTED), least=1), "pagination": page}))
    assert (plain["pagination"]["limit"], plain["pagination"]["offset"]) == (10, 0)
    counted = caller.get("/campaign/all", call_count="true", limit=1000, offset=0)
    caller.expect(counted, Keys({"campaigns": ListOf(Keys(LISTED | COUNTS), least=1), "pagination": page}))
    [own] = [campaign for campaign in counted["campaigns"] if campaign["id"] == list_id]
    assert (own["total_count"], own["registered_count"], own["completed_count"]) == (3, 3, 0)
    for wrong in ("0", "1001"):
        caller.get("/campaign/all", 400, limit=wrong)


@pytest.mark.parametrize("path", ["", "/campaign"])
def test_terminate_a_campaign(caller: Caller, path: str) -> None:
    agent_id = caller.agent()
    own, other = (caller.campaign(agent_id, [caller.number(), caller.number()]) for _ in range(2))
    assert caller.terminate(path=path, campaign_id=own) == TERMINATED
    assert set(caller.statuses(own).values()) == {ENDED}
    assert set(caller.statuses(other).values()) == {WAITS}
    assert caller.terminate(400, path=path, campaign_id=own) == NOTHING


@pytest.mark.parametrize("path", ["", "/campaign-numbers"])
def test_terminate_numbers_in_a_campaign(caller: Caller, path: str) -> None:
    agent_id = caller.agent()
    numbers = [caller.number() for _ in range(3)]
    own, other = (caller.campaign(agent_id, numbers) for _ in range(2))
    assert caller.terminate(path=path, campaign_id=own, mobile_numbers=numbers[:2]) == TERMINATED
    assert caller.statuses(own) == {numbers[0]: ENDED, numbers[1]: ENDED, numbers[2]: WAITS}
    assert set(caller.statuses(other).values()) == {WAITS}


@pytest.mark.parametrize(("path", "query"), [("", ""), ("", "?terminate_all_calls=true"), ("/numbers", "")])
def test_terminate_numbers_everywhere(caller: Caller, path: str, query: str) -> None:
    agent_id = caller.agent()
    numbers = [caller.number() for _ in range(2)]
    lists = [caller.campaign(agent_id, numbers) for _ in range(2)]
    calls = [caller.call(agent_id, number) for number in numbers]
    assert caller.terminate(path=path + query, mobile_numbers=numbers[:1]) == TERMINATED
    for list_id in lists:
        assert caller.statuses(list_id) == {numbers[0]: ENDED, numbers[1]: WAITS}
    assert [caller.call_status(call_id) for call_id in calls] == [ENDED, WAITS]


@pytest.mark.parametrize("path", ["", "/calls"])
def test_terminate_calls(caller: Caller, path: str) -> None:
    """Ids that nobody has are ignored."""
    agent_id = caller.agent()
    first, second = (caller.call(agent_id, caller.number()) for _ in range(2))
    assert caller.terminate(path=path, call_ids=[first, NOBODY]) == TERMINATED
    assert [caller.call_status(call_id) for call_id in (first, second)] == [ENDED, WAITS]
    assert caller.terminate(400, path=path, call_ids=[NOBODY]) == NOTHING


@pytest.mark.parametrize("path", ["", "/agent"])
def test_terminate_an_agent(caller: Caller, path: str) -> None:
    agent_id, other = caller.agent(), caller.agent()
    lists = [caller.campaign(agent_id, [caller.number()]) for _ in range(2)]
    call_id, others = caller.call(agent_id, caller.number()), caller.call(other, caller.number())
    assert caller.terminate(path=path, agent_id=agent_id) == TERMINATED
    assert [set(caller.statuses(list_id).values()) for list_id in lists] == [{ENDED}, {ENDED}]
    assert [caller.call_status(call_id), caller.call_status(others)] == [ENDED, WAITS]


def test_a_retry_that_waits_is_terminated(caller: Caller, wait_for: Any) -> None:
    agent_id = caller.agent()
    config = {"call_retry_config": {"retry_count": 3, "retry_busy": 30}}
    call_id = caller.call(agent_id, caller.number("0002"), call_config=config)
    wait_for(lambda: caller.call_status(call_id)[0] == "retry", "the busy line waits for its retry")
    assert caller.terminate(call_ids=[call_id]) == TERMINATED
    assert caller.call_status(call_id) == ENDED


@pytest.mark.slow
def test_a_call_on_the_wire_is_left_and_not_retried(caller_of_slow_calls: Caller, wait_for: Any) -> None:
    caller = caller_of_slow_calls
    agent_id = caller.agent()
    config = {"call_retry_config": {"retry_count": 3, "retry_not_picked": 0}}
    rings = caller.call(agent_id, caller.number("0003"), call_config=config)
    waits = caller.call(agent_id, caller.number())
    wait_for(lambda: caller.call_status(rings)[0] == "ongoing", "the phone rings")
    assert caller.terminate(agent_id=agent_id) == TERMINATED
    assert caller.call_status(waits) == ENDED
    assert caller.call_status(rings)[0] == "ongoing"
    wait_for(lambda: caller.call_status(rings)[0] != "ongoing", "nobody answers")
    assert caller.call_status(rings)[0] in ("failed", "cancelled"), "without the order it would be in retry"


def test_what_is_over_stays_as_it_was(caller: Caller, wait_for: Any) -> None:
    agent_id = caller.agent()
    over = caller.call(agent_id, caller.number("0001"), call_config=None)
    wait_for(lambda: caller.call_status(over)[0] == "completed", "the call is over")
    assert caller.terminate(400, agent_id=agent_id) == NOTHING
    waits = caller.call(agent_id, caller.number())
    assert caller.terminate(agent_id=agent_id) == TERMINATED
    assert [caller.call_status(over)[0], caller.call_status(waits)] == ["completed", ENDED]


def test_a_terminated_campaign_is_started_again(caller: Caller) -> None:
    agent_id = caller.agent()
    list_id = caller.campaign(agent_id, [caller.number()])
    caller.terminate(campaign_id=list_id)
    assert caller.start(agent_id, list_id) == STARTED
    page = caller.get("/calling/history", bulk_list_id=list_id, status="registered")
    assert page["total"] == 1


@pytest.mark.parametrize("body", [{}, {"agent_id": None}])
def test_an_order_for_nothing(caller: Caller, body: dict[str, Any]) -> None:
    assert caller.patch("/campaign/terminate", body, 400) == NO_SELECTOR


def test_an_order_with_too_many_numbers(caller: Caller) -> None:
    numbers = [f"+9197{line:08}" for line in range(101)]
    caller.expect(caller.terminate(400, mobile_numbers=numbers), Keys({"detail": text}))
    assert caller.terminate(400, mobile_numbers=numbers[:100]) == NOTHING


@pytest.mark.parametrize("wrong", ["919876543210", "9876543210", "nobody"])
def test_an_order_for_a_number_without_its_country(caller: Caller, wrong: str) -> None:
    caller.expect(caller.terminate(400, mobile_numbers=[wrong]), Keys({"detail": text}))


@pytest.mark.parametrize("path", ["", "/agent", "/calls", "/campaign", "/campaign-numbers", "/numbers"])
def test_an_order_of_a_stranger(caller: Caller, strangers: list[Caller], path: str) -> None:
    call_id = caller.call(caller.agent(), caller.number())
    for stranger in strangers:
        assert stranger.terminate(401, path=path, call_ids=[call_id]) == {"detail": "Invalid credentials"}
    assert caller.call_status(call_id) == WAITS
