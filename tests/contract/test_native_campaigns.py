"""``/api/v1/campaigns``: what is shown of campaigns, page by page, and what may be done with a started one."""

from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import httpx2
import pytest

from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import COMPATIBLE, NATIVE, Tenant, saved_campaign, start, terminate
from tests.contract.test_native_terminations import receipt, sweep

pytestmark = pytest.mark.anyio

CAMPAIGNS = f"{NATIVE}/campaigns"
NOTHING = {"total": 3} | dict.fromkeys(
    ["registered", "ongoing", "retry", "completed", "failed", "error", "cancelled"], 0
)


async def read(client: httpx2.AsyncClient, tenant: Tenant, campaign_id: str) -> dict[str, Any]:
    answer = await client.get(f"{CAMPAIGNS}/{campaign_id}", headers=tenant.headers)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def do(client: httpx2.AsyncClient, tenant: Tenant, campaign_id: str, verb: str) -> httpx2.Response:
    return await client.post(f"{CAMPAIGNS}/{campaign_id}/{verb}", headers=tenant.headers)


async def started_campaign(client: httpx2.AsyncClient, tenant: Tenant) -> str:
    list_id = await saved_campaign(client, tenant)
    answer = await start(client, tenant, list_id)
    assert answer.status_code == 200, answer.text
    # The clock of these tests stands before the database's: the start is in the past.
    return list_id


async def test_the_life_of_a_campaign(client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore) -> None:
    campaign_id = await started_campaign(client, tenant)
    shown = await read(client, tenant, campaign_id)
    assert shown == {
        "campaign_id": campaign_id,
        "agent_id": tenant.agent_id,
        "name": "Spring",
        "status": "ongoing",
        "calling_numbers": [tenant.number],
        "number_pool_id": None,
        "starts_at": "2026-01-05T10:00:00+00:00",
        "ends_at": "2026-12-31T20:00:00+00:00",
        "created_at": ANY,
        "updated_at": ANY,
        "counts": NOTHING | {"registered": 3},
        "weight": 10,
        "concurrency_percentage": 100,
    }
    of_reading = ("counts", "weight", "concurrency_percentage")
    plain = {name: ANY if name == "updated_at" else value for name, value in shown.items() if name not in of_reading}
    paused = await do(client, tenant, campaign_id, "pause")
    assert (paused.status_code, paused.json()) == (200, plain | {"status": "paused"})
    listed = await client.get(f"{COMPATIBLE}/campaign/all", headers=tenant.headers)
    assert listed.json()["campaigns"][0]["campaign_status"] == "paused"
    resumed = await do(client, tenant, campaign_id, "resume")
    assert (resumed.status_code, resumed.json()) == (200, plain | {"status": "ongoing"})
    ended = await do(client, tenant, campaign_id, "end")
    assert (ended.status_code, ended.json()) == (200, plain | {"status": "completed", "termination_id": ANY})
    assert (await read(client, tenant, campaign_id))["counts"] == NOTHING | {"cancelled": 3}
    await sweep(store)
    assert (await read(client, tenant, campaign_id))["counts"] == NOTHING | {"cancelled": 3}
    settled = await receipt(client, tenant, ended.json()["termination_id"])
    assert (settled["state"], settled["counts"]["cancelled"], settled["api_key"]["name"]) == ("settled", 3, "test")


async def test_what_its_status_does_not_allow_is_409(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    draft = await saved_campaign(client, tenant)
    paused, terminated = await started_campaign(client, tenant), await started_campaign(client, tenant)
    assert (await do(client, tenant, paused, "pause")).status_code == 200
    assert (await terminate(client, tenant, {"campaign_id": terminated})).status_code == 200
    table = [
        (draft, "pause", "the campaign is draft: only a scheduled or ongoing campaign can be paused"),
        (draft, "end", "the campaign is draft: only a scheduled, ongoing or paused campaign can be ended"),
        (paused, "pause", "the campaign is paused: only a scheduled or ongoing campaign can be paused"),
        (terminated, "resume", "the campaign is terminated: only a paused campaign can be resumed"),
        (terminated, "end", "the campaign is terminated: only a scheduled, ongoing or paused campaign can be ended"),
    ]
    for campaign_id, verb, message in table:
        answer = await do(client, tenant, campaign_id, verb)
        error = {"code": "conflict", "message": message, "field": "campaign_id", "position": None}
        assert (answer.status_code, answer.json()) == (409, {"error": error})


async def test_a_started_campaign_of_the_older_routes_is_ended_by_an_order_while_it_is_paused(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    campaign_id = await started_campaign(client, tenant)
    await do(client, tenant, campaign_id, "pause")
    assert (await terminate(client, tenant, {"campaign_id": campaign_id})).status_code == 200
    shown = await read(client, tenant, campaign_id)
    assert (shown["status"], shown["counts"]) == ("terminated", NOTHING | {"cancelled": 3})
    again = await start(client, tenant, campaign_id)
    assert again.status_code == 200
    counts = (await read(client, tenant, campaign_id))["counts"]
    assert counts == NOTHING | {"total": 6, "cancelled": 3, "registered": 3}


async def test_pages_go_on_where_the_last_one_ended(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    made = [await saved_campaign(client, tenant) for _ in range(3)]
    seen: list[str] = []
    page: dict[str, Any] = {}
    query: dict[str, Any] = {"limit": 2}
    for _ in range(2):
        page = (await client.get(CAMPAIGNS, headers=tenant.headers, params=query)).json()
        seen += [campaign["campaign_id"] for campaign in page["campaigns"]]
        query["cursor"] = page["next_cursor"]
    assert seen == made[::-1]
    assert query["cursor"] is None
    assert page["campaigns"][0]["counts"] == NOTHING | {"registered": 3}


@pytest.mark.parametrize(
    ("path", "text", "status"),
    [
        ("?limit=0", "limit: Expected `int` >= 1", 400),
        ("?limit=1001", "limit: Expected `int` <= 1000", 400),
        ("?cursor=last", "cursor: Invalid UUID", 400),
        ("?status=draft", "unknown field: status", 400),
        ("/never", "campaign_id: Invalid UUID", 400),
        (f"/{uuid4()}", "Campaign not found", 404),
    ],
    ids=["no limit", "limit", "cursor", "unknown", "no id", "unknown id"],
)
async def test_bad_input(client: httpx2.AsyncClient, tenant: Tenant, path: str, text: str, status: int) -> None:
    answer = await client.get(CAMPAIGNS + path, headers=tenant.headers)
    assert answer.status_code == status
    assert text in answer.json()["error"]["message"]


@pytest.mark.parametrize("verb", ["pause", "resume", "end"])
async def test_an_unknown_campaign(client: httpx2.AsyncClient, tenant: Tenant, verb: str) -> None:
    answer = await do(client, tenant, str(uuid4()), verb)
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Campaign not found")


async def test_a_share_is_changed_field_by_field(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    campaign_id = await started_campaign(client, tenant)
    address, shown = f"{CAMPAIGNS}/{campaign_id}", await read(client, tenant, campaign_id)
    table: list[tuple[dict[str, Any], int, float]] = [
        ({"weight": 30}, 30, 100),
        ({"concurrency_percentage": 12.5}, 30, 12.5),
        ({"weight": 1, "concurrency_percentage": None}, 1, 12.5),
        ({"weight": 100, "concurrency_percentage": 100}, 100, 100),
    ]
    for body, weight, percentage in table:
        answer = await client.patch(address, headers=tenant.headers, json=body)
        changed = shown | {"weight": weight, "concurrency_percentage": percentage}
        assert (answer.status_code, answer.json()) == (200, changed)
        assert await read(client, tenant, campaign_id) == changed
    [listed] = (await client.get(CAMPAIGNS, headers=tenant.headers)).json()["campaigns"]
    assert (listed["weight"], listed["concurrency_percentage"]) == (100, 100)


async def test_a_share_that_cannot_be_changes_nothing(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    campaign_id = await started_campaign(client, tenant)
    table: list[tuple[dict[str, Any], str]] = [
        ({}, "give weight, concurrency_percentage or both"),
        ({"weight": None}, "give weight, concurrency_percentage or both"),
        ({"weight": 0}, "weight: Expected `int` >= 1"),
        ({"weight": 101, "concurrency_percentage": 50}, "weight: Expected `int` <= 100"),
        ({"weight": 1.5}, "weight: Expected `int"),
        ({"weight": "10"}, "weight: Expected `int"),
        ({"concurrency_percentage": 0}, "concurrency_percentage: Expected `float` > 0"),
        ({"concurrency_percentage": 100.1}, "concurrency_percentage: Expected `float` <= 100"),
        ({"concurrency_percentage": True}, "concurrency_percentage: Expected `float"),
        ({"weight": 20, "share": 1}, "unknown field: share"),
    ]
    for body, text in table:
        answer = await client.patch(f"{CAMPAIGNS}/{campaign_id}", headers=tenant.headers, json=body)
        assert answer.status_code == 400, body
        assert text in answer.json()["error"]["message"]
    shown = await read(client, tenant, campaign_id)
    assert (shown["weight"], shown["concurrency_percentage"]) == (10, 100)
    unknown = await client.patch(f"{CAMPAIGNS}/{uuid4()}", headers=tenant.headers, json={"weight": 20})
    assert (unknown.status_code, unknown.json()["error"]["message"]) == (404, "Campaign not found")


async def test_a_database_without_a_place_for_shares_says_what_to_do(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    campaign_id = await started_campaign(client, tenant)
    async with store.transaction() as tx:
        await tx.connection.execute("DROP TABLE campaign_share")
    assert (await read(client, tenant, campaign_id))["weight"] == 10
    answer = await client.patch(f"{CAMPAIGNS}/{campaign_id}", headers=tenant.headers, json={"weight": 20})
    assert answer.status_code == 409
    assert "apply the migrations that wait" in answer.json()["error"]["message"]
