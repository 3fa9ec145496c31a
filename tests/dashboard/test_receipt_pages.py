"""Receipts in the dashboard: scope by name, numbers masked, texts escaped, files byte by byte as the API has them."""

import csv
import io
from typing import Any

import httpx2
import pytest

from ringoff.dashboard import receipts as pages
from ringoff.operations import receipts
from tests.contract.tenants import COMPATIBLE, CONTACTS, NATIVE, Tenant, save
from tests.dashboard.visitor import Visitor

NUMBER = "+14155550101"
MASKED = "+1415…01"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202eGNP'


async def _campaign(browser: httpx2.AsyncClient, tenant: Tenant, csv: str = CONTACTS, **changes: str) -> str:
    saved = await save(browser, tenant, csv, **changes)
    assert saved.status_code == 200, saved.text
    campaign_id: str = saved.json()["list_id"]
    return campaign_id


async def _ordered(browser: httpx2.AsyncClient, tenant: Tenant, **order: Any) -> str:
    answer = await browser.post(f"{NATIVE}/terminations", headers=tenant.headers, json=order)
    assert answer.status_code == 202, answer.text
    termination_id: str = answer.json()["termination_id"]
    return termination_id


async def _found(visitor: Visitor, **asked: str) -> set[str]:
    page = await visitor.get("/receipts", 200, **asked)
    return {link.removeprefix("/receipts/") for link in page.links if link.startswith("/receipts/")}


async def test_receipts_are_found_by_what_people_remember(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    spring = await _campaign(browser, tenant)
    autumn = await _campaign(browser, tenant, campaign_name="Autumn")
    of_number = await _ordered(browser, tenant, campaign_id=autumn, mobile_numbers=[NUMBER])
    of_spring = await _ordered(browser, tenant, campaign_id=spring, reason="They asked us")
    of_agent = await _ordered(browser, tenant, agent_id=tenant.agent_id)
    everything = {of_number, of_spring, of_agent}
    asked: list[tuple[dict[str, str], set[str]]] = [
        ({}, everything),
        ({"text": "ASKED"}, {of_spring}),
        ({"text": NUMBER}, {of_number}),
        ({"text": "autumn"}, {of_number}),
        ({"text": of_agent}, {of_agent}),
        ({"text": "ours agent"}, {of_agent}),
        ({"text": "nobody remembers this"}, set()),
        ({"level": "campaign"}, {of_spring}),
        ({"state": "settling"}, {of_spring, of_agent}),
        ({"given_to": "2001-01-01"}, set()),
        ({"given_from": "2001-01-01", "text": "asked", "level": "campaign"}, {of_spring}),
        ({"cursor": of_spring}, {of_number}),
    ]
    for query, expected in asked:
        assert await _found(visitor, **query) == expected, query
    page = await visitor.get("/receipts", text="autumn", level="campaign_numbers", given_from="2001-01-01")
    assert page.form("/receipts").fields == {
        "text": "autumn",
        "state": "",
        "level": "campaign_numbers",
        "given_from": "2001-01-01",
        "given_to": "",
    }
    assert "Autumn" in page.text, "the name of the campaign"
    assert "No receipt matches" in (await visitor.get("/receipts", text="nobody remembers this")).text


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"text": "x" * 101}, "text must have 1 to 100 characters"),
        ({"text": "a\0b"}, "text has a character that cannot be stored"),
        ({"state": "gone"}, "state"),
        ({"level": "planet"}, "level"),
        ({"given_from": "yesterday"}, "Invalid date format for given_from."),
        ({"given_to": "2026-02-30"}, "Invalid date format for given_to."),
        ({"cursor": "7"}, "cursor"),
    ],
)
async def test_a_search_that_cannot_be_is_refused_in_the_words_of_the_api(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, asked: dict[str, str], words: str
) -> None:
    page = await visitor.get("/receipts", status=400, **asked)
    answer = await browser.get(f"{NATIVE}/terminations", headers=tenant.headers, params=asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] in page.text
    assert words in page.text
    fields = page.form("/receipts").fields
    for name in asked.keys() & {"text", "given_from", "given_to"}:
        assert fields[name] == asked[name], "what was typed is still there"


async def test_the_files_have_what_the_api_has(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_campaign = await _ordered(browser, tenant, campaign_id=await _campaign(browser, tenant), reason="wrong prompt")
    for page_max in (1, 2, 3, 1000):
        # Three calls: in pages that are all full, with a last one that is not, and in one.
        monkeypatch.setattr(receipts, "EXPORT_PAGE_MAX", page_max)
        got = await visitor.get(f"/receipts/{of_campaign}.json")
        detail = await browser.get(f"{NATIVE}/terminations/{of_campaign}", headers=tenant.headers)
        assert got.html == detail.text
        assert len(got.response.json()["calls"]) == 3
        assert got.response.headers["content-disposition"] == f'attachment; filename="receipt-{of_campaign}.json"'
        assert got.response.headers["content-type"] == "application/json"
        table = await visitor.get(f"/receipts/{of_campaign}.csv")
        exported = await browser.get(f"{NATIVE}/terminations/{of_campaign}/export", headers=tenant.headers)
        assert table.html == exported.text
        rows = list(csv.DictReader(io.StringIO(table.html)))
        assert [row["mobile_number"] for row in rows] == ["+14155550101", "+14155550102", "+14155550103"]
        for file in (got, table):
            assert file.response.headers["cache-control"] == "no-store"
            assert file.response.headers["x-content-type-options"] == "nosniff"


async def test_a_receipt_without_calls_has_files_too(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    campaign_id = await _campaign(browser, tenant)
    start = {"agent_id": tenant.agent_id, "list_id": campaign_id, "from_numbers": [tenant.number]}
    started = await browser.post(f"{COMPATIBLE}/campaign/start", headers=tenant.headers, json=start)
    assert started.status_code == 200, started.text
    numbers = ["+14155550101", "+14155550102", "+14155550103"]
    await _ordered(browser, tenant, campaign_id=campaign_id, mobile_numbers=numbers)
    ended = await browser.post(f"{NATIVE}/campaigns/{campaign_id}/end", headers=tenant.headers)
    assert ended.status_code == 200, ended.text
    of_end = (await browser.get(f"{NATIVE}/terminations", headers=tenant.headers)).json()["terminations"][0]
    got = await visitor.get(f"/receipts/{of_end['termination_id']}.json")
    assert got.response.json() == of_end | {"calls": [], "next_cursor": None}
    table = await visitor.get(f"/receipts/{of_end['termination_id']}.csv")
    assert table.html.count("\r\n") == 1, "the names of the columns"


async def test_what_is_no_receipt_of_the_workspace_is_not_found(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, stranger: Tenant
) -> None:
    theirs = await _ordered(browser, stranger, campaign_id=await _campaign(browser, stranger, campaign_name="Secret"))
    ours = await _ordered(browser, tenant, campaign_id=await _campaign(browser, tenant))
    for suffix in ("", ".json", ".csv"):
        for termination_id in (theirs, "7", "00000000-0000-4000-8000-000000000000"):
            page = await visitor.get(f"/receipts/{termination_id}{suffix}", status=404)
            assert "Termination not found" in page.text
    await visitor.get(f"/receipts/{ours}.xml", status=404)
    for asked in ({}, {"text": "secret"}, {"text": theirs}, {"cursor": "ffffffff-ffff-7fff-bfff-ffffffffffff"}):
        assert theirs not in await _found(visitor, **asked)


async def test_files_are_for_those_who_are_signed_in(browser: httpx2.AsyncClient, tenant: Tenant) -> None:
    ours = await _ordered(browser, tenant, campaign_id=await _campaign(browser, tenant))
    for suffix in (".json", ".csv"):
        answer = await browser.get(f"/receipts/{ours}{suffix}")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")
        assert NUMBER not in answer.text


async def test_numbers_are_masked_until_they_are_revealed(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    await _campaign(browser, tenant)
    ours = await _ordered(browser, tenant, mobile_numbers=[NUMBER, "+14155550102"])
    shown = [await visitor.get(path) for path in ("/receipts", f"/receipts/{ours}")]
    for page in shown:
        assert MASKED in page.text
        assert NUMBER not in page.html
    found = await visitor.get("/receipts", text=NUMBER)
    assert found.form("/receipts").fields["text"] == NUMBER, "the number that was looked for is shown as typed"
    assert "and 1 more" in found.text
    await visitor.send(shown[0], "/reveal")
    for path in ("/receipts", f"/receipts/{ours}"):
        assert NUMBER in (await visitor.get(path)).text


async def test_what_lists_and_orders_bring_is_text(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    campaign_id = await _campaign(browser, tenant, campaign_name=HOSTILE)
    ours = await _ordered(browser, tenant, campaign_id=campaign_id, reason=HOSTILE)
    pages_shown = [
        await visitor.get("/receipts", text=HOSTILE),
        await visitor.get("/receipts", given_from=HOSTILE, status=400),
        await visitor.get(f"/receipts/{ours}"),
    ]
    for page in pages_shown:
        assert "<img" not in page.html.replace('<img src="/static/', "")
        assert "alert(1)</script>" not in page.html
    for page in (pages_shown[0], pages_shown[2]):
        assert page.text.count(HOSTILE) == 2, "the name and the reason"


async def test_a_receipt_names_its_campaign_also_after_it_was_deleted(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    campaign_id = await _campaign(browser, tenant)
    ours = await _ordered(browser, tenant, campaign_id=campaign_id)
    page = await visitor.get(f"/receipts/{ours}")
    assert f"/campaigns/{campaign_id}" in page.links
    assert "Spring" in page.text
    gone = await browser.delete(f"{COMPATIBLE}/calling/contact/{campaign_id}", headers=tenant.headers)
    assert gone.status_code == 200, gone.text
    page = await visitor.get(f"/receipts/{ours}")
    assert f"/campaigns/{campaign_id}" not in page.links
    assert "Spring" in page.text


async def test_pages_of_calls_end(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "CALLS_SHOWN_MAX", 2)
    ours = await _ordered(browser, tenant, campaign_id=await _campaign(browser, tenant))
    first = await visitor.get(f"/receipts/{ours}")
    following = [link for link in first.links if link.startswith("?after=")]
    assert len(following) == 1
    second = await visitor.get(f"/receipts/{ours}{following[0].removesuffix('#calls')}")
    assert not [link for link in second.links if link.startswith("?after=")]
    called = [link for page in (first, second) for link in page.links if link.startswith("/calls/")]
    assert len(called) == len(set(called)) == 3
    assert second.html.count('data-terminate="/terminate?level=calls') == 1
