"""``/api/v1/subscriptions``: who wants to hear of what."""

import httpx2

from tests.contract.tenants import NATIVE, Tenant

LIST = f"{NATIVE}/subscriptions"


async def test_a_subscription_is_replaced_as_a_whole(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    async def put(**body: object) -> httpx2.Response:
        return await client.put(LIST, headers=tenant.headers, json=body)

    both = await put(event_types=["termination_settled", "call_completed", "call_completed"])
    assert [(row["agent_id"], row["event_type"]) for row in both.json()["subscriptions"]] == [
        (None, "call_completed"),
        (None, "termination_settled"),
    ]
    made_at = both.json()["subscriptions"][0]["created_at"]
    one = await put(event_types=["call_completed"])
    assert [row["created_at"] for row in one.json()["subscriptions"]] == [made_at], "what stays, stays untouched"
    of_agent = await put(event_types=["call_completed"], agent_id=tenant.agent_id)
    assert len(of_agent.json()["subscriptions"]) == 2
    await put(event_types=[])
    left = (await client.get(LIST, headers=tenant.headers)).json()["subscriptions"]
    assert [row["agent_id"] for row in left] == [tenant.agent_id]


async def test_a_bad_subscription_is_refused(client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant) -> None:
    for body, status, field in [
        ({"event_types": ["call_ended"]}, 400, "event_types"),
        ({"event_types": ["termination_settled"], "agent_id": tenant.agent_id}, 400, "event_types"),
        ({"event_types": ["call_completed"], "agent_id": stranger.agent_id}, 404, "agent_id"),
        ({}, 400, "event_types"),
    ]:
        answer = await client.put(LIST, headers=tenant.headers, json=body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (status, field), body
