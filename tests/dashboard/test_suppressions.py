"""Suppressed numbers in a browser: found, added, imported, removed; masked wherever a page has them."""

import re

import httpx2
import pytest

from ringoff.dashboard.suppressions import PAGE_MAX
from ringoff.operations import suppressions
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import NATIVE, Tenant, save
from tests.dashboard.visitor import Page, Visitor

NUMBERS = ("+14155550101", "+14155550102", "+442071838750")
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202eGNP'


async def _listed(store: PostgresStore, tenant: Tenant) -> list[str]:
    page, _ = await suppressions.list_suppressions(store, tenant.principal, "", None, 1_000)
    return [row.mobile_number for row in page]


async def _import(browser: httpx2.AsyncClient, visitor: Visitor, csv: str, *, status: int, **fields: str) -> Page:
    form = (await visitor.get("/suppressions/new")).form("/suppressions/import").fields
    form.pop("file")
    file = ("numbers.csv", csv.encode(), "text/csv")
    answer = await browser.post("/suppressions/import", data=form | fields, files={"file": file})
    assert answer.status_code == status, answer.text
    return Page(answer)


def _removal(page: Page) -> list[str]:
    return [link for link in page.links if link.startswith("/suppressions/remove?")]


async def test_numbers_are_added_listed_masked_and_removed(
    visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    pasted = f"{NUMBERS[0]}\r\n\r\n {NUMBERS[1]} ;{NUMBERS[0]}\n"
    given = await visitor.send(
        await visitor.get("/suppressions/new"), "/suppressions", numbers=pasted, reason="asked not to be called"
    )
    page = await visitor.get(given.response.headers["location"])
    assert "2 numbers added. No dial goes to them any more." in page.text
    assert "2 numbers in all" in page.text
    assert "asked not to be called test" in page.text, "the reason, and the name of the key"
    assert "+1415…01" in page.text
    assert not any(number in page.html for number in NUMBERS), "not in an address or a hidden field either"
    question = await visitor.get(_removal(page)[0])
    assert NUMBERS[0] not in question.html
    assert "Let +1415…01 be rung again?" in question.text
    assert await _listed(store, tenant) == [*NUMBERS[:2]], "nothing is removed before it was confirmed"
    gone = await visitor.send(question, "/suppressions/remove")
    assert "The number was removed" in (await visitor.get(gone.response.headers["location"])).text
    assert await _listed(store, tenant) == [NUMBERS[1]]
    refused = await visitor.send(question, "/suppressions/remove", status=404)
    assert "The number is not suppressed" in refused.text
    given = await visitor.send(await visitor.get("/suppressions/new"), "/suppressions", numbers="\n".join(NUMBERS))
    page = await visitor.get(given.response.headers["location"])
    assert "2 numbers added, 1 was on the list already" in page.text


async def test_each_bad_line_is_shown_and_nothing_is_stored(
    visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    pasted = f"{NUMBERS[0]}\n\nhello\n{NUMBERS[1]}, 4155550103"
    page = await visitor.send(
        await visitor.get("/suppressions/new"), "/suppressions", status=400, numbers=pasted, reason="why"
    )
    assert "Line 3: mobile_numbers[1] is not an E.164 phone number with a leading +: 'hello'" in page.text
    assert "Line 4: mobile_numbers[3] is not an E.164 phone number with a leading +: '4155550103'" in page.text
    fields = page.form("/suppressions").fields
    assert (fields["numbers"].splitlines(), fields["reason"]) == (pasted.splitlines(), "why")
    assert await _listed(store, tenant) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"numbers": " \n"}, "mobile_numbers must not be empty"),
        ({"numbers": "\n".join(f"+1415555{n:04}" for n in range(101))}, "mobile_numbers takes at most 100 entries"),
        ({"numbers": NUMBERS[0], "reason": "x" * 501}, "reason takes at most 500 characters, not 501"),
        ({"numbers": "+1415555010\u0661"}, "Line 1: mobile_numbers[0]"),
        ({"numbers": NUMBERS[0], "reason": "\x00"}, "has a character that cannot be stored"),
    ],
)
async def test_bad_input_gets_the_words_of_the_api(
    visitor: Visitor, tenant: Tenant, store: PostgresStore, fields: dict[str, str], words: str
) -> None:
    page = await visitor.send(await visitor.get("/suppressions/new"), "/suppressions", status=400, **fields)
    assert words in page.text
    assert await _listed(store, tenant) == []


@pytest.mark.parametrize(
    ("typed", "found", "in_full"),
    [
        ("", 3, []),
        ("+1415", 2, []),
        ("1 (415) 555-01", 2, []),
        ("+44", 1, []),
        ("0044 20 7183 8750", 1, [NUMBERS[2]]),
        ("+14155550102", 1, [NUMBERS[1]]),
        ("+9", 0, []),
        ("+", 3, []),
    ],
)
async def test_a_number_is_found_by_its_beginning(
    visitor: Visitor, tenant: Tenant, store: PostgresStore, typed: str, found: int, in_full: list[str]
) -> None:
    await suppressions.suppress(store, tenant.principal, NUMBERS, None)
    page = await visitor.get("/suppressions", number=typed)
    assert len(_removal(page)) == found
    assert [number for number in NUMBERS if number in page.text] == in_full, "shown as far as it was typed"


@pytest.mark.parametrize("typed", ["hello", "+1415x", "+" + "1" * 16, "++1", "+1415\u0661", HOSTILE])
async def test_what_no_number_begins_with_is_said(visitor: Visitor, typed: str) -> None:
    page = await visitor.get("/suppressions", status=400, number=typed)
    assert "a number is found by its first digits" in page.text
    assert "<img src=x" not in page.html


@pytest.mark.parametrize("query", ["added=2", "known=1", "added=x&removed=-1", "added=99999999999", "removed=0"])
async def test_what_a_link_says_of_an_order_breaks_no_page(visitor: Visitor, query: str) -> None:
    page = await visitor.get(f"/suppressions?{query}")
    assert ("2 numbers added." in page.text) is (query == "added=2")


async def test_numbers_are_paged_without_telling_them(visitor: Visitor, tenant: Tenant, store: PostgresStore) -> None:
    numbers = [f"+1415555{n:04}" for n in range(2 * PAGE_MAX + 1)]
    await suppressions.suppress(store, tenant.principal, numbers, None)
    path, seen = "/suppressions?number=%2B1415", []
    for count in (PAGE_MAX, PAGE_MAX, 1):
        page = await visitor.get(path)
        assert len(_removal(page)) == count
        seen += re.findall(r"\+1415…(\d\d)", page.text.partition("Number Reason")[2])
        assert not any(number in page.html for number in numbers)
        more = [link for link in page.links if "after=" in link]
        path = more[0] if more else ""
    assert path == ""
    assert seen == [number[-2:] for number in numbers]


async def test_whoever_reveals_numbers_sees_them(visitor: Visitor, tenant: Tenant, store: PostgresStore) -> None:
    await suppressions.suppress(store, tenant.principal, NUMBERS, None)
    await visitor.send(await visitor.get("/suppressions"), "/reveal")
    page = await visitor.get("/suppressions")
    assert all(number in page.text for number in NUMBERS)


async def test_an_order_that_added_a_number_is_linked(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    assert (await save(browser, tenant)).status_code == 200
    order = {"mobile_numbers": [NUMBERS[0]], "suppress": True, "reason": "complained"}
    given = await browser.post(f"{NATIVE}/terminations", headers=tenant.headers, json=order)
    assert given.status_code == 202, given.text
    page = await visitor.get("/suppressions")
    receipt = f"/receipts/{given.json()['termination_id']}"
    assert receipt in page.links
    assert "complained test , with an order" in page.text
    assert receipt in (await visitor.get(_removal(page)[0])).links
    await visitor.get(receipt)


async def test_a_file_is_imported_with_a_report(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    await suppressions.suppress(store, tenant.principal, NUMBERS[1:2], None)
    messy = "Name,Phone\nAda,(415) 555-0101\nBob,nonsense\nCy,+1 415 555 0102\nDee,4155550101\n"
    refused = await _import(browser, visitor, messy, status=400, country_code="+1", number_column="Phone", reason="may")
    assert "Nothing was stored" in refused.text
    assert "line 3" in refused.text.lower()
    assert "'Phone'" in refused.text
    kept = refused.form("/suppressions/import").fields
    assert (kept["country_code"], kept["number_column"], kept["reason"]) == ("+1", "Phone", "may")
    assert await _listed(store, tenant) == [NUMBERS[1]]
    wanted = {"country_code": "+1", "number_column": "Phone", "reason": HOSTILE, "remove_invalid_rows": "true"}
    for added, known in ((1, 1), (0, 2)):
        page = await _import(browser, visitor, messy, status=200, **wanted)
        assert f"{added} number{'' if added == 1 else 's'} added" in page.text
        assert f"Rows in the file 4 Good numbers 2 On the list before {known} Skipped rows 2" in page.text
        assert "repeats the number of line 2" in page.text
        assert NUMBERS[0] not in page.html
    assert await _listed(store, tenant) == [*NUMBERS[:2]]
    listed = await visitor.get("/suppressions")
    assert HOSTILE in listed.text
    assert "<img src=x" not in listed.html


@pytest.mark.parametrize(
    ("csv", "fields", "words"),
    [
        ("Phone\n+14155550101\n", {"country_code": "+1"}, "Mobile Number"),
        ("Mobile Number\n+14155550101\n", {"country_code": "nowhere"}, "country_code"),
        ("Mobile Number\n+14155550101\n", {}, "Missing required field: country_code"),
        ("Mobile Number\n+14155550101\n", {"country_code": "+1", "reason": "x" * 501}, "reason"),
        ("", {"country_code": "+1"}, "Invalid file format"),
    ],
)
async def test_a_bad_file_is_refused_in_the_words_of_the_api(
    browser: httpx2.AsyncClient,
    visitor: Visitor,
    tenant: Tenant,
    store: PostgresStore,
    csv: str,
    fields: dict[str, str],
    words: str,
) -> None:
    page = await _import(browser, visitor, csv, status=400, **fields)
    assert words in page.text
    assert await _listed(store, tenant) == []


async def test_a_file_that_was_not_picked_is_missed(browser: httpx2.AsyncClient, visitor: Visitor) -> None:
    csrf = (await visitor.get("/suppressions/new")).form("/suppressions/import").fields["csrf"]
    # As browsers send it, which no client library does.
    parts = ['name="country_code"\r\n\r\n+1', f'name="csrf"\r\n\r\n{csrf}', 'name="file"; filename=""\r\n\r\n']
    body = "".join(f"--x\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await browser.post("/suppressions/import", content=body.encode(), headers=headers)
    assert answer.status_code == 400
    assert "Missing required field: file" in Page(answer).text


async def test_a_form_of_another_site_changes_nothing(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    await suppressions.suppress(store, tenant.principal, NUMBERS[:1], None)
    [link] = _removal(await visitor.get("/suppressions"))
    sealed = (await visitor.get(link)).form("/suppressions/remove").fields["number"]
    for token in ("", "0" * 64):
        for path, fields in (("/suppressions", {"numbers": NUMBERS[1]}), ("/suppressions/remove", {"number": sealed})):
            page = await visitor.post(path, {"csrf": token} | fields, status=400)
            assert "this form is from another session or another site" in page.text
        csv = "Mobile Number\n+14155550103\n"
        page = await _import(browser, visitor, csv, status=400, csrf=token, country_code="+1")
        assert "this form is from another session or another site" in page.text
    assert await _listed(store, tenant) == [NUMBERS[0]]


async def test_another_workspace_is_out_of_reach(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, stranger: Tenant, store: PostgresStore
) -> None:
    await suppressions.suppress(store, stranger.principal, NUMBERS, None)
    await suppressions.suppress(store, tenant.principal, NUMBERS[:1], None)
    page = await visitor.get("/suppressions")
    [link] = _removal(page)
    await visitor.send(await visitor.get(link), "/suppressions/remove")
    assert await _listed(store, stranger) == [*NUMBERS]
    theirs = await Visitor.signed_in(browser, stranger.key)
    await theirs.get(link, status=404)
    for sealed in ("", "x", "é", "A" * 43, "A" * 5_000, NUMBERS[0]):
        page = await theirs.get("/suppressions/remove", status=404, number=sealed)
        assert "search for the number again" in page.text
        assert len(_removal(await theirs.get("/suppressions", after=sealed))) == len(NUMBERS)
