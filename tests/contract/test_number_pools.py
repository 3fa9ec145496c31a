"""``/api/v1/number-pools``, and the two compatible requests that name a pool."""

from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import httpx2
import pytest

from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import COMPATIBLE, NATIVE, Tenant, call_body, saved_campaign, uploaded_list
from tests.contract.test_bad_input import refuses
from tests.support.large_lists import verifier

pytestmark = pytest.mark.anyio

POOLS = f"{NATIVE}/number-pools"


async def add_pool(client: httpx2.AsyncClient, tenant: Tenant) -> dict[str, Any]:
    body = {"name": "Main", "numbers": [tenant.number_id]}
    answer = await client.post(POOLS, headers=tenant.headers, json=body)
    assert answer.status_code == 201, answer.text
    pool: dict[str, Any] = answer.json()
    return pool


async def test_the_life_of_a_pool(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    pool = await add_pool(client, tenant)
    assert pool == {
        "number_pool_id": ANY,
        "name": "Main",
        "trunk_id": tenant.trunk_id,
        "numbers": [tenant.number],
        "created_at": ANY,
    }
    address = f"{POOLS}/{pool['number_pool_id']}"
    assert (await client.get(address, headers=tenant.headers)).json() == pool
    assert (await client.get(POOLS, headers=tenant.headers)).json() == {"number_pools": [pool]}
    number = {"number": "+12025550188", "trunk_id": tenant.trunk_id}
    assert (await client.post(f"{NATIVE}/numbers", headers=tenant.headers, json=number)).status_code == 201
    numbers = {"numbers": ["+12025550188", tenant.number]}
    changed = await client.put(f"{address}/numbers", headers=tenant.headers, json=numbers)
    assert (changed.status_code, changed.json()) == (200, pool | {"numbers": sorted(numbers["numbers"])})
    shown = await client.get(f"{COMPATIBLE}/workspace/numbers", headers=tenant.headers)
    pools = {known["number_pool_id"] for known in shown.json()["workspace_numbers"]}
    assert pools == {pool["number_pool_id"]}
    removed = await client.delete(address, headers=tenant.headers)
    assert (removed.status_code, removed.content) == (204, b"")
    assert (await client.get(address, headers=tenant.headers)).status_code == 404
    assert (await client.get(POOLS, headers=tenant.headers)).json() == {"number_pools": []}


async def test_the_pace_of_a_number(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    address = f"{NATIVE}/numbers/{tenant.number_id}"
    changed = await client.patch(address, headers=tenant.headers, json={"cps_max": 0.1})
    assert (changed.status_code, changed.json()["cps_max"]) == (200, 0.1)
    [listed] = (await client.get(f"{NATIVE}/numbers", headers=tenant.headers)).json()["numbers"]
    assert listed == changed.json()
    free = await client.patch(address, headers=tenant.headers, json={"cps_max": None})
    assert free.json() == listed | {"cps_max": None}
    for body, said in [
        ({}, "Missing required field: cps_max"),
        ({"cps_max": 0}, "cps_max must be above 0 and at most 10000, or null"),
        ({"cps_max": 10_000.1}, "cps_max must be above 0"),
        ({"cps_max": "1"}, "cps_max: Expected `float | null`, got `str`"),
        ({"cps_max": 1, "number": "+12025550101"}, "unknown field: number"),
    ]:
        await refuses(await client.patch(address, headers=tenant.headers, json=body), said)
    unknown = await client.patch(f"{NATIVE}/numbers/{uuid4()}", headers=tenant.headers, json={"cps_max": 1})
    await refuses(unknown, "Number not found", 404)


async def test_what_is_no_pool(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    await add_pool(client, tenant)
    for body, said, status in [
        ({"name": "Other"}, "Missing required field: numbers", 400),
        ({"name": " ", "numbers": [tenant.number]}, "name must have 1 to 100 characters", 400),
        ({"name": "x" * 101, "numbers": [tenant.number]}, "name must have 1 to 100 characters", 400),
        ({"name": "Other", "numbers": []}, "numbers must not be empty", 400),
        ({"name": "Other", "numbers": ["+12025550199"]}, "numbers[0] is not a number of this workspace", 400),
        ({"name": "Other", "numbers": [7]}, "numbers[0]: Expected `str`, got `int`", 400),
        ({"name": "Other", "numbers": [tenant.number]}, "is in another number pool", 409),
        ({"name": "Main", "numbers": [tenant.number]}, "there is a number pool named 'Main' already", 409),
        ({"name": "Other", "numbers": [tenant.number], "cps_max": 1}, "unknown field: cps_max", 400),
    ]:
        await refuses(await client.post(POOLS, headers=tenant.headers, json=body), said, status)
    address = f"{POOLS}/{uuid4()}"
    await refuses(await client.get(address, headers=tenant.headers), "Number pool not found.", 404)
    await refuses(await client.delete(address, headers=tenant.headers), "Number pool not found.", 404)
    numbers = {"numbers": [tenant.number]}
    changed = await client.put(f"{address}/numbers", headers=tenant.headers, json=numbers)
    await refuses(changed, "Number pool not found.", 404)
    await refuses(await client.get(f"{POOLS}/main", headers=tenant.headers), "number_pool_id", 400)


async def test_a_campaign_starts_on_a_pool(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    number_pool_id = (await add_pool(client, tenant))["number_pool_id"]
    list_id = await saved_campaign(client, tenant)
    body = {"agent_id": tenant.agent_id, "list_id": list_id}
    path = f"{COMPATIBLE}/campaign/v2/start"
    for change, said in [
        ({}, "Missing required field: from_numbers"),
        ({"number_pool_id": str(uuid4())}, "Number pool not found."),
        ({"number_pool_id": "main"}, "Number pool not found."),
        ({"number_pool_id": number_pool_id, "from_numbers": [tenant.number]}, "Provide only one of: from_numbers"),
    ]:
        await refuses(await client.post(path, headers=tenant.headers, json=body | change), said)
    started = await client.post(path, headers=tenant.headers, json=body | {"number_pool_id": number_pool_id})
    assert started.status_code == 200, started.text
    shown = (await client.get(f"{NATIVE}/campaigns/{list_id}", headers=tenant.headers)).json()
    assert (shown["number_pool_id"], shown["calling_numbers"]) == (number_pool_id, [])
    removed = await client.delete(f"{POOLS}/{number_pool_id}", headers=tenant.headers)
    await refuses(removed, "the number pool is in use by campaign 'Spring'", 409)


async def test_a_large_list_starts_on_a_pool(client: httpx2.AsyncClient, tenant: Tenant, store: PostgresStore) -> None:
    number_pool_id = (await add_pool(client, tenant))["number_pool_id"]
    list_id = await uploaded_list(client, tenant)
    assert await verifier(store).verify_next()
    body = {"agent_id": tenant.agent_id, "bulk_list_id": list_id, "number_pool_id": number_pool_id}
    started = await client.post(f"{COMPATIBLE}/campaign/make-call-async", headers=tenant.headers, json=body)
    assert started.status_code == 200, started.text
    removed = await client.delete(f"{POOLS}/{number_pool_id}", headers=tenant.headers)
    await refuses(removed, "the number pool is in use by campaign 'Spring'", 409)


async def test_an_individual_call_out_of_a_pool(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    number_pool_id = (await add_pool(client, tenant))["number_pool_id"]
    body = {name: value for name, value in call_body(tenant).items() if name != "from_number_id"}
    answer = await client.post(
        f"{COMPATIBLE}/calling/v2/outbound/individual",
        headers=tenant.headers,
        json=body | {"number_pool_id": number_pool_id},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["From Number"] is None, "it is chosen when the call is dialled"
