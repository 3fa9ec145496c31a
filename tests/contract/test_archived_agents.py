"""An archived agent takes nothing new; what waits goes on and can be terminated; its history stays."""

from typing import Any

import httpx2

from ringoff.operations import agents
from ringoff.operations.agents import NewAgent
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import (
    COMPATIBLE,
    NATIVE,
    Tenant,
    call_individual,
    history,
    registered_call,
    save,
    saved_campaign,
    start,
    terminate,
)


async def archive(client: httpx2.AsyncClient, tenant: Tenant) -> httpx2.Response:
    return await client.delete(f"{COMPATIBLE}/agent/{tenant.agent_id}", headers=tenant.headers)


async def test_an_archived_agent_is_gone_for_everything_new(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    draft = await saved_campaign(client, tenant)
    number = {"operation": "attach_inbound_number", "agent_id": tenant.agent_id, "number_id": tenant.number_id}
    assert (await client.patch(f"{COMPATIBLE}/agent/v1", headers=tenant.headers, json=number)).status_code == 200
    answer = await archive(client, tenant)
    assert (answer.status_code, answer.json()) == (200, {"message": "Agent deleted successfully!"})

    listed = await client.get(f"{COMPATIBLE}/agent/all", headers=tenant.headers)
    assert listed.json()["data"]["agents"] == []
    numbers = await client.get(f"{COMPATIBLE}/workspace/numbers", headers=tenant.headers)
    assert [number["agent"] for number in numbers.json()["workspace_numbers"]] == [None]
    missing = {"detail": "Agent not found"}
    rename = {"operation": "edit_agent_display_name", "agent_id": tenant.agent_id, "agent_display_name": "x"}
    update = {"task": "x"}
    for method, path, body in (
        ("GET", f"/agent/{tenant.agent_id}", None),
        ("GET", f"/agent/v1/{tenant.agent_id}", None),
        ("DELETE", f"/agent/{tenant.agent_id}", None),
        ("PATCH", "/agent/v1", rename),
        ("PATCH", "/agent/v1", number),
        ("PATCH", f"/public/agent/{tenant.agent_id}", update),
    ):
        refused = await client.request(method, COMPATIBLE + path, headers=tenant.headers, json=body)
        assert (refused.status_code, "Agent not found" in refused.text) == (404, True), refused.text
    called = await call_individual(client, tenant)
    assert (called.status_code, called.json()["error"]["message"]) == (404, missing["detail"])
    for refused in (await save(client, tenant), await start(client, tenant, draft)):
        assert (refused.status_code, refused.json()) == (400, {"detail": "Invalid agent_id."})
    assert (await history(client, tenant))["total"] == 3


async def test_archiving_is_no_order(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    running, restarted = await saved_campaign(client, tenant), await saved_campaign(client, tenant)
    for list_id in (running, restarted):
        assert (await start(client, tenant, list_id)).status_code == 200
    assert (await terminate(client, tenant, {"campaign_id": restarted})).status_code == 200
    await registered_call(client, tenant)
    await archive(client, tenant)
    statuses = [call["status"] for call in (await history(client, tenant))["calls"]]
    assert sorted(statuses) == ["cancelled"] * 3 + ["registered"] * 4, "what waited still waits"
    assert (await history(client, tenant))["calls"][0]["agent"]["agent_name"] == "ours agent"
    handling = {"kind": "media_url", "target": "wss://agent.example.com"}
    path = f"{NATIVE}/agents/{tenant.agent_id}/handling"
    assert (await client.put(path, headers=tenant.headers, json=handling)).status_code == 200
    assert (await client.get(path, headers=tenant.headers)).json()["kind"] == "media_url"
    assert (await start(client, tenant, restarted)).json() == {"detail": "Invalid agent_id."}

    assert (await terminate(client, tenant, {"agent_id": tenant.agent_id})).status_code == 200
    assert {call["status"] for call in (await history(client, tenant))["calls"]} == {"cancelled"}


async def test_another_agent_of_the_workspace_is_not_touched(
    client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore
) -> None:
    other = await agents.create_agent(store, tenant.principal, NewAgent("other", "outbound", "en-US", (), {}))
    await archive(client, tenant)
    listed: Any = (await client.get(f"{COMPATIBLE}/agent/all", headers=tenant.headers)).json()
    assert [agent["id"] for agent in listed["data"]["agents"]] == [str(other.agent_id)]
    assert (await call_individual(client, tenant, agent_id=str(other.agent_id))).status_code == 200
