"""What dashboards ask over HTTP: shapes, and one clear error for each bad input that a schema does not name."""

from typing import Any

import httpx2
import pytest

from tests.contract.tenants import NATIVE, Tenant, registered_call, saved_campaign

pytestmark = pytest.mark.anyio

CAMPAIGN = "campaigns/{campaign_id}"
LIST = {"file": ("a.csv", b"Mobile Number\n+14155550101\n", "text/csv")}
NO_NUMBERS = {"file": ("a.csv", b"Name\nAda\n", "text/csv")}
ONE_ID = "01900000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("method", "path", "request_", "field"),
    [
        ("GET", "overview/rates", {"params": {"since": "soon"}}, "since"),
        ("GET", "overview/rates", {"params": {"since": "2026-13-01"}}, "since"),
        ("GET", "terminations", {"params": {"given_from": "yesterday"}}, "given_from"),
        ("GET", "terminations", {"params": {"given_to": "31/12/2026"}}, "given_to"),
        ("GET", "terminations", {"params": {"text": " "}}, "text"),
        ("GET", "terminations", {"params": {"text": "x" * 101}}, "text"),
        ("GET", "terminations", {"params": {"text": "a\0b"}}, "text"),
        ("GET", f"{CAMPAIGN}/calls", {"params": {"sub_status": "NOT_A_WORD"}}, "sub_status"),
        ("GET", f"{CAMPAIGN}/calls", {"params": {"mobile_number": "4155550101"}}, "mobile_number"),
        ("GET", f"{CAMPAIGN}/calls", {"params": {"registered_from": "x"}}, "registered_from"),
        ("GET", f"{CAMPAIGN}/calls", {"params": {"cursor": ONE_ID, "previous_cursor": ONE_ID}}, "previous_cursor"),
        ("POST", "campaigns/preview", {"data": {"country_code": "zz"}, "files": LIST}, "country_code"),
        ("POST", "campaigns/preview", {"data": {"country_code": "+1"}, "files": NO_NUMBERS}, "file"),
        (
            "POST",
            "campaigns/preview",
            {"data": {"country_code": "+1", "variables_map": '{"variables_map": 7}'}, "files": LIST},
            "variables_map",
        ),
        (
            "POST",
            "campaigns/preview",
            {"data": {"country_code": "+1", "variables_map": '{"firm": "Missing"}'}, "files": LIST},
            "file",
        ),
    ],
)
async def test_bad_input_is_refused_by_its_name(
    client: httpx2.AsyncClient, tenant: Tenant, method: str, path: str, request_: dict[str, Any], field: str
) -> None:
    campaign_id = await saved_campaign(client, tenant)
    address = f"{NATIVE}/{path.format(campaign_id=campaign_id)}"
    answer = await client.request(method, address, headers=tenant.headers, **request_)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["field"] == field


async def test_the_glance_has_what_the_pages_need(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    call_id = await registered_call(client, tenant)
    order = {"call_ids": [call_id], "reason": "asked to"}
    await client.post(f"{NATIVE}/terminations", headers=tenant.headers, json=order)
    glance = (await client.get(f"{NATIVE}/overview", headers=tenant.headers)).json()
    assert set(glance) == {"at", "rates", "trunks", "campaigns", "terminations", "webhooks", "database"}
    assert set(glance["rates"][0]) == {"at", "dialled", "answered", "failed"}
    assert glance["trunks"][0]["channels_max"] == 10
    assert glance["campaigns"]["counts"]["total"] == 0, "individual calls belong to no campaign that is shown"
    assert [receipt["reason"] for receipt in glance["terminations"]] == ["asked to"]


async def test_no_cell_of_an_export_is_a_formula(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    call_id = await registered_call(client, tenant)
    given = await client.post(f"{NATIVE}/terminations", headers=tenant.headers, json={"call_ids": [call_id]})
    path = f"{NATIVE}/terminations/{given.json()['termination_id']}/export"
    answer = await client.get(path, headers=tenant.headers)
    assert answer.headers["content-type"].startswith("text/csv")
    header, row = answer.text.splitlines()
    assert header == "call_id,mobile_number,status,sub_status,campaign_id,agent_id,registered_at,ended_at"
    assert row.split(",")[:5] == [call_id, "+14155550111", "cancelled", "USER_TERMINATED", ""]
