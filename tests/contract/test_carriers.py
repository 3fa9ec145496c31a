"""Trunks of real carriers, and who takes an agent's answered calls."""

from typing import Any

import httpx2
import pytest

from tests.contract.tenants import NATIVE, Tenant

TWILIO: dict[str, Any] = {
    "account_sid": "AC" + "0" * 32,
    "auth_token": "very-secret",
    "callback_base_url": "https://ringoff.example.com",
}


async def add_twilio(client: httpx2.AsyncClient, tenant: Tenant) -> httpx2.Response:
    body = {"name": "Twilio", "driver": "twilio", "config": TWILIO}
    return await client.post(f"{NATIVE}/trunks", headers=tenant.headers, json=body)


async def test_a_secret_is_stored_and_never_shown(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    made = await add_twilio(client, tenant)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert shown["config"]["account_sid"] == TWILIO["account_sid"]
    assert shown["config"]["auth_token"] == "***"
    assert (shown["is_up"], shown["alarm"]) == (None, None)
    path = f"{NATIVE}/trunks/{shown['trunk_id']}"
    for answer in (
        await client.get(path, headers=tenant.headers),
        await client.get(f"{NATIVE}/trunks", headers=tenant.headers),
        await client.patch(path, headers=tenant.headers, json={"cps_max": 2}),
    ):
        assert answer.status_code == 200
        assert "very-secret" not in answer.text
    back = await client.patch(path, headers=tenant.headers, json={"config": shown["config"]})
    assert (back.status_code, back.json()["error"]["field"]) == (400, "config"), "what is shown is not the secret"


@pytest.mark.parametrize(
    ("driver", "config", "field"),
    [
        ("simulated", {"seed": 1}, "config.seed"),
        ("twilio", {}, "config.account_sid"),
        ("twilio", TWILIO | {"base_url": "ftp://x"}, "config.base_url"),
        ("twilio", TWILIO | {"acount_sid": "x"}, "config.acount_sid"),
        ("asterisk", {"url": "http://127.0.0.1:8088"}, None),
        ("asterisk", {"url": 5}, "config.url"),
        ("sip", {}, "config.gateways"),
        ("sip", {"gateways": [{"host": "sip.example.com/x"}]}, "config.gateways[0].host"),
        ("sip", {"gateways": [{"host": "a.example.com"}, {"host": "b", "port": 65_536}]}, "config.gateways[1].port"),
        ("sip", {"gateways": [{"host": "a.example.com", "password": "x"}]}, "config.gateways[0]"),
    ],
)
async def test_a_configuration_is_read_by_its_driver(
    client: httpx2.AsyncClient, tenant: Tenant, driver: str, config: dict[str, Any], field: str | None
) -> None:
    before = (await client.get(f"{NATIVE}/trunks", headers=tenant.headers)).json()
    body = {"driver": driver, "config": config}
    answer = await client.post(f"{NATIVE}/trunks", headers=tenant.headers, json=body)
    assert answer.status_code == 400
    assert field in (None, answer.json()["error"]["field"]), answer.text
    assert (await client.get(f"{NATIVE}/trunks", headers=tenant.headers)).json() == before


async def test_an_agent_says_who_takes_its_calls(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    path = f"{NATIVE}/agents/{tenant.agent_id}/handling"
    assert (await client.get(path, headers=tenant.headers)).json() == {
        "agent_id": tenant.agent_id,
        "kind": "none",
        "target": "",
        "retry_failed": False,
    }
    wanted = {"kind": "media_url", "target": "wss://agent.example.com/stream?x=1", "retry_failed": True}
    assert (await client.put(path, headers=tenant.headers, json=wanted)).status_code == 200
    assert (await client.get(path, headers=tenant.headers)).json() == {"agent_id": tenant.agent_id, **wanted}


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("none", "wss://x"),
        ("media_url", ""),
        ("media_url", "https://agent.example.com"),
        ("media_url", "wss://user:password@agent.example.com"),
        ("media_url", "wss://agent.example.com/a b"),
        ("media_url", "wss://agent.example.com\n"),
        ("media_url", "wss://" + "a" * 1_000),
        ("sip_uri", "agent@example.com"),
        ("sip_uri", "sip:agent@example.com\r\nX-Evil: 1"),
        ("play", "/etc/passwd"),
        ("play", ""),
    ],
)
async def test_a_bad_target_is_refused_and_changes_nothing(
    client: httpx2.AsyncClient, tenant: Tenant, kind: str, target: str
) -> None:
    path = f"{NATIVE}/agents/{tenant.agent_id}/handling"
    answer = await client.put(path, headers=tenant.headers, json={"kind": kind, "target": target})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "target")
    assert (await client.get(path, headers=tenant.headers)).json()["kind"] == "none"


async def test_another_workspaces_agent_does_not_exist(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant
) -> None:
    path = f"{NATIVE}/agents/{stranger.agent_id}/handling"
    assert (await client.get(path, headers=tenant.headers)).status_code == 404
    body = {"kind": "media_url", "target": "wss://x.example.com"}
    assert (await client.put(path, headers=tenant.headers, json=body)).status_code == 404
