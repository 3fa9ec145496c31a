"""``/api/v1/webhooks/deliveries``: what became of each event for each subscriber, page by page."""

from typing import Any

import httpx2
import pytest

from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import NATIVE, Tenant, registered_call

LOG = f"{NATIVE}/webhooks/deliveries"
STARTED_URL, COMPLETED_URL = "https://hook.example/started", "https://hook.example/completed"


async def hook(client: httpx2.AsyncClient, tenant: Tenant, event_type: str, url: str) -> str:
    body = {"event_type": [event_type], "callback_url": url, "headers": {"Authorization": "Bearer secret"}}
    answer = await client.put(f"{NATIVE}/webhooks", headers=tenant.headers, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["webhooks"][0]["subscription_id"])


async def log(client: httpx2.AsyncClient, tenant: Tenant, **query: str) -> dict[str, Any]:
    answer = await client.get(LOG, headers=tenant.headers, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_log_says_how_far_each_event_has_come(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    subscription_id = await hook(client, tenant, "call_started", STARTED_URL)
    first, second = [await registered_call(client, tenant) for _ in range(2)]
    async with store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE webhook_delivery SET state = 'dropped', tries = 4, status = 500, latency_ms = 12, excerpt = 'no',"
            " tried_at = now() WHERE call_id = $1",
            first,
        )
    of_second, of_first = (await log(client, tenant))["deliveries"]
    shown = {name: of_first[name] for name in ("state", "tries", "status", "latency_ms", "excerpt", "next_try_at")}
    assert shown == {
        "state": "dropped",
        "tries": 4,
        "status": 500,
        "latency_ms": 12,
        "excerpt": "no",
        "next_try_at": None,
    }
    assert (of_first["call_id"], of_first["event_type"]) == (first, "call_started")
    assert of_first["subscription_id"] == subscription_id
    assert (of_second["state"], of_second["tries"], of_second["status"]) == ("pending", 0, None)
    assert of_second["next_try_at"] is not None
    for query, expected in (
        ({"state": "dropped"}, [first]),
        ({"call_id": second}, [second]),
        ({"call_id": second, "state": "dropped"}, []),
        ({"event_type": "call_completed"}, []),
        ({"subscription_id": subscription_id, "since": of_first["event_at"]}, [second, first]),
        ({"since": "2999-01-01"}, []),
    ):
        assert [each["call_id"] for each in (await log(client, tenant, **query))["deliveries"]] == expected, query


@pytest.mark.parametrize("by_call", [False, True])
async def test_pages_of_the_log_meet_without_gap_or_overlap(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore, by_call: bool
) -> None:
    """Two subscribers of the same events: of the workspace, and of the agent."""
    await hook(client, tenant, "call_started", STARTED_URL)
    body = {"event_type": ["call_started"], "callback_url": COMPLETED_URL, "agent_id": tenant.agent_id}
    await client.put(f"{NATIVE}/webhooks", headers=tenant.headers, json=body)
    calls = [await registered_call(client, tenant) for _ in range(3)]
    query = {"call_id": calls[0]} if by_call else {}
    whole = (await log(client, tenant, **query))["deliveries"]
    assert len(whole) == (2 if by_call else 6)
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await log(client, tenant, limit="1", **query, **cursor)
        paged += page["deliveries"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == whole


async def test_bad_filters_name_their_field(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    for query in (
        {"cursor": "7"},
        {"cursor": f"{'9' * 19}.{tenant.agent_id}"},
        {"state": "lost"},
        {"event_type": "call_ended"},
        {"subscription_id": "x"},
        {"call_id": "x"},
        {"since": "yesterday"},
        {"limit": "0"},
    ):
        answer = await client.get(LOG, headers=tenant.headers, params=query)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, next(iter(query))), answer.text


async def test_subscriptions_show_where_events_go_and_why_they_do_not(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant, store: PostgresStore
) -> None:
    subscription_id = await hook(client, tenant, "call_completed", COMPLETED_URL)
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE event_subscription SET paused_at = now(), alarm = 'keeps failing'")
    answer = await client.get(f"{NATIVE}/subscriptions", headers=tenant.headers)
    [shown] = answer.json()["subscriptions"]
    assert (shown["subscription_id"], shown["callback_url"]) == (subscription_id, COMPLETED_URL)
    assert (shown["method_type"], shown["alarm"]) == ("POST", "keeps failing")
    assert shown["paused_at"] is not None
    assert "secret" not in answer.text
    assert "whsec_" not in answer.text
    theirs = await client.get(f"{NATIVE}/subscriptions", headers=stranger.headers)
    assert theirs.json()["subscriptions"] == []


async def test_a_stranger_sees_nothing_of_the_log(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant, store: PostgresStore
) -> None:
    subscription_id = await hook(client, tenant, "call_started", STARTED_URL)
    call_id = await registered_call(client, tenant)
    assert len((await log(client, tenant))["deliveries"]) == 1
    for query in ({}, {"subscription_id": subscription_id}, {"call_id": call_id}):
        assert await log(client, stranger, **query) == {"deliveries": [], "next_cursor": None}
