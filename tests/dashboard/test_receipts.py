"""Receipts: found by what people remember of them, and taken away as JSON and CSV."""

import csv
import io
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.contract.tenants import COMPATIBLE, NATIVE, Tenant, save
from tests.dashboard.visitor import Visitor

REASON = '=HYPERLINK("http://evil.test")'


async def _ended(browser: httpx2.AsyncClient, tenant: Tenant, reason: str) -> str:
    saved = await save(browser, tenant)
    body = {"campaign_id": saved.json()["list_id"], "reason": reason}
    given = await browser.post(f"{NATIVE}/terminations", headers=tenant.headers, json=body)
    assert given.status_code == 202, given.text
    termination_id: str = given.json()["termination_id"]
    return termination_id


async def test_a_receipt_is_found_by_what_is_known_of_it(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    wrong_prompt = await _ended(browser, tenant, "wrong prompt")
    wrong_list = await _ended(browser, tenant, "wrong list")
    for text in ("prompt", wrong_prompt, wrong_prompt[:30]):
        page = await visitor.get("/receipts", text=text)
        assert (f"/receipts/{wrong_prompt}" in page.links, f"/receipts/{wrong_list}" in page.links) == (True, False)
    assert "No receipt matches" in (await visitor.get("/receipts", text="x", level="numbers")).text
    both = await visitor.get("/receipts", given_from="2020-01-01", state="", level="campaign")
    assert {f"/receipts/{wrong_prompt}", f"/receipts/{wrong_list}"} <= set(both.links)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"state": "x"}, "state"),
        ({"level": "x"}, "level"),
        ({"given_from": "yesterday"}, "given_from"),
        ({"text": "x" * 300}, "text must have 1 to"),
        ({"cursor": "7"}, "cursor"),
    ],
)
async def test_a_search_that_is_none_gets_the_words_of_the_api(
    visitor: Visitor, query: dict[str, str], words: str
) -> None:
    page = await visitor.get("/receipts", 400, **query)
    assert words in page.text


async def test_a_receipt_is_exported_whole(browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant) -> None:
    termination_id = await _ended(browser, tenant, REASON)
    exported = (await browser.get(f"/receipts/{termination_id}.json")).json()
    calls = exported.pop("calls")
    answer = (await browser.get(f"{NATIVE}/terminations/{termination_id}", headers=tenant.headers)).json()
    assert calls == answer.pop("calls")
    assert exported == answer
    as_csv = await browser.get(f"/receipts/{termination_id}.csv")
    assert as_csv.headers["content-disposition"].endswith(f'receipt-{termination_id}.csv"')
    rows = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [row["call_id"] for row in rows] == [call["call_id"] for call in calls]
    # A number in E.164 is a number to a spreadsheet too; anything else that begins like a formula is none of ours.
    cells = [cell for row in rows for name, cell in row.items() if name != "mobile_number"]
    assert all(cell[:1] not in {"=", "+", "-", "@", "\t", "\r"} for cell in cells)


async def test_what_is_not_there_cannot_be_exported(
    browser: httpx2.AsyncClient, visitor: Visitor, stranger: Tenant
) -> None:
    theirs = await _ended(browser, stranger, "theirs")
    for termination_id in (theirs, str(uuid4()), "x"):
        for suffix in (".json", ".csv", ""):
            await visitor.get(f"/receipts/{termination_id}{suffix}", 404)
    assert theirs not in (await visitor.get("/receipts", text=theirs)).links


async def test_older_receipts_are_on_the_next_page(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringoff.dashboard.receipts.PAGE_MAX", 2)
    ids = [await _ended(browser, tenant, f"order {n}") for n in range(3)]
    first = await visitor.get("/receipts", text="order")
    form = next(form for form in first.forms if "cursor" in form.fields)
    fields: dict[str, Any] = dict(form.fields)
    second = await visitor.get("/receipts", **fields)
    shown = [link for page in (first, second) for link in page.links if link.startswith("/receipts/")]
    assert shown == [f"/receipts/{termination_id}" for termination_id in reversed(ids)]
    assert "cursor" not in second.form("/receipts").fields


async def test_the_export_of_the_api_is_the_same(browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant) -> None:
    termination_id = await _ended(browser, tenant, "x")
    answer = await browser.get(f"{NATIVE}/terminations/{termination_id}/export", headers=tenant.headers)
    assert answer.text == (await browser.get(f"/receipts/{termination_id}.csv")).text
    assert (await browser.get(f"{COMPATIBLE}/workspace", headers=tenant.headers)).status_code == 200
