"""Where events go, the log of their deliveries and callbacks of requests: both clients against a real HTTP server."""

from typing import Any

import pytest

from ringoff.client import BadRequest
from ringoff.client.native_answers import Delivery
from tests.client.asking import Asker, Script, json_answer, save, start_call
from tests.contract.tenants import Tenant

HOOK = "https://hook.example/events"
CALLBACK = "https://back.example/calls"


async def hook(ask: Asker, agent_id: str | None = None) -> str:
    made = await ask(
        lambda api: api.native.webhooks.set(event_type=["call_started"], callback_url=HOOK, agent_id=agent_id)
    )
    subscription_id: str = made[0].subscription_id
    return subscription_id


async def test_the_log_is_walked_by_its_cursor(ask: Asker, tenant: Tenant) -> None:
    subscription_id = await hook(ask)
    numbers = [f"+1415555{line:04}" for line in range(130, 135)]
    calls = [await ask(lambda api, to=number: start_call(api, tenant, to)) for number in numbers]  # type: ignore[misc]
    ids = [call.call_id for call in calls]
    walked: list[Delivery] = await ask(lambda api: api.native.webhooks.deliveries(page_size=2))
    assert [each.call_id for each in walked] == ids[::-1]
    newest = walked[0]
    assert (newest.state, newest.tries, newest.status) == ("pending", 0, None)
    assert (newest.event_type, newest.subscription_id) == ("call_started", subscription_id)
    assert newest.event_at is not None
    oldest_at = walked[-1].event_at
    queries: list[tuple[dict[str, Any], list[str]]] = [
        ({"call_id": ids[2]}, [ids[2]]),
        ({"subscription_id": subscription_id, "since": oldest_at, "state": "pending"}, ids[::-1]),
        ({"state": "dropped"}, []),
        ({"event_type": "call_completed"}, []),
        ({"since": "2999-01-01"}, []),
    ]
    for query, expected in queries:
        found = await ask(lambda api, query=query: api.native.webhooks.deliveries(**query))  # type: ignore[misc]
        assert [each.call_id for each in found] == expected, query
    with pytest.raises(BadRequest) as caught:
        await ask(lambda api: api.native.webhooks.deliveries(state="lost"))
    assert caught.value.field == "state"


async def test_a_delivery_without_an_answer_and_one_of_an_older_server_are_read(kind: str) -> None:
    refused = {
        "event_id": "7",
        "event_type": "call_completed",
        "subscription_id": "s",
        "call_id": None,
        "state": "dropped",
        "tries": 4,
        "status": None,
        "latency_ms": None,
        "excerpt": "connection refused",
        "event_at": "2026-01-05T10:00:00.000Z",
        "tried_at": "2026-01-05T10:03:10.000Z",
        "next_try_at": None,
    }
    bare = {"event_id": "6", "event_type": "call_started", "subscription_id": "s", "state": "pending"}
    script = Script(
        json_answer(200, {"deliveries": [refused], "next_cursor": "7.s"}),
        json_answer(503, {"error": {"code": "unavailable", "message": "away"}}),
        json_answer(200, {"deliveries": [bare], "next_cursor": None}),
    )
    first, second = await script.client(kind)(lambda api: api.native.webhooks.deliveries())
    assert (first.tries, first.status, first.excerpt) == (4, None, "connection refused")
    assert (second.tries, second.event_at, second.excerpt) == (0, None, None)
    assert [request.url.params.get("cursor") for request in script.asked] == [None, "7.s", "7.s"]


async def test_subscriptions_say_where_their_events_go(ask: Asker, tenant: Tenant) -> None:
    subscription_id = await hook(ask, tenant.agent_id)
    await ask(lambda api: api.native.subscribe(["call_completed"]))
    found = {each.event_type: each for each in await ask(lambda api: api.native.subscriptions())}
    sent, unsent = found["call_started"], found["call_completed"]
    assert (sent.subscription_id, sent.agent_id) == (subscription_id, tenant.agent_id)
    assert (sent.callback_url, sent.method_type, sent.paused_at, sent.alarm) == (HOOK, "POST", None, None)
    assert (unsent.agent_id, unsent.callback_url) == (None, None)


async def test_events_of_an_agent_are_edited_as_the_other_server_has_it(ask: Asker, tenant: Tenant) -> None:
    wish = {"event_type": ["call_started", "call_completed"], "callback_url": HOOK, "method_type": "PUT"}
    await ask(lambda api: api.agents.patch(tenant.agent_id, "edit_event_subscriptions", event_subscriptions=[wish]))
    read = await ask(lambda api: api.agents.get(tenant.agent_id, with_subscriptions=True))
    [entry] = read.event_subscriptions
    assert (sorted(entry.event_type), entry.callback_url, entry.method_type) == (
        ["call_completed", "call_started"],
        HOOK,
        "PUT",
    )


async def test_calls_and_starts_name_a_callback(ask: Asker, tenant: Tenant) -> None:
    async def origins() -> int:
        found = await ask(lambda api: api.native.subscriptions())
        return len([each for each in found if each.event_type == "status_callback"])

    args = {"headers": {"Content-Type": "application/json"}, "params": {"order": "7"}}
    await ask(lambda api: start_call(api, tenant, callback_url=CALLBACK, callback_args=args))
    assert await origins() == 1
    await ask(
        lambda api: api.calls.start_v1(
            name="Ada",
            mobile_number="+14155550112",
            agent_id=tenant.agent_id,
            from_number=tenant.number,
            callback_url="https://second.example/calls",
            callback_args=args,
        )
    )
    assert await origins() == 2
    for host, start in (("third", "start"), ("fourth", "start_v2")):
        saved = await ask(lambda api: save(api, tenant))
        fields = {"agent_id": tenant.agent_id, "list_id": saved.list_id, "from_numbers": [tenant.number]}
        fields["callback_url"] = f"https://{host}.example/calls"
        await ask(lambda api, start=start, fields=fields: getattr(api.campaigns, start)(**fields))  # type: ignore[misc]
    assert await origins() == 4
    with pytest.raises(BadRequest) as caught:
        await ask(lambda api: start_call(api, tenant, callback_url="ftp://back.example/"))
    assert caught.value.field == "callback_url"
