"""The beta flow for large lists: exact answers, every kind of bad input, and orders for a list that is verified."""

import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import (
    COMPATIBLE,
    CONTACTS,
    NATIVE,
    Tenant,
    history,
    saved_campaign,
    start,
    terminate,
    upload_csv,
    uploaded_list,
)
from tests.contract.test_bad_input import NO_ID, refuses
from tests.support.large_lists import verifier

TERMINATED = {"message": "Calls terminated successfully!"}


async def status(client: httpx2.AsyncClient, tenant: Tenant, list_id: str) -> dict[str, Any]:
    answer = await client.get(f"{COMPATIBLE}/campaign/upload-status/{list_id}", headers=tenant.headers)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def make_calls(client: httpx2.AsyncClient, tenant: Tenant, list_id: str, /, **changes: Any) -> httpx2.Response:
    body = {"agent_id": tenant.agent_id, "bulk_list_id": list_id, "from_numbers": [tenant.number]} | changes
    given = {name: value for name, value in body.items() if value is not None}
    return await client.post(f"{COMPATIBLE}/campaign/make-call-async", headers=tenant.headers, json=given)


async def test_the_whole_flow(client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore) -> None:
    answer = await upload_csv(client, tenant, CONTACTS + "nobody,Dee,Dot\n")
    list_id = answer.json()["bulk_list_id"]
    accepted = {
        "bulk_list_id": list_id,
        "status": "verifying",
        "campaign_name": "Spring",
        "total_callees": 0,
        "invalidated_rows_count": 0,
        "invalidated_rows_csv_url": None,
    }
    assert (answer.status_code, answer.json()) == (200, accepted | {"message": "CSV upload accepted for processing"})
    ours = {"verified_rows_count": 0, "valid_rows_count": 0, "percent": 0, "invalidated_rows": [], "failure": None}
    assert await status(client, tenant, list_id) == accepted | ours
    await refuses(await make_calls(client, tenant, list_id), "Bulk list is not ready to start.")
    await refuses(await start(client, tenant, list_id), "Bulk list is not ready to start.")

    assert await verifier(store).verify_next()
    fault = {"line": 5, "column": "Mobile Number", "rule": "holds no digits", "value": "nobody"}
    assert await status(client, tenant, list_id) == accepted | {
        "status": "draft",
        "total_callees": 3,
        "invalidated_rows_count": 1,
        "verified_rows_count": 4,
        "valid_rows_count": 3,
        "percent": 100,
        "invalidated_rows": [fault],
        "failure": None,
    }
    balance = await client.post(f"{COMPATIBLE}/campaign/check-balance/{list_id}", headers=tenant.headers)
    assert balance.json() == {
        "bulk_list_id": list_id,
        "status": "draft",
        "message": "Ringoff bills nothing: no credits are needed, and none are kept. Calls are billed by your carrier.",
        "required_credits": 0,
        "available_credits": 0,
        "sufficient_balance": True,
    }
    started = await make_calls(client, tenant, list_id)
    scheduled = {"message": "Campaign calls scheduled", "bulk_list_id": list_id, "status": "scheduled"}
    assert (started.status_code, started.json()) == (200, scheduled)
    await refuses(await make_calls(client, tenant, list_id), "Campaign already started")


async def test_a_failed_list_says_why(client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore) -> None:
    list_id = await uploaded_list(client, tenant, "Mobile Number,Name,Company\nnobody,Ada,Acme\n")
    assert await verifier(store).verify_next()
    shown = await status(client, tenant, list_id)
    assert (shown["status"], shown["total_callees"], shown["percent"]) == ("failed", 0, 100)
    assert shown["failure"].startswith("No valid rows: none of the 1 rows is valid.")
    await refuses(await make_calls(client, tenant, list_id), "Bulk list is not ready to start.")
    await refuses(await terminate(client, tenant, {"campaign_id": list_id}), "No terminable calls found")
    deleted = await client.delete(f"{COMPATIBLE}/calling/contact/{list_id}", headers=tenant.headers)
    assert deleted.status_code == 200


async def test_what_the_start_says_replaces_what_the_upload_said(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    answer = await upload_csv(client, tenant, call_config=None, campaign_start_time=None, campaign_end_time=None)
    list_id = answer.json()["bulk_list_id"]
    assert await verifier(store).verify_next()
    changes = {
        "call_config": {"call_time": {"timezone": "UTC"}},
        "campaign_start_time": "05/03/2026, 10:00",
        "campaign_end_time": "31/03/2026, 20:00",
        "country_code": "+1",
        "concurrency_percentage": 30,
        "email_completion_user_ids": [],
    }
    assert (await make_calls(client, tenant, list_id, **changes)).status_code == 200
    campaign = (await client.get(f"{NATIVE}/campaigns/{list_id}", headers=tenant.headers)).json()
    assert campaign["starts_at"] == "2026-03-05T10:00:00+00:00"
    assert campaign["ends_at"] == "2026-03-31T20:00:00+00:00"
    assert (campaign["weight"], campaign["concurrency_percentage"]) == (10, 30)


@pytest.mark.parametrize("level", ["campaign", "agent", "numbers", "numbers of the campaign"])
async def test_an_order_while_it_is_verified(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore, level: str
) -> None:
    list_id = await uploaded_list(client, tenant)
    numbers = ["+14155550101"]
    selectors: dict[str, dict[str, Any]] = {
        "campaign": {"campaign_id": list_id},
        "agent": {"agent_id": tenant.agent_id},
        "numbers": {"mobile_numbers": numbers},
        "numbers of the campaign": {"campaign_id": list_id, "mobile_numbers": numbers},
    }
    preview = await client.post(f"{NATIVE}/terminations/preview", headers=tenant.headers, json=selectors[level])
    assert (preview.json()["terminable_count"], preview.json()["is_verifying"]) == (0, True)
    answer = await terminate(client, tenant, selectors[level])
    assert (answer.status_code, answer.json()) == (200, TERMINATED)
    ends_all = level in {"campaign", "agent"}
    assert (await status(client, tenant, list_id))["status"] == ("terminated" if ends_all else "verifying")
    assert await verifier(store).verify_next()
    shown = await status(client, tenant, list_id)
    assert (shown["status"], shown["total_callees"]) == ("terminated" if ends_all else "draft", 3)
    cancelled = (await history(client, tenant, status="cancelled", bulk_list_id=list_id))["calls"]
    assert {call["to_number"] for call in cancelled} >= set(numbers)
    assert len(cancelled) == (3 if ends_all else 1)


async def test_bad_uploads(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    table: list[tuple[dict[str, Any], str | bytes, str]] = [
        *[
            ({name: None}, CONTACTS, f"Missing required field: {name}")
            for name in ("agent_id", "campaign_name", "country_code", "variables_map")
        ],
        ({"agent_id": NO_ID}, CONTACTS, "agent_id: Invalid UUID"),
        ({"agent_id": str(uuid4())}, CONTACTS, "Invalid agent_id."),
        ({"campaign_name": " "}, CONTACTS, "campaign_name must have"),
        ({"country_code": "+999999"}, CONTACTS, "country_code"),
        ({"variables_map": "{"}, CONTACTS, "variables_map is not JSON"),
        ({"variables_map": '{"a": 1}'}, CONTACTS, "variables_map"),
        ({"variables_map": '{"a": "Absent"}'}, CONTACTS, "Invalid CSV file or variable mapping. line 1: variables_map"),
        ({"variables_map": json.dumps({"a": "x" * 7_000})}, CONTACTS, "Invalid CSV file or variable mapping."),
        ({"call_config": "7"}, CONTACTS, "call_config must be an object"),
        ({"campaign_start_time": "tomorrow"}, CONTACTS, "campaign_start_time must be"),
        ({"campaign_end_time": "04/01/2026, 10:00"}, CONTACTS, "campaign_end_time must be after the start"),
        ({"remove_invalid_rows": "true"}, CONTACTS, "unknown field: remove_invalid_rows"),
        ({}, "", "Invalid CSV file or variable mapping."),
        ({}, "Name,Company\nAda,Acme\n", "the column 'Mobile Number' is missing"),
        ({}, b"PK\x03\x04 and so on", "Invalid CSV file or variable mapping. the file is a spreadsheet"),
        ({}, b"\xff\xfeM\x00", "UTF-16"),
    ]
    for changes, csv, text in table:
        await refuses(await upload_csv(client, tenant, csv, **changes), text)
    await refuses(await upload_csv(client, tenant, b"x" * 300_000), "larger than 262144 bytes", 413)
    page = (await client.get(f"{COMPATIBLE}/campaign/all", headers=tenant.headers)).json()
    assert page["pagination"]["total"] == 0


async def test_bad_starts(client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore) -> None:
    list_id = await uploaded_list(client, tenant, CONTACTS + "+12025550100,Us,Ours\n")
    assert await verifier(store).verify_next()
    one_of = "Provide exactly one of: from_numbers, number_pool_id"
    pool = str(uuid4())
    table: list[tuple[dict[str, Any], str, int]] = [
        ({"from_numbers": None}, one_of, 422),
        ({"from_numbers": []}, one_of, 422),
        ({"number_pool_id": pool}, one_of, 422),
        ({"from_numbers": None, "number_pool_id": pool}, "Number pool not found.", 400),
        ({"agent_id": None}, "Missing required field: agent_id", 400),
        ({"agent_id": str(uuid4())}, "Invalid agent_id.", 400),
        ({"bulk_list_id": None}, "Missing required field: bulk_list_id", 400),
        ({"bulk_list_id": NO_ID}, "bulk_list_id: Invalid UUID", 400),
        ({"bulk_list_id": str(uuid4())}, "Campaign not found", 404),
        ({"from_numbers": ["+14155550142"]}, "from_numbers[0] is not a number of this", 400),
        ({}, "+12025550100, which the campaign calls (line 5 of the upload)", 400),
        ({"concurrency_percentage": 101}, "concurrency_percentage: Expected `float` <= 100", 400),
        ({"concurrency_percentage": -1}, "concurrency_percentage: Expected `float` >= 0", 400),
        ({"email_completion_user_ids": ["u"]}, "email_completion_user_ids is not supported yet", 400),
        ({"country_code": "+999999"}, "country_code", 400),
        ({"call_config": []}, "call_config: Expected `object", 400),
        ({"call_config": {"call_time": {"timezone": "Mars"}}}, "call_config.call_time.timezone", 400),
        ({"campaign_start_time": "soon"}, "campaign_start_time must be", 400),
        ({"campaign_end_time": "01/01/2026, 10:00"}, "campaign_end_time must be", 400),
        ({"when": "now"}, "unknown field: when", 400),
    ]
    for changes, text, status_code in table:
        await refuses(await make_calls(client, tenant, list_id, **changes), text, status_code)
    campaign = (await client.get(f"{NATIVE}/campaigns/{list_id}", headers=tenant.headers)).json()
    assert (campaign["status"], campaign["starts_at"]) == ("draft", "2026-01-05T10:00:00+00:00")


async def test_lists_that_are_not_there(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    saved = await saved_campaign(client, tenant)
    deleted = await uploaded_list(client, tenant)
    answer = await client.delete(f"{COMPATIBLE}/calling/contact/{deleted}", headers=tenant.headers)
    assert (answer.status_code, "X-Termination-Id" in answer.headers) == (200, True)
    for list_id in (saved, deleted, str(uuid4())):
        for method, path in (("GET", "upload-status"), ("POST", "check-balance")):
            address = f"{COMPATIBLE}/campaign/{path}/{list_id}"
            await refuses(await client.request(method, address, headers=tenant.headers), "Bulk list not found", 404)
    await refuses(await make_calls(client, tenant, deleted), "Campaign not found", 404)
    for path in ("upload-status", "check-balance"):
        method = "GET" if path == "upload-status" else "POST"
        address = f"{COMPATIBLE}/campaign/{path}/{NO_ID}"
        await refuses(await client.request(method, address, headers=tenant.headers), "bulk_list_id: Invalid UUID")


async def test_an_archived_agent_takes_no_list(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    list_id = await uploaded_list(client, tenant)
    archived = await client.delete(f"{COMPATIBLE}/agent/{tenant.agent_id}", headers=tenant.headers)
    assert archived.status_code == 200
    await refuses(await upload_csv(client, tenant), "Invalid agent_id.")
    assert await verifier(store).verify_next()
    await refuses(await make_calls(client, tenant, list_id), "Invalid agent_id.")
    answer = await terminate(client, tenant, {"agent_id": tenant.agent_id})
    assert answer.json() == TERMINATED
