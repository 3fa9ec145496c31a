"""Uploads and exports of the dashboard have the places that the API's have; orders and pages need none."""

import httpx2
import pytest

from ringoff.api.heavy_requests import HeavyRequests
from tests.contract.tenants import NATIVE, Tenant, registered_call, terminate
from tests.dashboard.visitor import Page, Visitor

pytestmark = pytest.mark.anyio
LIST = {"file": ("list.csv", b"Phone,Name\n+14155550101,Ada\n", "text/csv")}
NUMBERS = {"file": ("numbers.csv", b"mobile_number\n+14155550101\n", "text/csv")}


async def test_a_workspace_whose_places_are_taken_is_told_so_on_the_page(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, heavy: HeavyRequests
) -> None:
    fields = (await visitor.get("/campaigns/new")).form("/campaigns/new").fields
    wanted = fields | {"campaign_name": "Autumn", "agent_id": tenant.agent_id, "country_code": "US"}
    wanted = {name: text for name, text in wanted.items() if name not in ("file", "")}
    imports = (await visitor.get("/suppressions/new")).form("/suppressions/import").fields
    imports = {name: text for name, text in imports.items() if name not in ("file", "")}
    async with heavy.place(tenant.principal.workspace_id):
        for path, filled, file in (
            ("/campaigns/new", wanted, LIST),
            ("/campaigns/new/preview", wanted, LIST),
            ("/suppressions/import", imports, NUMBERS),
        ):
            refused = await browser.post(path, data=filled, files=file)
            assert (refused.status_code, path) == (503, path)
            assert "uploads and exports in hand, as many as it may" in Page(refused).text
        refused = await browser.post("/campaigns/new", data=wanted, files=LIST)
        assert Page(refused).form("/campaigns/new").fields["campaign_name"] == "Autumn", "what was typed is kept"
        listed = await browser.get(f"{NATIVE}/suppressions", headers=tenant.headers)
        assert listed.json()["suppressions"] == []
    seen = await browser.post("/campaigns/new", data=wanted, files=LIST)
    assert (seen.status_code, "1 call" in Page(seen).text) == (200, True)


@pytest.mark.parametrize("suffix", ["csv", "json"])
async def test_an_export_of_a_receipt_needs_a_place_and_gives_it_back(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, heavy: HeavyRequests, suffix: str
) -> None:
    call_id = await registered_call(browser, tenant)
    async with heavy.place(tenant.principal.workspace_id):
        ended = await terminate(browser, tenant, {"call_ids": [call_id]})
        assert ended.status_code == 200, "an order needs no place"
        [receipt] = (await browser.get(f"{NATIVE}/terminations", headers=tenant.headers)).json()["terminations"]
        path = f"/receipts/{receipt['termination_id']}"
        refused = await visitor.get(f"{path}.{suffix}", status=503)
        assert "as many as it may" in refused.text
        await visitor.get(path)
    for _ in range(2):
        assert call_id in (await visitor.get(f"{path}.{suffix}")).html
