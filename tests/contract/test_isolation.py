"""Nothing of one workspace is seen, used or changed by the key of another, on any route."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx2

from ringoff.api.app import operations
from tests.contract.tenants import (
    COMPATIBLE,
    NATIVE,
    Tenant,
    call_body,
    history,
    registered_call,
    save_fields,
    saved_campaign,
    uploaded_list,
)

NEW_AGENT = {
    "agent_name": "Theirs",
    "introduction_and_objective": "a",
    "response_guidelines": "b",
    "task": "c",
    "primary_language": "en-US",
    "voice_id": str(uuid4()),
    "intro_message": "d",
}

ANALYTICS = (
    "platform-analytics",
    "drill-down-analytics",
    "number-analytics",
    "duration-distribution",
    "classification-analytics",
)

Attack = tuple[dict[str, Any], int]
"""The request of a stranger that names things of ours, and the answer that it deserves."""


def attacks(ours: Tenant, theirs: Tenant, list_id: str, call_id: str, key_id: str) -> dict[tuple[str, str], Attack]:
    own_call = call_body(theirs)
    upload = {"files": {"file": ("a.csv", b"Mobile Number\n+14155550101\n", "text/csv")}}
    numbers = ["+14155550101", "+14155550111"]
    start = {"agent_id": theirs.agent_id, "list_id": list_id, "from_numbers": [theirs.number]}
    terminated: dict[str, dict[str, Any]] = {
        "": {"agent_id": ours.agent_id, "campaign_id": list_id, "call_ids": [call_id], "mobile_numbers": numbers},
        "/agent": {"agent_id": ours.agent_id},
        "/calls": {"call_ids": [call_id]},
        "/campaign": {"campaign_id": list_id},
        "/campaign-numbers": {"campaign_id": list_id, "mobile_numbers": numbers},
        "/numbers": {"mobile_numbers": numbers},
    }
    return {
        ("GET", f"{COMPATIBLE}/workspace"): ({}, 200),
        ("GET", f"{COMPATIBLE}/workspace/numbers"): ({}, 200),
        ("GET", f"{COMPATIBLE}/agent/all"): ({}, 200),
        ("GET", f"{COMPATIBLE}/agent/{{agent_id}}"): ({}, 404),
        ("POST", f"{COMPATIBLE}/public/agent"): ({"json": NEW_AGENT}, 200),
        ("POST", f"{COMPATIBLE}/calling/outbound/individual"): ({"json": own_call | {"agent_id": ours.agent_id}}, 404),
        ("POST", f"{COMPATIBLE}/calling/v2/outbound/individual"): (
            {"json": own_call | {"from_number_id": ours.number_id}},
            400,
        ),
        ("GET", f"{COMPATIBLE}/calling/history"): (
            {"params": {"agent_id": ours.agent_id, "bulk_list_id": list_id}},
            200,
        ),
        ("GET", f"{COMPATIBLE}/calling/call-details"): ({"params": {"id": call_id}}, 404),
        ("POST", f"{COMPATIBLE}/campaign/save"): ({"data": save_fields(theirs, agent_id=ours.agent_id), **upload}, 400),
        ("POST", f"{COMPATIBLE}/campaign/start"): ({"json": start}, 404),
        ("POST", f"{COMPATIBLE}/campaign/v2/start"): ({"json": start | {"from_numbers": [ours.number_id]}}, 404),
        ("GET", f"{COMPATIBLE}/campaign/all"): ({"params": {"call_count": "true"}}, 200),
        **{
            ("PATCH", f"{COMPATIBLE}/campaign/terminate{alias}"): ({"json": selector}, 400)
            for alias, selector in terminated.items()
        },
        ("GET", f"{NATIVE}/trunks"): ({}, 200),
        ("POST", f"{NATIVE}/trunks"): (
            {"json": {"name": "T", "driver": "simulated", "cps_max": 1, "channels_max": 1}},
            201,
        ),
        ("GET", f"{NATIVE}/trunks/{{trunk_id}}"): ({}, 404),
        ("PATCH", f"{NATIVE}/trunks/{{trunk_id}}"): ({"json": {"is_enabled": False}}, 404),
        ("GET", f"{NATIVE}/agents/{{agent_id}}/handling"): ({}, 404),
        ("PUT", f"{NATIVE}/agents/{{agent_id}}/handling"): (
            {"json": {"kind": "media_url", "target": "wss://x.example.com"}},
            404,
        ),
        ("GET", f"{NATIVE}/numbers"): ({}, 200),
        ("POST", f"{NATIVE}/numbers"): ({"json": {"number": "+12025550177", "trunk_id": ours.trunk_id}}, 404),
        **order_attacks(theirs, terminated[""]),
        **owner_attacks(ours, theirs),
        **ancestor_attacks(start, upload, ours, terminated[""]),
        **history_attacks(ours, list_id, call_id),
        **campaign_attacks(ours, theirs, list_id),
        **pool_attacks(ours),
        # Last: the key that asks ends.
        ("PATCH", f"{COMPATIBLE}/workspace/api-key"): ({}, 200),
    }


def owner_attacks(ours: Tenant, theirs: Tenant) -> dict[tuple[str, str], Attack]:
    attachment = {"operation": "attach_inbound_number", "agent_id": theirs.agent_id, "number_id": ours.number_id}
    return {
        ("GET", f"{NATIVE}/api-keys"): ({}, 200),
        ("POST", f"{NATIVE}/api-keys"): ({"json": {"name": "k"}}, 201),
        ("DELETE", f"{NATIVE}/api-keys/{{api_key_id}}"): ({}, 404),
        ("GET", f"{COMPATIBLE}/workspace/all"): ({}, 200),
        ("GET", f"{COMPATIBLE}/workspace/users"): ({}, 200),
        ("DELETE", f"{COMPATIBLE}/workspace/number/{{number_id}}"): ({}, 404),
        ("GET", f"{COMPATIBLE}/agent/v1/{{agent_id}}"): ({}, 404),
        ("DELETE", f"{COMPATIBLE}/agent/{{agent_id}}"): ({}, 404),
        ("PATCH", f"{COMPATIBLE}/public/agent/{{agent_id}}"): ({"json": {"task": "Lie."}}, 404),
        ("PATCH", f"{COMPATIBLE}/agent/v1"): ({"json": attachment}, 404),
        ("GET", f"{COMPATIBLE}/agent/voices"): ({}, 501),
        ("POST", f"{COMPATIBLE}/external/kb"): ({}, 501),
        ("PATCH", f"{COMPATIBLE}/external/kb"): ({}, 501),
        ("GET", f"{COMPATIBLE}/external/kb/all"): ({}, 501),
        ("GET", f"{COMPATIBLE}/external/kb/{{kb_id}}"): ({}, 501),
        ("DELETE", f"{COMPATIBLE}/external/kb/{{kb_id}}"): ({}, 501),
        ("POST", f"{COMPATIBLE}/payment/number/checkout"): ({}, 501),
        **webhook_attacks(ours),
    }


def ancestor_attacks(
    start: dict[str, Any], upload: dict[str, Any], ours: Tenant, selector: dict[str, Any]
) -> dict[tuple[str, str], Attack]:
    form = {"agent_id": ours.agent_id, "country_code": "+1", "variables_map": "{}", "call_config": "{}"}
    return {
        ("GET", f"{COMPATIBLE}/workspace/lists"): ({}, 200),
        ("POST", f"{COMPATIBLE}/calling/outbound/bulk"): ({"json": start}, 404),
        ("POST", f"{COMPATIBLE}/calling/contact/list"): ({"data": form, **upload}, 400),
        ("DELETE", f"{COMPATIBLE}/calling/contact/{{list_id}}"): ({}, 404),
        ("GET", f"{COMPATIBLE}/calling/terminate"): ({}, 200),
        ("PATCH", f"{COMPATIBLE}/calling/terminate"): ({"json": selector}, 400),
    }


def history_attacks(ours: Tenant, list_id: str, call_id: str) -> dict[tuple[str, str], Attack]:
    """What looks back shows a stranger nothing."""
    return {
        ("POST", f"{COMPATIBLE}/calling/history/download"): (
            {"params": {"agent_id": ours.agent_id, "bulk_list_id": list_id, "call_id": call_id}},
            200,
        ),
        **{
            ("GET", f"{COMPATIBLE}/analytics/{name}"): (
                {"params": {"agent_id": ours.agent_id, "bulk_list_id": list_id}},
                200,
            )
            for name in ANALYTICS
        },
        ("GET", f"{NATIVE}/calls/{{call_id}}/timeline"): ({}, 404),
        ("GET", f"{NATIVE}/overview"): ({}, 200),
        ("GET", f"{NATIVE}/overview/rates"): ({}, 200),
        ("GET", f"{NATIVE}/calls"): ({"params": {"agent_id": ours.agent_id, "campaign_id": list_id}}, 200),
    }


def pool_attacks(ours: Tenant) -> dict[tuple[str, str], Attack]:
    """Neither is a pool of ours theirs, nor is a number of ours in one of theirs."""
    return {
        ("GET", f"{NATIVE}/number-pools"): ({}, 200),
        ("POST", f"{NATIVE}/number-pools"): ({"json": {"name": "theirs", "numbers": [ours.number]}}, 400),
        ("GET", f"{NATIVE}/number-pools/{{number_pool_id}}"): ({}, 404),
        ("PUT", f"{NATIVE}/number-pools/{{number_pool_id}}/numbers"): ({"json": {"numbers": [ours.number_id]}}, 404),
        ("DELETE", f"{NATIVE}/number-pools/{{number_pool_id}}"): ({}, 404),
        ("PATCH", f"{NATIVE}/numbers/{{number_id}}"): ({"json": {"cps_max": 0.1}}, 404),
        ("DELETE", f"{NATIVE}/numbers/{{number_id}}"): ({}, 404),
    }


def campaign_attacks(ours: Tenant, theirs: Tenant, list_id: str) -> dict[tuple[str, str], Attack]:
    """A campaign of ours is none of theirs, whatever they want of it."""
    return {
        ("GET", f"{NATIVE}/campaigns"): ({}, 200),
        ("GET", f"{NATIVE}/campaigns/{{campaign_id}}"): ({}, 404),
        ("PATCH", f"{NATIVE}/campaigns/{{campaign_id}}"): ({"json": {"weight": 100}}, 404),
        ("GET", f"{NATIVE}/campaigns/{{campaign_id}}/figures"): ({}, 404),
        ("GET", f"{NATIVE}/campaigns/{{campaign_id}}/calls"): ({"params": {"mobile_number": "+14155550101"}}, 404),
        **{("POST", f"{NATIVE}/campaigns/{{campaign_id}}/{verb}"): ({}, 404) for verb in ("pause", "resume", "end")},
        **large_list_attacks(ours, theirs, list_id),
    }


def large_list_attacks(ours: Tenant, theirs: Tenant, list_id: str) -> dict[tuple[str, str], Attack]:
    upload = {"files": {"file": ("a.csv", b"Mobile Number,Name,Company\n+14155550101,A,B\n", "text/csv")}}
    form = save_fields(theirs, agent_id=ours.agent_id)
    start = {"agent_id": theirs.agent_id, "bulk_list_id": list_id, "from_numbers": [theirs.number]}
    return {
        ("POST", f"{COMPATIBLE}/campaign/upload-csv"): ({"data": form, **upload}, 400),
        ("GET", f"{COMPATIBLE}/campaign/upload-status/{{bulk_list_id}}"): ({}, 404),
        ("POST", f"{COMPATIBLE}/campaign/check-balance/{{bulk_list_id}}"): ({}, 404),
        ("POST", f"{COMPATIBLE}/campaign/make-call-async"): ({"json": start}, 404),
    }


def order_attacks(theirs: Tenant, selector: dict[str, Any]) -> dict[tuple[str, str], Attack]:
    """Receipts, previews and the suppression list: what a stranger sees of them is nothing."""
    upload = {"files": {"file": ("numbers.csv", "Mobile Number\n+14155550199\n", "text/csv")}}
    return {
        ("POST", f"{NATIVE}/campaigns/preview"): ({"data": {"country_code": "+1"}, **upload}, 200),
        ("POST", f"{NATIVE}/terminations"): ({"json": selector}, 400),
        ("POST", f"{NATIVE}/terminations/preview"): ({"json": selector}, 200),
        ("GET", f"{NATIVE}/terminations"): ({"params": {"text": "our reason"}}, 200),
        ("GET", f"{NATIVE}/terminations/{{termination_id}}"): ({}, 404),
        ("GET", f"{NATIVE}/terminations/{{termination_id}}/export"): ({}, 404),
        ("GET", f"{NATIVE}/suppressions"): ({}, 200),
        ("POST", f"{NATIVE}/suppressions"): ({"json": {"mobile_numbers": ["+14155550198"]}}, 201),
        ("GET", f"{NATIVE}/suppressions/export"): ({}, 200),
        ("POST", f"{NATIVE}/suppressions/import"): ({"data": {"country_code": "+1"}, **upload}, 201),
        ("DELETE", f"{NATIVE}/suppressions/{{mobile_number}}"): ({}, 404),
        ("GET", f"{NATIVE}/erasures"): ({}, 200),
        ("GET", f"{NATIVE}/erasures/{{erasure_id}}"): ({}, 404),
        # A number of ours: what is erased is what the stranger has of it.
        ("POST", f"{NATIVE}/erasures"): ({"json": {"mobile_numbers": ["+14155550101"]}}, 202),
        ("GET", f"{NATIVE}/subscriptions"): ({}, 200),
        ("PUT", f"{NATIVE}/subscriptions"): (
            {"json": {"agent_id": str(theirs.agent_id), "event_types": ["call_completed"]}},
            200,
        ),
    }


def webhook_attacks(ours: Tenant) -> dict[tuple[str, str], Attack]:
    return {
        ("PUT", f"{NATIVE}/webhooks"): (
            {
                "json": {
                    "agent_id": ours.agent_id,
                    "event_type": ["call_completed"],
                    "callback_url": "https://hook.example/",
                }
            },
            404,
        ),
        ("GET", f"{NATIVE}/webhooks/deliveries"): ({"params": {"subscription_id": ours.agent_id}}, 200),
        ("POST", f"{NATIVE}/webhooks/resume"): ({"json": {"subscription_id": ours.agent_id}}, 404),
        ("POST", f"{NATIVE}/webhooks/redeliver"): (
            {"json": {"subscription_id": ours.agent_id, "first_event_id": 0, "last_event_id": 9}},
            200,
        ),
    }


async def everything_of(client: httpx2.AsyncClient, tenant: Tenant) -> list[Any]:
    paths = [
        f"{COMPATIBLE}/workspace",
        f"{COMPATIBLE}/workspace/numbers",
        f"{COMPATIBLE}/agent/all",
        f"{COMPATIBLE}/agent/v1/{tenant.agent_id}",
        f"{COMPATIBLE}/workspace/lists",
        f"{COMPATIBLE}/calling/terminate",
        f"{COMPATIBLE}/campaign/all?call_count=true",
        f"{COMPATIBLE}/calling/history?limit=1000",
        f"{NATIVE}/campaigns",
        f"{NATIVE}/trunks",
        f"{NATIVE}/numbers",
        f"{NATIVE}/number-pools",
        f"{NATIVE}/terminations",
        f"{NATIVE}/suppressions",
        f"{NATIVE}/erasures",
        f"{NATIVE}/subscriptions",
        f"{NATIVE}/api-keys",
    ]
    return [(await client.get(path, headers=tenant.headers)).json() for path in paths]


async def our_pool(client: httpx2.AsyncClient, tenant: Tenant) -> str:
    pool = {"name": "our pool", "numbers": [tenant.number]}
    pooled = await client.post(f"{NATIVE}/number-pools", headers=tenant.headers, json=pool)
    return str(pooled.json()["number_pool_id"])


async def test_no_route_leaks_or_touches_another_workspace(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant
) -> None:
    list_id, large_id = await saved_campaign(client, tenant), await uploaded_list(client, tenant)
    call_id = await registered_call(client, tenant)
    ended = await registered_call(client, tenant)
    order = {"call_ids": [ended], "reason": "our reason"}
    given = await client.post(f"{NATIVE}/terminations", headers=tenant.headers, json=order)
    termination_id = given.json()["termination_id"]
    secret_number = "+14155550123"
    suppressed = {"mobile_numbers": [secret_number]}
    await client.post(f"{NATIVE}/suppressions", headers=tenant.headers, json=suppressed)
    await client.put(f"{NATIVE}/subscriptions", headers=tenant.headers, json={"event_types": ["call_completed"]})
    number_pool_id = await our_pool(client, tenant)
    erased = await client.post(f"{NATIVE}/erasures", headers=tenant.headers, json=suppressed)
    erasure_id = erased.json()["erasure_id"]
    before = await everything_of(client, tenant)
    key_id = before[-1]["api_keys"][0]["api_key_id"]
    ours = [
        str(tenant.principal.workspace_id), tenant.agent_id, tenant.trunk_id, tenant.number_id, tenant.number,
        list_id, large_id, call_id, key_id, "ours", "Ada", termination_id, "our reason", secret_number,
        number_pool_id, "our pool", erasure_id,
    ]  # fmt: skip
    table = attacks(tenant, stranger, list_id, call_id, key_id)
    assert set(table) == {(o.method, o.path) for o in operations() if o.needs_key}, "a route without an attack"
    for (method, path), (request, status) in table.items():
        ids = {"agent_id": tenant.agent_id, "trunk_id": tenant.trunk_id, "number_id": tenant.number_id}
        ids |= {
            "number_pool_id": number_pool_id,
            "api_key_id": key_id,
            "list_id": list_id,
            "kb_id": list_id,
            "campaign_id": list_id,
            "call_id": call_id,
        }
        ids |= {"bulk_list_id": large_id, "erasure_id": erasure_id}
        address = path.format(**ids, termination_id=termination_id, mobile_number=secret_number)
        answer = await client.request(method, address, headers=stranger.headers, **request)
        assert answer.status_code == status, f"{path}: {answer.text}"
        # An error may repeat what the stranger wrote; nothing else of ours may appear.
        asked = address + str(request)
        assert not [secret for secret in ours if secret in answer.text and secret not in asked], path
        if path.endswith("/workspace/api-key"):
            stranger = replace(stranger, key=answer.json()["new_api_key"])
    assert await everything_of(client, tenant) == before
    assert (await history(client, stranger))["total"] == 0
