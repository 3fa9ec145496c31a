"""The kill switch over HTTP: five levels, their aliases, the receipt's name, the second order."""

from collections import Counter
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.contract.tenants import Tenant, history, registered_call, saved_campaign, start, terminate

TERMINATED = {"message": "Calls terminated successfully!"}
NOTHING = {"detail": "No terminable calls found for the specified parameters"}


async def statuses(client: httpx2.AsyncClient, tenant: Tenant) -> Counter[str]:
    return Counter(call["status"] for call in (await history(client, tenant, limit=100))["calls"])


@pytest.mark.parametrize(
    ("level", "cancelled_count"),
    [("agent", 7), ("calls", 1), ("campaign", 3), ("campaign-numbers", 1), ("numbers", 3)],
)
@pytest.mark.parametrize("by_alias", [False, True], ids=["one route", "alias"])
async def test_a_level_ends_its_calls_and_no_other(
    client: httpx2.AsyncClient, tenant: Tenant, level: str, cancelled_count: int, by_alias: bool
) -> None:
    campaign_id = await saved_campaign(client, tenant)
    other_id = await saved_campaign(client, tenant)
    await start(client, tenant, other_id)
    call_id = await registered_call(client, tenant, mobile_number="+14155550101")
    numbers = ["+14155550101", "+14155550101", "+14155550177"]
    selectors: dict[str, dict[str, Any]] = {
        "agent": {"agent_id": tenant.agent_id},
        "calls": {"call_ids": [call_id]},
        "campaign": {"campaign_id": campaign_id},
        "campaign-numbers": {"campaign_id": campaign_id, "mobile_numbers": numbers},
        "numbers": {"mobile_numbers": numbers},
    }
    alias = f"/{level}" if by_alias else ""
    answer = await terminate(client, tenant, selectors[level], alias)
    assert (answer.status_code, answer.json()) == (200, TERMINATED)
    assert UUID(answer.headers["X-Termination-Id"]).version is not None
    expected = Counter({"cancelled": cancelled_count, "registered": 7 - cancelled_count})
    assert await statuses(client, tenant) == +expected
    again = await terminate(client, tenant, selectors[level], alias)
    assert (again.status_code, again.json()) == (400, NOTHING)
    assert await statuses(client, tenant) == +expected


async def test_selectors_together_narrow_each_other(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    campaign_id = await saved_campaign(client, tenant)
    call_id = await registered_call(client, tenant, mobile_number="+14155550101")
    of_two_worlds = {"campaign_id": campaign_id, "call_ids": [call_id]}
    assert (await terminate(client, tenant, of_two_worlds)).json() == NOTHING
    page = await history(client, tenant, bulk_list_id=campaign_id)
    everything = {
        "agent_id": tenant.agent_id,
        "campaign_id": campaign_id,
        "call_ids": [call["id"] for call in page["calls"]] + [call_id],
        "mobile_numbers": ["+14155550101", "+14155550102"],
    }
    assert (await terminate(client, tenant, everything)).json() == TERMINATED
    assert await statuses(client, tenant) == Counter(cancelled=2, registered=2)


async def test_the_flag_for_all_calls_is_what_numbers_alone_mean(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    await saved_campaign(client, tenant)
    await registered_call(client, tenant, mobile_number="+14155550101")
    numbers = {"mobile_numbers": ["+14155550101"]}
    assert (await terminate(client, tenant, numbers, "?terminate_all_calls=true")).json() == TERMINATED
    assert await statuses(client, tenant) == Counter(cancelled=2, registered=2)


async def test_a_call_after_the_order_is_not_covered(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    await registered_call(client, tenant)
    assert (await terminate(client, tenant, {"agent_id": tenant.agent_id})).json() == TERMINATED
    await registered_call(client, tenant)
    assert await statuses(client, tenant) == Counter(cancelled=1, registered=1)
    assert (await terminate(client, tenant, {"agent_id": tenant.agent_id})).json() == TERMINATED
