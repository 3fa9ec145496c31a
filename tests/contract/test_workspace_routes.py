"""The workspace's own routes: who is in it, its numbers going, and a key that takes its own place."""

import asyncio
from unittest.mock import ANY
from uuid import uuid4

import httpx2

from tests.contract.tenants import COMPATIBLE, NATIVE, Tenant, registered_call, saved_campaign, start, terminate


async def test_the_key_opens_one_workspace_that_has_no_accounts(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant
) -> None:
    answer = await client.get(f"{COMPATIBLE}/workspace/all", headers=tenant.headers)
    assert answer.json() == {
        "workspaces": [
            {
                "id": str(tenant.principal.workspace_id),
                "name": "ours",
                "created_at": ANY,
                "role": "owner",
                "credits": 0,
                "locked_credits": 0,
            }
        ]
    }
    answer = await client.get(f"{COMPATIBLE}/workspace/users", headers=stranger.headers)
    assert answer.json() == {"workspace_users": []}


async def test_a_number_is_given_back(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    path = f"{COMPATIBLE}/workspace/number/{tenant.number_id}"
    answer = await client.delete(path, headers=tenant.headers)
    assert (answer.status_code, answer.json()) == (200, {"message": "Number deallocated successfully!"})
    numbers = await client.get(f"{COMPATIBLE}/workspace/numbers", headers=tenant.headers)
    assert numbers.json() == {"workspace_numbers": []}
    for again in (tenant.number_id, str(uuid4())):
        answer = await client.delete(f"{COMPATIBLE}/workspace/number/{again}", headers=tenant.headers)
        assert (answer.status_code, answer.json()) == (
            404,
            {"error": {"code": "not_found", "message": "Number not found"}},
        )
    answer = await client.delete(f"{COMPATIBLE}/workspace/number/main", headers=tenant.headers)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": {"code": "invalid_parameter", "message": "number_id: Invalid UUID, not 'main'"}},
    )


async def test_a_number_that_somebody_may_be_called_from_stays(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    path = f"{COMPATIBLE}/workspace/number/{tenant.number_id}"

    async def refused_because_of(user: str) -> None:
        message = f"number is in use by {user}: it can be removed when that has ended"
        answer = await client.delete(path, headers=tenant.headers)
        assert (answer.status_code, answer.json()) == (400, {"error": {"code": "conflict", "message": message}})
        answer = await client.delete(f"{NATIVE}/numbers/{tenant.number_id}", headers=tenant.headers)
        assert (answer.status_code, answer.json()["error"]["field"]) == (409, "number_id")
        numbers = await client.get(f"{COMPATIBLE}/workspace/numbers", headers=tenant.headers)
        assert len(numbers.json()["workspace_numbers"]) == 1

    call_id, list_id = await registered_call(client, tenant), await saved_campaign(client, tenant)
    assert (await start(client, tenant, list_id)).status_code == 200
    await refused_because_of("campaign 'Spring'")
    assert (await terminate(client, tenant, {"campaign_id": list_id})).status_code == 200
    await refused_because_of("an individual call")
    assert (await terminate(client, tenant, {"call_ids": [call_id]})).status_code == 200
    assert (await client.delete(path, headers=tenant.headers)).status_code == 200


async def test_a_key_is_renewed_by_itself(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    second = await client.post(f"{NATIVE}/api-keys", headers=tenant.headers, json={"name": "second"})
    path = f"{COMPATIBLE}/workspace/api-key"
    answer = await client.patch(path, headers=tenant.headers)
    assert answer.status_code == 200
    assert answer.json() == {"new_api_key": ANY}
    new_key = answer.json()["new_api_key"]
    assert new_key.startswith("ringoff_live_")
    refused = await client.patch(path, headers=tenant.headers)
    assert (refused.status_code, refused.json()) == (
        401,
        {"error": {"code": "401 Unauthorized", "message": "Invalid credentials"}},
    )
    listed = (await client.get(f"{NATIVE}/api-keys", headers={"X-API-KEY": new_key})).json()["api_keys"]
    assert sorted((key["name"], key["revoked_at"] is None) for key in listed) == [
        ("second", True),
        ("test", False),
        ("test", True),
    ]
    assert (await client.get(f"{COMPATIBLE}/workspace", headers={"X-API-KEY": second.json()["api_key"]})).is_success


async def test_of_two_that_renew_a_key_one_has_the_new_one(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    path = f"{COMPATIBLE}/workspace/api-key"
    answers = await asyncio.gather(*(client.patch(path, headers=tenant.headers) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
    [renewed] = [answer.json()["new_api_key"] for answer in answers if answer.is_success]
    listed = (await client.get(f"{NATIVE}/api-keys", headers={"X-API-KEY": renewed})).json()["api_keys"]
    assert [key["revoked_at"] is None for key in listed].count(True) == 1


async def test_a_renewal_takes_no_parameters(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    answer = await client.patch(f"{COMPATIBLE}/workspace/api-key?name=x", headers=tenant.headers)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "unknown field: name")
    assert (await client.get(f"{COMPATIBLE}/workspace", headers=tenant.headers)).is_success
