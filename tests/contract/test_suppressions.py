"""``/api/v1/suppressions``: one by one, as CSV in and out, and every mistake with its place."""

from typing import Any

import httpx2
import pytest

from tests.contract.tenants import NATIVE, Tenant

LIST = f"{NATIVE}/suppressions"


async def add(client: httpx2.AsyncClient, tenant: Tenant, *numbers: str, **more: Any) -> httpx2.Response:
    return await client.post(LIST, headers=tenant.headers, json={"mobile_numbers": list(numbers)} | more)


async def upload(client: httpx2.AsyncClient, tenant: Tenant, csv: str, **fields: str) -> httpx2.Response:
    return await client.post(
        f"{LIST}/import",
        headers=tenant.headers,
        data={"country_code": "+1"} | fields,
        files={"file": ("numbers.csv", csv.encode(), "text/csv")},
    )


async def listed(client: httpx2.AsyncClient, tenant: Tenant, **query: Any) -> list[str]:
    answer = await client.get(LIST, headers=tenant.headers, params=query)
    assert answer.status_code == 200, answer.text
    return [row["mobile_number"] for row in answer.json()["suppressions"]]


async def test_numbers_are_added_once_and_removed(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    first = await add(client, tenant, "+14155550102", "+14155550101", "+14155550101", reason="asked to")
    assert (first.status_code, first.json()) == (201, {"added_count": 2})
    assert (await add(client, tenant, "+14155550102")).json() == {"added_count": 0}
    assert await listed(client, tenant) == ["+14155550101", "+14155550102"]
    assert await listed(client, tenant, mobile_number="+14155550102") == ["+14155550102"]
    gone = await client.delete(f"{LIST}/+14155550101", headers=tenant.headers)
    assert gone.status_code == 204
    assert (await client.delete(f"{LIST}/%2B14155550101", headers=tenant.headers)).status_code == 404
    assert await listed(client, tenant) == ["+14155550102"]


async def test_the_list_is_paged(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    numbers = [f"+1415555{n:04}" for n in range(1_000, 1_007)]
    await add(client, tenant, *numbers)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await client.get(LIST, headers=tenant.headers, params={"limit": 3, "cursor": cursor})).json()
        assert page["total_count"] == 7
        seen += [row["mobile_number"] for row in page["suppressions"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert seen == numbers


async def test_what_is_exported_can_be_imported_by_another(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant
) -> None:
    await add(client, tenant, "+14155550101", "+14155550102", reason='=HYPERLINK("x")')
    exported = await client.get(f"{LIST}/export", headers=tenant.headers)
    assert exported.headers["content-type"].startswith("text/csv")
    lines = exported.text.splitlines()
    assert lines[0] == "Mobile Number,Reason,Created At"
    assert len(lines) == 3
    assert "'=HYPERLINK" in lines[1], "a spreadsheet must not run what somebody gave as a reason"
    imported = await upload(client, stranger, exported.text)
    assert imported.status_code == 201
    assert imported.json() == {"added_count": 2, "total_rows": 2, "successful_rows": 2, "failed_rows": 0}
    assert await listed(client, stranger) == ["+14155550101", "+14155550102"]


async def test_an_import_follows_the_rules_of_an_upload(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    messy = "Name,Phone\nAda,(415) 555-0101\nBob,nonsense\nCy,+1 415 555 0101\nDee,4155550104\n"
    refused = await upload(client, tenant, messy, number_column="Phone")
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert (error["field"], error["position"]) == ("file", 3)
    assert "'Phone'" in error["message"]
    assert await listed(client, tenant) == [], "all or nothing"
    taken = await upload(client, tenant, messy, number_column="Phone", remove_invalid_rows="true", reason="list of may")
    assert taken.json() == {"added_count": 2, "total_rows": 4, "successful_rows": 2, "failed_rows": 2}
    assert await listed(client, tenant) == ["+14155550101", "+14155550104"]


@pytest.mark.parametrize(
    ("csv", "fields"),
    [
        ("Phone\n+14155550101\n", {}),
        ("Mobile Number\n", {}),
        ("Mobile Number\n+14155550101\n", {"country_code": "nowhere"}),
        ("Mobile Number\n+14155550101\n", {"reason": "x" * 501}),
        ("Mobile Number\n+14155550101\n", {"colour": "red"}),
    ],
)
async def test_a_bad_import_is_refused(
    client: httpx2.AsyncClient, tenant: Tenant, csv: str, fields: dict[str, str]
) -> None:
    answer = await upload(client, tenant, csv, **fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["field"] is not None
    assert await listed(client, tenant) == []


@pytest.mark.parametrize(
    ("body", "field", "position"),
    [
        ({"mobile_numbers": ["+14155550101", "12"]}, "mobile_numbers", 1),
        ({"mobile_numbers": []}, "mobile_numbers", None),
        ({"mobile_numbers": [f"+1415555{n:04}" for n in range(101)]}, "mobile_numbers", None),
        ({"reason": "none"}, "mobile_numbers", None),
        ({"mobile_numbers": ["+14155550101"], "reason": "x" * 501}, "reason", None),
        ({"mobile_numbers": ["+14155550101"], "reason": 1}, "reason", None),
        ({"mobile_numbers": ["+14155550101"], "call_ids": []}, "call_ids", None),
    ],
)
async def test_a_bad_request_names_field_and_position(
    client: httpx2.AsyncClient, tenant: Tenant, body: dict[str, Any], field: str, position: int | None
) -> None:
    answer = await client.post(LIST, headers=tenant.headers, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["field"], error["position"]) == (400, field, position)
    assert await listed(client, tenant) == []
