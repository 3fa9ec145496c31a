"""``callback_url`` and ``callback_args`` of a request: its call is told of there, in the words of the older guide."""

from typing import Any

import httpx2
import pytest

from ringoff.domain.webhook_records import OpenSubscription
from ringoff.store.postgres import PostgresStore
from ringoff.webhooks.lane import WebhookLimits
from tests.contract.tenants import NATIVE, Tenant, call_individual, registered_call, saved_campaign, start, terminate
from tests.support.subscribers import Line, deliverer

URL = "https://hook.example/status?x=1"


async def delivered(store: PostgresStore, line: Line, limits: WebhookLimits | None = None) -> None:
    """Everything that is due, of everybody."""
    async with store.transaction() as tx:
        due: list[OpenSubscription] = list(await tx.webhooks.open())
    for subscription in due:
        await deliverer(store, line, limits or WebhookLimits()).drain(subscription)


async def test_a_call_is_told_of_where_its_request_said(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    args = {"headers": {"content-type": "application/vnd.x+json"}, "params": {"b": "ü", "n": 7, "t": True}}
    call_id = await registered_call(client, tenant, callback_url=URL, callback_args=args)
    await registered_call(client, tenant, mobile_number="+14155550112")
    assert (await terminate(client, tenant, {"agent_id": tenant.agent_id})).status_code == 200
    async with store.dispatch_transaction() as tx:
        fence = await tx.terminations.next_unsettled()
        assert fence is not None
        await tx.terminations.sweep(fence, 10)
    line = Line()
    await delivered(store, line)
    [(headers, said)] = line.sent
    assert line.urls == ["https://hook.example/status?x=1&b=%C3%BC&n=7&t=true"]
    assert headers == {"content-type": "application/vnd.x+json"}
    assert said == {
        "status": "success",
        "data": {
            "call_id": call_id,
            "call_direction": "outbound",
            "status": "cancelled",
            "call_duration": None,
            "recording_url": None,
            "transcript": "",
            "agent_id": tenant.agent_id,
            "retry": 0,
            "from_number": tenant.number,
            "to_number": "+14155550111",
            "custom_args_values": {"callee_name": "Ada", "mobile_number": "+14155550111"},
        },
        "message": "Call Details",
    }


async def test_each_call_of_a_campaign_is_told_of_where_its_start_said(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant, store: PostgresStore
) -> None:
    list_id = await saved_campaign(client, tenant)
    assert (await start(client, tenant, list_id, callback_url=URL)).status_code == 200
    numbers = ["+14155550101", "+14155550102"]
    await registered_call(client, stranger, mobile_number=numbers[0])
    assert (await terminate(client, stranger, {"mobile_numbers": numbers[:1]})).status_code == 200
    assert (await terminate(client, tenant, {"mobile_numbers": numbers})).status_code == 200
    line = Line()
    await delivered(store, line)
    told: list[Any] = [said["data"] for _, said in line.sent]
    assert sorted(call["to_number"] for call in told) == numbers
    assert line.urls == [URL, URL]


async def test_a_callback_is_tried_again_in_its_own_rhythm_and_leaves_subscriptions_alone(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    body = {"event_type": ["call_completed"], "callback_url": "https://other.example/"}
    assert (await client.put(f"{NATIVE}/webhooks", headers=tenant.headers, json=body)).status_code == 200
    call_id = await registered_call(client, tenant, callback_url=URL)
    assert (await terminate(client, tenant, {"call_ids": [call_id]})).status_code == 200
    line = Line(500)
    await delivered(store, line, WebhookLimits(backoff_s=(0.0,), callback_backoff_s=(0.0, 0.0, 0.0)))
    assert sorted(line.urls) == [URL] * 4 + ["https://other.example/"] * 2
    kept = await client.put(f"{NATIVE}/subscriptions", headers=tenant.headers, json={"event_types": []})
    [shown] = kept.json()["subscriptions"]
    assert (shown["event_type"], shown["callback_url"]) == ("status_callback", "https://hook.example")
    log = await client.get(f"{NATIVE}/webhooks/deliveries", headers=tenant.headers, params={"call_id": call_id})
    [of_callback] = log.json()["deliveries"]
    assert (of_callback["event_type"], of_callback["state"], of_callback["tries"]) == ("status_callback", "dropped", 4)


async def test_callbacks_to_one_host_share_a_subscription_and_there_are_so_many_hosts(
    client: httpx2.AsyncClient, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringoff.operations.status_callbacks.ORIGINS_MAX", 1)
    for url in (URL, "https://HOOK.example/other"):
        await registered_call(client, tenant, callback_url=url)
    refused = await call_individual(client, tenant, callback_url="https://second.example/")
    assert (refused.status_code, "callback_url names a new host" in refused.text) == (400, True)
    page = await client.get(f"{NATIVE}/calls", headers=tenant.headers)
    assert len(page.json()["calls"]) == 2, "nothing is registered by what is refused"
