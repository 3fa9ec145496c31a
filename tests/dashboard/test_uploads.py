"""The upload as a plain form: looked at before it is stored, stored only as it was seen, refused in the API's words."""

from typing import Any

import httpx2
import pytest

from ringoff.dashboard import upload_form
from tests.contract.tenants import NATIVE, Tenant, history
from tests.dashboard.visitor import Page, Visitor

CSV = "Phone,Full name,Company,City\n+14155550101,Ada,Acme,Oslo\n4155550102,Bob,Bolt,Bern\nabc,Cy,Core,Cork\n"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202eGNP'


async def _send(
    browser: httpx2.AsyncClient,
    fields: dict[str, Any],
    csv: str | bytes = CSV,
    *,
    to: str = "/campaigns/new",
    status: int = 200,
) -> Page:
    content = csv.encode() if isinstance(csv, str) else csv
    answer = await browser.post(to, data=fields, files={"file": ("list.csv", content, "text/csv")})
    assert answer.status_code == status, answer.text
    return Page(answer)


async def _filled(visitor: Visitor, tenant: Tenant, **changes: str) -> dict[str, Any]:
    form = (await visitor.get("/campaigns/new")).form("/campaigns/new").fields
    wanted = {"campaign_name": "Autumn", "agent_id": tenant.agent_id, "country_code": "US"}
    return {name: text for name, text in (form | wanted | changes).items() if name != "file"}


def _seen(page: Page) -> dict[str, str]:
    """What the page would send, without the file: a browser does not keep that."""
    return {name: text for name, text in page.form("/campaigns/new").fields.items() if name not in ("file", "")}


async def _campaigns(browser: httpx2.AsyncClient, tenant: Tenant) -> list[dict[str, Any]]:
    answer = await browser.get(f"{NATIVE}/campaigns", headers=tenant.headers)
    found: list[dict[str, Any]] = answer.json()["campaigns"]
    return found


async def test_a_list_is_looked_at_then_stored_as_a_draft(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    seen = await _send(browser, await _filled(visitor, tenant, **{"column.City": "City"}))
    assert "2 calls" in seen.text
    assert "line" in seen.text.lower()
    assert "holds no digits" in seen.text
    assert "Pick the same file again" in seen.text
    fields = _seen(seen)
    assert fields["column.mobile_number"] == "Phone"
    assert fields["column.callee_name"] == "Full name"
    assert fields["column.company"] == "Company"
    assert await _campaigns(browser, tenant) == [], "nothing is stored before it was seen"
    refused = await _send(browser, fields, status=400)
    assert "Invalid row. line 4, column 'Phone': holds no digits" in refused.text
    stored = await _send(browser, _seen(refused) | {"skip_invalid": "true"}, status=303)
    [campaign] = await _campaigns(browser, tenant)
    assert stored.response.headers["location"] == f"/campaigns/{campaign['campaign_id']}#start"
    assert campaign["status"] == "draft"
    calls = (await history(browser, tenant))["calls"]
    assert sorted(call["to_number"] for call in calls) == ["+14155550101", "+14155550102"]
    assert "City Oslo" in "".join([(await visitor.get(f"/calls/{call['id']}")).text for call in calls])


@pytest.mark.parametrize(
    ("changes", "csv"),
    [
        ({}, CSV.replace("Ada", "Eve")),
        ({"column.callee_name": "City"}, CSV),
        ({"country_code": "IN"}, CSV),
    ],
)
async def test_what_was_not_seen_is_not_stored(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, changes: dict[str, str], csv: str
) -> None:
    seen = await _send(browser, await _filled(visitor, tenant))
    fields = _seen(seen) | {"skip_invalid": "true"}
    shown_again = await _send(browser, fields | changes, csv, status=400)
    assert "this is not what the preview showed" in shown_again.text
    assert await _campaigns(browser, tenant) == []
    await _send(browser, _seen(shown_again) | {"skip_invalid": "true"}, csv, status=303)
    assert len(await _campaigns(browser, tenant)) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agent_id": ""}, "Missing required field: agent_id"),
        ({"agent_id": "x"}, "agent_id"),
        ({"agent_id": "6a0f2b60-7f0e-4b9a-8f5e-000000000000"}, "Agent not found"),
        ({"campaign_name": ""}, "campaign_name"),
        ({"campaign_name": "x" * 201}, "campaign_name must have 1 to 200 characters"),
        ({"country_code": "ZZ"}, "country_code is neither a calling code nor a region: 'ZZ'"),
        ({"timezone": "Mars/Base"}, "call_config.call_time.timezone is not an IANA time zone: 'Mars/Base'"),
        ({"call_start_time": "25:00"}, "call_config.call_time.call_start_time must be HH:MM"),
        ({"call_end_time": "09:00"}, "the window never opens"),
        ({"retry_count": "many"}, "call_config.call_retry_config.retry_count must be a whole number"),
        ({"max_call_length": "0"}, "call_config.max_call_length must be a whole number"),
        ({"campaign_start_time": "soon"}, "campaign_start_time must be 'DD/MM/YYYY, HH:MM' or ISO 8601"),
        ({"campaign_end_time": "2020-01-01T10:00"}, "campaign_end_time must be"),
        ({"column.mobile_number": "Nope"}, "which the file does not have"),
    ],
)
async def test_bad_input_gets_the_words_of_the_api_and_the_form_back(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, changes: dict[str, str], words: str
) -> None:
    page = await _send(browser, await _filled(visitor, tenant, **changes), status=400)
    assert words in page.text
    fields = _seen(page)
    assert "previewed" not in fields, "there is nothing to store"
    for name, text in changes.items():
        if not name.startswith("column."):
            assert fields[name] == text
    assert await _campaigns(browser, tenant) == []


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ("", "Missing required field: file"),
        (b"PK\x03\x04 a workbook", "a spreadsheet or zip archive, not CSV"),
        ("City,Balance\nOslo,1\n", "the column 'Mobile Number' is missing (found: 'City', 'Balance')"),
        ("Phone,Phone\n+14155550101,1\n", "the column 'Phone' appears twice in the header"),
        ("Phone\nabc\n", "No valid rows"),
        ('Phone\n"+14155550101\n', "a quote that opens in this record is never closed"),
    ],
)
async def test_a_file_that_is_no_list_is_refused_in_the_words_of_the_upload(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, csv: str | bytes, words: str
) -> None:
    page = await _send(browser, await _filled(visitor, tenant), csv, status=400)
    assert words in page.text
    assert await _campaigns(browser, tenant) == []


async def test_a_column_that_was_guessed_can_be_left_out(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    csv = CSV.replace("abc,Cy,Core,Cork\n", "")
    seen = _seen(await _send(browser, await _filled(visitor, tenant), csv))
    assert seen["column.company"] == "Company"
    changed = await _send(browser, seen | {"column.company": ""}, csv, status=400)
    assert _seen(changed)["column.company"] == "", "it is not guessed again"
    another = await _send(browser, _seen(changed) | {"again": "true"}, csv.replace("City", "Town"))
    assert _seen(another)["column.company"] == "Company", "in another file there is everything to be guessed"
    await _send(browser, _seen(changed), csv, status=303)
    [call, _] = (await history(browser, tenant))["calls"]
    assert "Acme" not in (await visitor.get(f"/calls/{call['id']}")).text


async def test_a_large_list_is_verified_after_it_is_stored(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_form, "LARGE_FROM", 2)
    seen = await _send(browser, await _filled(visitor, tenant))
    assert "verified afterwards" in seen.text
    await _send(browser, _seen(seen), status=303)
    [campaign] = await _campaigns(browser, tenant)
    assert campaign["status"] == "verifying"


async def test_the_settings_of_the_form_are_those_of_the_campaign(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    changes = {"timezone": "Europe/Oslo", "retry_count": "2", "campaign_end_time": "2090-01-01T10:00"}
    seen = await _send(browser, await _filled(visitor, tenant, **changes), CSV.replace("abc,Cy,Core,Cork\n", ""))
    stored = await _send(browser, _seen(seen), CSV.replace("abc,Cy,Core,Cork\n", ""), status=303)
    page = await visitor.get(stored.response.headers["location"].partition("#")[0])
    assert "09:00 to 21:00 Europe/Oslo" in page.text
    assert "2, after 30 min when busy" in page.text
    assert "10:00 Europe/Oslo" in page.text


async def test_suppressed_numbers_are_told_of_before_they_are_skipped(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    added = await browser.post(
        f"{NATIVE}/suppressions", headers=tenant.headers, json={"mobile_numbers": ["+14155550102"]}
    )
    assert added.status_code in (200, 201), added.text
    seen = await _send(browser, await _filled(visitor, tenant), CSV + "+14155550101,Ada again,Acme,Oslo\n")
    assert "suppressed 1 stored, never rung" in seen.text
    assert "invalid 2 1 twice in the file" in seen.text


async def test_a_script_gets_the_part_alone_and_nothing_is_stored(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    part = await _send(browser, await _filled(visitor, tenant), to="/campaigns/new/preview")
    assert "html" not in part.tags
    assert "2 calls" in part.text
    assert await _campaigns(browser, tenant) == []


async def test_what_the_file_holds_is_text_and_masked(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    quoted = HOSTILE.replace('"', '""')
    csv = f'Phone,"{quoted}"\n+14155550101,"{quoted}"\n+14155550101,again\n'
    seen = await _send(
        browser, await _filled(visitor, tenant, **{f"column.{HOSTILE}": HOSTILE, "campaign_name": HOSTILE}), csv
    )
    assert HOSTILE in seen.text
    assert "repeats the number of line 2" in seen.text
    assert "<script>alert" not in seen.html
    assert "<img src=x" not in seen.html
    assert "+14155550101" not in seen.html
    assert "+1415…01" in seen.text


async def test_a_form_from_elsewhere_is_refused(browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant) -> None:
    fields = await _filled(visitor, tenant)
    for csrf in ("", "0" * 64):
        for to in ("/campaigns/new", "/campaigns/new/preview"):
            page = await _send(browser, fields | {"csrf": csrf}, to=to, status=400)
            assert "another session or another site" in page.text
    assert await _campaigns(browser, tenant) == []


async def test_the_agent_of_another_workspace_is_none(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, stranger: Tenant
) -> None:
    page = await _send(browser, await _filled(visitor, tenant, agent_id=stranger.agent_id), status=400)
    assert "Agent not found" in page.text


async def test_a_file_beyond_the_limit_is_refused_before_it_is_read(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    page = await _send(browser, await _filled(visitor, tenant), "x" * (256 * 1024 + 1), status=413)
    assert "larger than" in page.text
