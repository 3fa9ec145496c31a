"""``/api/v1/terminations``: preview, orders with their options, idempotency, receipts."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from ringoff.dispatch.supervisor import Supervisor
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import (
    COMPATIBLE,
    NATIVE,
    Tenant,
    history,
    registered_call,
    saved_campaign,
    start,
    terminate,
)
from tests.support.carriers import ScriptedCarrier
from tests.support.virtual_clock import VirtualClock

ORDERS = f"{NATIVE}/terminations"
NUMBERS = ["+14155550101", "+14155550102"]


async def give(client: httpx2.AsyncClient, tenant: Tenant, body: Any, key: str | None = None) -> httpx2.Response:
    headers = tenant.headers | ({} if key is None else {"Idempotency-Key": key})
    return await client.post(ORDERS, headers=headers, json=body)


async def preview(client: httpx2.AsyncClient, tenant: Tenant, body: Any) -> dict[str, Any]:
    answer = await client.post(f"{ORDERS}/preview", headers=tenant.headers, json=body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def receipt(client: httpx2.AsyncClient, tenant: Tenant, termination_id: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"{ORDERS}/{termination_id}", headers=tenant.headers, params=query)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def sweep(store: PostgresStore) -> None:
    supervisor = Supervisor(store=store, driver=ScriptedCarrier(), clock=VirtualClock())
    while await supervisor.sweeper.sweep() is not None:
        pass


async def test_a_preview_says_what_the_order_then_does(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    list_id = await saved_campaign(client, tenant)
    await registered_call(client, tenant, mobile_number=NUMBERS[0])
    shown = await preview(client, tenant, {"agent_id": tenant.agent_id})
    assert shown["level"] == "agent"
    assert shown["terminable_count"] == 4
    assert shown["counts"] == {"registered": 4, "retry": 0, "ongoing": 0}
    assert shown["campaign_count"] == 2
    assert [(row["campaign_id"], row["counts"]["registered"]) for row in shown["by_campaign"]] == [
        (list_id, 3),
        (None, 1),
    ]
    assert [(row["agent_id"], row["counts"]["registered"]) for row in shown["by_agent"]] == [(tenant.agent_id, 4)]
    assert len(shown["sample"]) == 4
    assert {call["status"] for call in shown["sample"]} == {"registered"}

    given = await give(client, tenant, {"agent_id": tenant.agent_id, "reason": "wrong prompt"})
    assert given.status_code == 202
    order = given.json()
    assert given.headers["X-Termination-Id"] == order["termination_id"]
    assert (order["state"], order["reason"], order["level"]) == ("settling", "wrong prompt", "agent")
    assert order["selector"] == {"agent_id": tenant.agent_id}
    assert order["api_key"]["name"] == "test"
    unsettled = await receipt(client, tenant, order["termination_id"])
    assert [call["status"] for call in unsettled["calls"]] == ["cancelled"] * 4

    await sweep(store)
    settled = await receipt(client, tenant, order["termination_id"])
    assert settled["state"] == "settled"
    assert settled["counts"] == {"cancelled": 4, "left_ongoing": 0, "retry_barred": 0, "hung_up": 0, "suppressed": 0}
    assert settled["calls"] == unsettled["calls"]
    assert (await preview(client, tenant, {"agent_id": tenant.agent_id}))["terminable_count"] == 0
    refused = await give(client, tenant, {"agent_id": tenant.agent_id})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "nothing_terminable")


@pytest.mark.parametrize(
    "narrow",
    [
        lambda tenant, list_id, call_id: {"call_ids": [call_id]},
        lambda tenant, list_id, call_id: {"mobile_numbers": NUMBERS},
        lambda tenant, list_id, call_id: {"campaign_id": list_id, "mobile_numbers": NUMBERS},
        lambda tenant, list_id, call_id: {"campaign_id": list_id},
        lambda tenant, list_id, call_id: {"campaign_id": list_id, "agent_id": str(uuid4())},
        lambda tenant, list_id, call_id: {"agent_id": tenant.agent_id, "call_ids": [call_id, str(uuid4())]},
    ],
)
async def test_preview_and_order_cover_the_same(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore, narrow: Any
) -> None:
    list_id = await saved_campaign(client, tenant)
    call_id = await registered_call(client, tenant, mobile_number=NUMBERS[0])
    body = narrow(tenant, list_id, call_id)
    shown = await preview(client, tenant, body)
    given = await give(client, tenant, body)
    await sweep(store)
    if not shown["terminable_count"]:
        assert given.json()["error"]["code"] == "nothing_terminable"
        return
    order = await receipt(client, tenant, given.json()["termination_id"])
    assert order["counts"]["cancelled"] == shown["terminable_count"]
    assert {call["call_id"] for call in order["calls"]} == {call["call_id"] for call in shown["sample"]}


async def test_covered_calls_are_paged_while_settling_and_after(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    rows = "".join(f"+1415555{n:04},Ada,Acme\n" for n in range(1_000, 1_025))
    list_id = await saved_campaign(client, tenant, "Mobile Number,Name,Company\n" + rows)
    order = (await give(client, tenant, {"campaign_id": list_id})).json()
    for _ in range(2):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await receipt(client, tenant, order["termination_id"], limit=10, **cursor)
            seen += [call["call_id"] for call in page["calls"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert len(seen) == len(set(seen)) == 25
        assert seen == sorted(seen)
        await sweep(store)


async def test_receipts_are_listed_newest_first_and_found_by_the_header_of_the_compatible_route(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    ids = []
    for number in ("+14155550111", "+14155550112", "+14155550113"):
        call_id = await registered_call(client, tenant, mobile_number=number)
        given = await terminate(client, tenant, {"call_ids": [call_id]})
        ids.append(given.headers["X-Termination-Id"])
    first = (await client.get(ORDERS, headers=tenant.headers, params={"limit": 2})).json()
    assert [order["termination_id"] for order in first["terminations"]] == ids[:0:-1]
    rest = await client.get(ORDERS, headers=tenant.headers, params={"limit": 2, "cursor": first["next_cursor"]})
    assert [order["termination_id"] for order in rest.json()["terminations"]] == ids[:1]
    assert rest.json()["next_cursor"] is None
    assert (await client.get(ORDERS, headers=tenant.headers, params={"state": "settling"})).json() == {
        "terminations": [],
        "next_cursor": None,
    }
    assert (await receipt(client, tenant, ids[0]))["counts"]["cancelled"] == 1


async def test_a_key_brings_the_first_answer_back(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    call_id = await registered_call(client, tenant)
    first = await give(client, tenant, {"call_ids": [call_id], "reason": "once"}, key="k-1")
    again = await give(client, tenant, {"reason": "once", "call_ids": [call_id]}, key="k-1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["X-Termination-Id"] == first.headers["X-Termination-Id"]
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    other = await give(client, tenant, {"call_ids": [call_id], "reason": "twice"}, key="k-1")
    assert (other.status_code, other.json()["error"]["code"], other.json()["error"]["field"]) == (
        409,
        "conflict",
        "Idempotency-Key",
    )
    assert len((await client.get(ORDERS, headers=tenant.headers)).json()["terminations"]) == 1


async def test_a_key_on_the_compatible_route(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    call_id = await registered_call(client, tenant)

    async def order(body: Any, path: str = "") -> httpx2.Response:
        return await client.patch(
            f"{COMPATIBLE}/campaign/terminate{path}", headers=tenant.headers | {"Idempotency-Key": "k"}, json=body
        )

    first, again = await order({"call_ids": [call_id]}), await order({"call_ids": [call_id]}, "/calls")
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert again.headers["X-Termination-Id"] == first.headers["X-Termination-Id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await order({"agent_id": tenant.agent_id})
    assert (other.status_code, set(other.json())) == (400, {"detail"})
    assert "Idempotency-Key" in other.json()["detail"]
    native = await give(client, tenant, {"call_ids": [call_id]}, key="k")
    assert native.status_code == 409, "the answers of the two families differ"


async def test_a_refused_order_leaves_its_key_free(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    body = {"agent_id": tenant.agent_id}
    assert (await give(client, tenant, body, key="k")).status_code == 400
    await registered_call(client, tenant)
    assert (await give(client, tenant, body, key="k")).status_code == 202


async def test_a_key_expires_after_a_day(client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore) -> None:
    first = await give(client, tenant, {"call_ids": [await registered_call(client, tenant)]}, key="k")
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE idempotency_key SET created_at = created_at - interval '24 hours'")
    second = await give(client, tenant, {"call_ids": [await registered_call(client, tenant)]}, key="k")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["termination_id"] != second.json()["termination_id"]


async def test_of_many_equal_orders_with_one_key_one_is_given_and_the_others_are_told_so(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    list_id = await saved_campaign(client, tenant)
    answers = await asyncio.gather(*(give(client, tenant, {"campaign_id": list_id}, key="k") for _ in range(16)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 15


async def test_of_64_equal_orders_without_a_key_one_is_given_and_the_others_are_refused(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    list_id = await saved_campaign(client, tenant)
    answers = await asyncio.gather(*(terminate(client, tenant, {"campaign_id": list_id}) for _ in range(64)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 63


async def test_an_order_that_suppresses_keeps_the_next_upload_from_ringing(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    await registered_call(client, tenant, mobile_number=NUMBERS[0])
    body = {"mobile_numbers": NUMBERS, "suppress": True, "reason": "asked to"}
    given = (await give(client, tenant, body)).json()
    assert given["counts"]["suppressed"] == 2
    page = (await client.get(f"{NATIVE}/suppressions", headers=tenant.headers)).json()
    assert [(row["mobile_number"], row["reason"], row["termination_id"]) for row in page["suppressions"]] == [
        (number, "asked to", given["termination_id"]) for number in NUMBERS
    ]
    again = await give(client, tenant, body)
    assert again.json()["error"]["code"] == "nothing_terminable"
    assert "/api/v1/suppressions" in again.json()["error"]["message"]


async def test_a_refused_order_suppresses_nobody(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    refused = await give(client, tenant, {"mobile_numbers": NUMBERS, "suppress": True})
    assert refused.status_code == 400
    assert (await client.get(f"{NATIVE}/suppressions", headers=tenant.headers)).json()["total_count"] == 0


async def test_a_terminated_campaign_starts_again_with_new_calls(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    list_id = await saved_campaign(client, tenant)
    assert (await start(client, tenant, list_id)).status_code == 200
    order = (await give(client, tenant, {"campaign_id": list_id})).json()
    suppressed = {"mobile_numbers": ["+14155550103"]}
    await client.post(f"{NATIVE}/suppressions", headers=tenant.headers, json=suppressed)

    again = await start(client, tenant, list_id)
    assert again.status_code == 200, again.text
    calls = (await history(client, tenant, bulk_list_id=list_id, limit=100))["calls"]
    assert sorted(call["to_number"] for call in calls if call["status"] == "registered") == NUMBERS
    assert sum(call["status"] == "cancelled" for call in calls) == 3, "terminal means terminal"
    await sweep(store)
    assert (await receipt(client, tenant, order["termination_id"]))["counts"]["cancelled"] == 3
    assert (await preview(client, tenant, {"campaign_id": list_id}))["terminable_count"] == 2
    assert (await start(client, tenant, list_id)).json()["detail"] == "Campaign already started"


BAD_ORDERS = [
    ({"campaign_id": str(uuid4()), "reason": "x" * 501}, "reason"),
    ({"campaign_id": str(uuid4()), "reason": 7}, "reason"),
    ({"campaign_id": str(uuid4()), "suppress": True}, "suppress"),
    ({"mobile_numbers": NUMBERS, "suppress": "yes"}, "suppress"),
    ({"campaign_id": str(uuid4()), "ongoing": "kill"}, "ongoing"),
    ({"campaign_id": str(uuid4()), "ongoing": ["hangup"]}, "ongoing"),
    ({"campaign": str(uuid4())}, "campaign"),
    ({"mobile_numbers": [NUMBERS[0], "0415"]}, "mobile_numbers"),
    ({"reason": "nothing else"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("body", "field"), BAD_ORDERS)
@pytest.mark.parametrize("path", ["", "/preview"])
async def test_order_and_preview_refuse_the_same(
    client: httpx2.AsyncClient, tenant: Tenant, body: dict[str, Any], field: str | None, path: str
) -> None:
    answer = await client.post(ORDERS + path, headers=tenant.headers, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "invalid_parameter", field)
    assert field is None or field in error["message"]
    assert error["position"] == (1 if field == "mobile_numbers" else None)


@pytest.mark.parametrize("key", ["", "x" * 256, "sm\xf8rrebr\xf8d"])
async def test_a_bad_key_is_refused_and_nothing_happens(client: httpx2.AsyncClient, tenant: Tenant, key: str) -> None:
    call_id = await registered_call(client, tenant)
    for method, path in (("POST", ORDERS), ("PATCH", f"{COMPATIBLE}/campaign/terminate")):
        headers = {b"X-API-KEY": tenant.key.encode(), b"Idempotency-Key": key.encode("latin-1")}
        answer = await client.request(method, path, headers=headers, json={"call_ids": [call_id]})
        assert answer.status_code == 400
        assert "Idempotency-Key" in answer.text
    assert (await preview(client, tenant, {"call_ids": [call_id]}))["terminable_count"] == 1


@pytest.mark.parametrize("field", ["ongoing", "reason", "suppress"])
async def test_the_compatible_route_says_where_native_fields_go(
    client: httpx2.AsyncClient, tenant: Tenant, field: str
) -> None:
    body = {"agent_id": tenant.agent_id, field: {"ongoing": "hangup", "reason": "r", "suppress": True}[field]}
    answer = await terminate(client, tenant, body)
    assert answer.status_code == 400
    assert field in answer.json()["detail"]
    assert "/api/v1/terminations" in answer.json()["detail"]
