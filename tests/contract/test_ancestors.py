"""Routes that were removed answer as they did, by the operations of today; what they end stays ended."""

import json
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import httpx2
import pytest

from tests.contract.tenants import (
    COMPATIBLE,
    CONTACTS,
    NATIVE,
    Tenant,
    history,
    registered_call,
    saved_campaign,
    start,
    terminate,
)


def form(tenant: Tenant, **changes: Any) -> dict[str, str]:
    fields = {
        "agent_id": tenant.agent_id,
        "country_code": "+1",
        "variables_map": json.dumps({"callee_name": "Name", "company": "Company"}),
        "call_config": "{}",
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


async def upload(
    client: httpx2.AsyncClient, tenant: Tenant, /, csv: str = CONTACTS, name: str = "spring.csv", **changes: Any
) -> httpx2.Response:
    return await client.post(
        f"{COMPATIBLE}/calling/contact/list",
        headers=tenant.headers,
        data=form(tenant, **changes),
        files={"file": (name, csv.encode(), "text/csv")},
    )


async def bulk(client: httpx2.AsyncClient, tenant: Tenant, list_id: str, /, **changes: Any) -> httpx2.Response:
    body = {"agent_id": tenant.agent_id, "list_id": list_id, "from_numbers": [tenant.number]} | changes
    return await client.post(f"{COMPATIBLE}/calling/outbound/bulk", headers=tenant.headers, json=body)


async def end(client: httpx2.AsyncClient, tenant: Tenant, body: Any, query: str = "") -> httpx2.Response:
    return await client.patch(f"{COMPATIBLE}/calling/terminate{query}", headers=tenant.headers, json=body)


async def delete(client: httpx2.AsyncClient, tenant: Tenant, list_id: str) -> httpx2.Response:
    return await client.delete(f"{COMPATIBLE}/calling/contact/{list_id}", headers=tenant.headers)


async def get(client: httpx2.AsyncClient, tenant: Tenant, path: str) -> Any:
    answer = await client.get(COMPATIBLE + path, headers=tenant.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_list_from_upload_to_termination(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    saved = await upload(client, tenant)
    assert saved.status_code == 200, saved.text
    list_id = saved.json()["list_id"]
    assert saved.json() == {
        "message": "Contacts imported successfully!",
        "list_id": list_id,
        "custom_args_values": ANY,
        "total_rows": 3,
        "successful_rows": 3,
        "failed_rows": 0,
    }
    listed = {"list_id": list_id, "file_name": "spring.csv", "created_at": ANY}
    assert await get(client, tenant, "/workspace/lists") == {"contact_lists": [listed | {"status": "draft"}]}
    assert await get(client, tenant, "/calling/terminate") == {"bulk_calls": []}

    started = await bulk(client, tenant, list_id)
    assert (started.status_code, started.json()) == (
        200,
        {"campaign_id": list_id, "status": "campaign registered successfully!", "has_ongoing_calls": False},
    )
    running = listed | {"status": "ongoing"}
    assert await get(client, tenant, "/workspace/lists") == {"contact_lists": [running]}
    assert await get(client, tenant, "/calling/terminate") == {"bulk_calls": [running | {"agent_id": tenant.agent_id}]}

    ended = await end(client, tenant, {"agent_id": tenant.agent_id})
    assert (ended.status_code, ended.json()) == (200, {"message": "Calls terminated successfully!"})
    receipt = await client.get(f"{NATIVE}/terminations/{ended.headers['X-Termination-Id']}", headers=tenant.headers)
    assert receipt.json()["level"] == "agent"
    assert {call["status"] for call in (await history(client, tenant))["calls"]} == {"cancelled"}
    assert await get(client, tenant, "/calling/terminate") == {"bulk_calls": []}


async def test_a_list_without_an_end_has_none(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    await upload(client, tenant, name="")
    await upload(client, tenant, name="x" * 300)
    listed = (await get(client, tenant, "/campaign/all"))["campaigns"]
    assert [campaign["name"] for campaign in listed] == ["x" * 200]
    assert [campaign["campaign_end_time"] for campaign in listed] == [None]


@pytest.mark.parametrize("selector", ["agent_id", "call_ids", "campaign_id", "mobile_numbers"])
async def test_the_ancestor_of_terminate_keeps_the_same_law(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant, selector: str
) -> None:
    list_id, call_id = await saved_campaign(client, tenant), await registered_call(client, tenant)
    wishes: dict[str, tuple[Any, int]] = {
        "agent_id": (tenant.agent_id, 4),
        "call_ids": ([call_id], 1),
        "campaign_id": (list_id, 3),
        "mobile_numbers": (["+14155550101"], 1),
    }
    wish, covered = wishes[selector]
    nothing = (400, {"detail": "No terminable calls found for the specified parameters"})
    refused = await end(client, stranger, {selector: wish})
    assert (refused.status_code, refused.json()) == nothing
    given = {**tenant.headers, "Idempotency-Key": "once"}
    for is_replayed in (None, "true"):
        answer = await client.patch(f"{COMPATIBLE}/calling/terminate", headers=given, json={selector: wish})
        assert answer.status_code == 200
        assert answer.headers.get("Idempotency-Replayed") == is_replayed
    assert (await history(client, tenant, status="cancelled"))["total"] == covered
    again = await end(client, tenant, {selector: wish})
    assert (again.status_code, again.json()) == nothing


async def test_a_deleted_list_is_ended_and_gone(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    list_id, kept = await saved_campaign(client, tenant), await saved_campaign(client, tenant)
    answer = await delete(client, tenant, list_id)
    assert (answer.status_code, answer.json()) == (200, {"message": "Bulk list deleted successfully!"})
    receipt = await client.get(f"{NATIVE}/terminations/{answer.headers['X-Termination-Id']}", headers=tenant.headers)
    assert receipt.json()["selector"] == {"campaign_id": list_id}
    assert (await history(client, tenant, bulk_list_id=list_id, status="cancelled"))["total"] == 3
    assert (await history(client, tenant, bulk_list_id=kept, status="registered"))["total"] == 3

    assert [listed["list_id"] for listed in (await get(client, tenant, "/workspace/lists"))["contact_lists"]] == [kept]
    campaigns = await get(client, tenant, "/campaign/all")
    assert ([campaign["id"] for campaign in campaigns["campaigns"]], campaigns["pagination"]["total"]) == ([kept], 1)
    for gone in (await start(client, tenant, list_id), await bulk(client, tenant, list_id)):
        assert (gone.status_code, "Campaign not found" in gone.text) == (404, True)
    again = await delete(client, tenant, list_id)
    assert (again.status_code, again.json()) == (404, {"detail": "Bulk list not found"})


async def test_a_list_that_is_dialled_is_terminated_before_it_is_deleted(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    list_id = await saved_campaign(client, tenant)
    await start(client, tenant, list_id)
    refused = await delete(client, tenant, list_id)
    assert (refused.status_code, refused.json()) == (
        400,
        {"detail": "Campaign is scheduled, ongoing or paused: terminate it first"},
    )
    assert (await history(client, tenant, status="registered"))["total"] == 3
    assert (await terminate(client, tenant, {"campaign_id": list_id})).status_code == 200
    answer = await delete(client, tenant, list_id)
    assert (answer.status_code, "X-Termination-Id" in answer.headers) == (200, False), "nothing waited any more"


async def test_bad_input_of_ancestors(client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant) -> None:
    list_id, foreign = await saved_campaign(client, tenant), await saved_campaign(client, stranger)
    nothing = "Either 'agent_id', 'call_ids', 'campaign_id', or 'mobile_numbers' must be provided."
    without: list[dict[str, Any]] = [{name: None} for name in form(tenant)]
    table: list[tuple[httpx2.Response, int, str]] = [
        (await bulk(client, tenant, foreign), 404, "Campaign not found"),
        (await bulk(client, tenant, "spring"), 400, "list_id: Invalid UUID, not 'spring'"),
        (await bulk(client, tenant, list_id, agent_id=stranger.agent_id), 400, "Invalid agent_id."),
        (await bulk(client, tenant, list_id, from_numbers=None), 400, "Missing required field: from_numbers"),
        (await bulk(client, tenant, list_id, from_numbers=[]), 400, "from_numbers must not be empty"),
        (await bulk(client, tenant, list_id, from_numbers=[7]), 400, "from_numbers[0]: Expected `str`, got `int`"),
        (await bulk(client, tenant, list_id, from_numbers=[stranger.number]), 400, "from_numbers[0] is not a number"),
        (await bulk(client, tenant, list_id, pace=1), 400, "unknown field: pace"),
        (await upload(client, tenant, agent_id=stranger.agent_id), 400, "Invalid agent_id."),
        (await upload(client, tenant, agent_id="me"), 400, "agent_id: Invalid UUID, not 'me'"),
        (await upload(client, tenant, country_code="+999999"), 400, "country_code"),
        (await upload(client, tenant, variables_map="{"), 400, "variables_map is not JSON"),
        (await upload(client, tenant, call_config="[]"), 400, "call_config must be an object"),
        (await upload(client, tenant, campaign_name="x"), 400, "unknown field: campaign_name"),
        (await upload(client, tenant, "Mobile Number\nnobody\n", variables_map="{}"), 400, "line 2"),
        *[
            (await upload(client, tenant, **missing), 400, f"Missing required field: {next(iter(missing))}")
            for missing in without
        ],
        (await delete(client, tenant, foreign), 404, "Bulk list not found"),
        (await delete(client, tenant, "spring"), 400, "list_id: Invalid UUID, not 'spring'"),
        (await delete(client, tenant, str(uuid4())), 404, "Bulk list not found"),
        (await delete(client, tenant, f"{list_id}?force=true"), 400, "unknown field: force"),
        (await end(client, tenant, {}), 400, nothing),
        (await end(client, tenant, {"agent_id": "me"}), 400, "agent_id is not a UUID: 'me'"),
        (await end(client, tenant, {"call_ids": []}), 400, nothing),
        (await end(client, tenant, {"call_ids": ["one"]}), 400, "call_ids[0] is not a UUID: 'one'"),
        (await end(client, tenant, {"list_id": list_id}), 400, "list_id"),
        (await end(client, tenant, {"agent_id": tenant.agent_id}, "?all=true"), 400, "unknown field: all"),
    ]
    for answer, status, text in table:
        body = answer.json()
        said = body["error"]["message"] if "/outbound/bulk" in str(answer.url) else body["detail"]
        assert (answer.status_code, text in said) == (status, True), answer.text
    listed = (await get(client, tenant, "/workspace/lists"))["contact_lists"]
    assert [(entry["list_id"], entry["status"]) for entry in listed] == [(list_id, "draft")]
    assert (await history(client, tenant, status="registered"))["total"] == 3
