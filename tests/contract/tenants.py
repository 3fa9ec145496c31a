"""Tenants and a client for the contract tests: two workspaces that have everything, on one application."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2

from ringoff.api.app import DEFAULT_DRIVERS
from ringoff.domain.workspace import Principal
from ringoff.operations import agents, numbers, trunks, workspaces
from ringoff.operations.agents import NewAgent
from ringoff.store.postgres import PostgresStore

COMPATIBLE = "/ca/api/v0"
NATIVE = "/api/v1"
CONTACTS = "Mobile Number,Name,Company\n+14155550101,Ada,Acme\n+14155550102,Bob,Bolt\n+14155550103,Cy,Core\n"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace with one agent, one trunk and one number; ``key`` opens it."""

    principal: Principal
    key: str
    agent_id: str
    trunk_id: str
    number_id: str
    number: str

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-KEY": self.key}


async def make_tenant(store: PostgresStore, name: str, number: str) -> Tenant:
    """A new workspace."""
    await workspaces.create_workspace(store, name)
    _, key = await workspaces.create_api_key(store, name, "test")
    principal = await workspaces.authenticate(store, key)
    assert principal is not None
    agent = await agents.create_agent(
        store, principal, NewAgent(f"{name} agent", "outbound", "en-US", ("company",), {})
    )
    trunk = await trunks.add_trunk(
        store,
        principal,
        name=f"{name} trunk",
        driver="simulated",
        cps_max=5,
        channels_max=10,
        config={},
        drivers=DEFAULT_DRIVERS,
    )
    calling = await numbers.add_number(store, principal, number, None, trunk.trunk_id)
    return Tenant(principal, key, str(agent.agent_id), str(trunk.trunk_id), str(calling.number_id), number)


def save_fields(tenant: Tenant, **changes: Any) -> dict[str, str]:
    """The text fields of a good upload; a change to None leaves a field out."""
    fields = {
        "agent_id": tenant.agent_id,
        "campaign_name": "Spring",
        "country_code": "+1",
        "variables_map": json.dumps({"callee_name": "Name", "company": "Company"}),
        "call_config": json.dumps({"call_time": {"timezone": "UTC"}}),
        "campaign_start_time": "05/01/2026, 10:00",
        "campaign_end_time": "31/12/2026, 20:00",
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


async def save(
    client: httpx2.AsyncClient, tenant: Tenant, csv: str | bytes = CONTACTS, **changes: Any
) -> httpx2.Response:
    """Upload contacts."""
    return await _upload("save", client, tenant, csv, changes)


async def _upload(
    route: str, client: httpx2.AsyncClient, tenant: Tenant, csv: str | bytes, changes: dict[str, Any]
) -> httpx2.Response:
    content = csv.encode() if isinstance(csv, str) else csv
    return await client.post(
        f"{COMPATIBLE}/campaign/{route}",
        headers=tenant.headers,
        data=save_fields(tenant, **changes),
        files={"file": ("contacts.csv", content, "text/csv")},
    )


async def saved_campaign(client: httpx2.AsyncClient, tenant: Tenant, csv: str = CONTACTS) -> str:
    """The id of a campaign that was saved."""
    answer = await save(client, tenant, csv)
    assert answer.status_code == 200, answer.text
    list_id: str = answer.json()["list_id"]
    return list_id


async def upload_csv(
    client: httpx2.AsyncClient, tenant: Tenant, csv: str | bytes = CONTACTS, **changes: Any
) -> httpx2.Response:
    """Upload contacts to be verified later."""
    return await _upload("upload-csv", client, tenant, csv, changes)


async def uploaded_list(client: httpx2.AsyncClient, tenant: Tenant, csv: str = CONTACTS) -> str:
    """The id of a list that is not verified."""
    answer = await upload_csv(client, tenant, csv)
    assert answer.status_code == 200, answer.text
    list_id: str = answer.json()["bulk_list_id"]
    return list_id


async def start(client: httpx2.AsyncClient, tenant: Tenant, list_id: str, /, **changes: Any) -> httpx2.Response:
    """Start a campaign on the tenant's number."""
    body = {"agent_id": tenant.agent_id, "list_id": list_id, "from_numbers": [tenant.number]} | changes
    return await client.post(f"{COMPATIBLE}/campaign/start", headers=tenant.headers, json=body)


def call_body(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    """A good request of one call; a change to None leaves a field out."""
    body = {
        "name": "Ada",
        "mobile_number": "+14155550111",
        "agent_id": tenant.agent_id,
        "from_number_id": tenant.number_id,
    } | changes
    return {name: value for name, value in body.items() if value is not None}


async def call_individual(client: httpx2.AsyncClient, tenant: Tenant, **changes: Any) -> httpx2.Response:
    """Ask for one call."""
    return await client.post(
        f"{COMPATIBLE}/calling/outbound/individual", headers=tenant.headers, json=call_body(tenant, **changes)
    )


async def registered_call(client: httpx2.AsyncClient, tenant: Tenant, **changes: Any) -> str:
    """The id of a call that was registered."""
    answer = await call_individual(client, tenant, **changes)
    assert answer.status_code == 200, answer.text
    call_id: str = answer.json()["data"]["call_id"]
    return call_id


async def history(client: httpx2.AsyncClient, tenant: Tenant, **query: Any) -> dict[str, Any]:
    """A page of the tenant's history."""
    answer = await client.get(f"{COMPATIBLE}/calling/history", headers=tenant.headers, params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def terminate(client: httpx2.AsyncClient, tenant: Tenant, body: Any, path: str = "") -> httpx2.Response:
    """Give a termination order."""
    return await client.patch(f"{COMPATIBLE}/campaign/terminate{path}", headers=tenant.headers, json=body)
