"""``/api/v1/erasures``: what is asked, what is refused before anything is touched, and what is answered."""

from typing import Any

import httpx2
import pytest

from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import NATIVE, Tenant, history, registered_call

ROUTE = f"{NATIVE}/erasures"
ADA = "+14155550111"


async def test_an_erasure_ends_what_waits_and_says_how_far_it_is(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    await registered_call(client, tenant, mobile_number=ADA)
    body = {"mobile_numbers": [ADA, ADA], "reason": "they asked"}
    answer = await client.post(ROUTE, headers=tenant.headers, json=body)
    assert answer.status_code == 202, answer.text
    ordered = answer.json()
    assert (ordered["state"], ordered["percent"], ordered["suppress"]) == ("waiting", 0, True)
    assert (ordered["masked_numbers"], ordered["suppressed_count"]) == (["+1415…11"], 1)
    assert ADA not in answer.text
    receipt = await client.get(f"{NATIVE}/terminations/{ordered['termination_id']}", headers=tenant.headers)
    assert receipt.json()["counts"]["cancelled"] == 1
    assert [call["status"] for call in (await history(client, tenant))["calls"]] == ["cancelled"]
    read = await client.get(f"{ROUTE}/{ordered['erasure_id']}", headers=tenant.headers)
    assert read.json() == ordered
    page = (await client.get(ROUTE, headers=tenant.headers, params={"limit": 1})).json()
    assert (page["erasures"], page["next_cursor"]) == ([ordered], ordered["erasure_id"])
    rest = await client.get(ROUTE, headers=tenant.headers, params={"cursor": page["next_cursor"]})
    assert rest.json() == {"erasures": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("body", "field", "position"),
    [
        ({}, "mobile_numbers", None),
        ({"mobile_numbers": None}, "mobile_numbers", None),
        ({"mobile_numbers": []}, "mobile_numbers", None),
        ({"mobile_numbers": ADA}, "mobile_numbers", None),
        ({"mobile_numbers": [ADA, "4155550111"]}, "mobile_numbers", 1),
        ({"mobile_numbers": [ADA] * 101}, "mobile_numbers", None),
        ({"mobile_numbers": [ADA], "suppress": "no"}, "suppress", None),
        ({"mobile_numbers": [ADA], "reason": 7}, "reason", None),
        ({"mobile_numbers": [ADA], "reason": "r" * 501}, "reason", None),
        ({"mobile_numbers": [ADA], "campaign_id": "x"}, "campaign_id", None),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_done(
    client: httpx2.AsyncClient, tenant: Tenant, body: Any, field: str, position: int | None
) -> None:
    answer = await client.post(ROUTE, headers=tenant.headers, json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["field"], error["position"]) == (field, position)
    assert (await client.get(ROUTE, headers=tenant.headers)).json()["erasures"] == []
    listed = await client.get(f"{NATIVE}/suppressions", headers=tenant.headers)
    assert listed.json()["total_count"] == 0


async def test_an_erasure_that_does_not_exist_is_not_found(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    unknown = "01a2163a-b83b-7910-a3fc-c086cebc9022"
    answer = await client.get(f"{ROUTE}/{unknown}", headers=tenant.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert (await client.get(f"{ROUTE}/ada", headers=tenant.headers)).status_code == 400


async def test_a_schema_of_the_release_before_says_that_it_must_wait(
    client: httpx2.AsyncClient, store: PostgresStore, tenant: Tenant
) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute("DROP TABLE erasure")
    answer = await client.post(ROUTE, headers=tenant.headers, json={"mobile_numbers": [ADA]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
    listed = await client.get(f"{NATIVE}/suppressions", headers=tenant.headers)
    assert listed.json()["total_count"] == 0
