"""One call on its page, and the search: what is told, masked, escaped, and kept from other workspaces."""

from uuid import uuid4

import httpx2

from tests.contract.tenants import Tenant, history, registered_call, save, start, terminate
from tests.dashboard.visitor import Visitor

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202eGNP'
NUMBER = "+14155550111"


async def test_a_call_is_shown_with_who_is_called_and_what_happened(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    call_id = await registered_call(browser, tenant, custom_args_values={"company": "Acme", "level": 3})
    page = await visitor.get(f"/calls/{call_id}")
    assert "waiting" in page.text
    assert "It has not been dialled." in page.text
    assert "company Acme" in page.text
    assert "level 3" in page.text
    assert f"/terminate?level=calls&call_ids={call_id}" in page.links
    assert f'<body data-terminate="/terminate?level=calls&amp;call_ids={call_id}">' in page.html


async def test_a_call_that_was_ended_leads_to_the_receipt_and_has_nothing_left_to_end(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    call_id = await registered_call(browser, tenant)
    await terminate(browser, tenant, {"call_ids": [call_id]}, "/calls")
    page = await visitor.get(f"/calls/{call_id}")
    assert "cancelled" in page.text
    assert "Covered by an order" in page.text
    receipt = next(link for link in page.links if link.startswith("/receipts/"))
    assert "Named calls" in (await visitor.get(receipt)).text
    assert "Terminate this call" not in page.text


async def test_a_call_of_a_campaign_leads_back_to_it(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    list_id = (await save(browser, tenant)).json()["list_id"]
    await start(browser, tenant, list_id)
    call_id = (await history(browser, tenant))["calls"][0]["id"]
    page = await visitor.get(f"/calls/{call_id}")
    assert f"/campaigns/{list_id}" in page.links
    assert f"/calls/{call_id}" in (await visitor.get(f"/campaigns/{list_id}")).links


async def test_numbers_are_masked_also_among_the_variables(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    call_id = await registered_call(browser, tenant, custom_args_values={"own": NUMBER})
    page = await visitor.get(f"/calls/{call_id}")
    assert NUMBER not in page.html
    await visitor.send(page, "/reveal")
    assert (await visitor.get(f"/calls/{call_id}")).text.count(NUMBER) >= 2


async def test_what_a_request_brought_is_text_and_never_markup(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    call_id = await registered_call(
        browser, tenant, name=HOSTILE, custom_args_values={HOSTILE: HOSTILE, "nested": {"a": [HOSTILE]}}
    )
    await terminate(browser, tenant, {"call_ids": [call_id]}, "/calls")
    page = await visitor.get(f"/calls/{call_id}")
    assert page.text.count(HOSTILE) >= 3
    assert "<script>alert" not in page.html
    assert "<img src=x" not in page.html


async def test_the_search_finds_a_call_by_its_id_and_open_calls_by_number(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    call_id = await registered_call(browser, tenant)
    assert (await visitor.get("/calls", status=303, q=call_id)).response.headers["location"] == f"/calls/{call_id}"
    found = await visitor.get("/calls", q=NUMBER)
    assert f"/calls/{call_id}" in found.links
    assert "an individual call" in found.text
    await terminate(browser, tenant, {"call_ids": [call_id]}, "/calls")
    assert "No call to this number waits" in (await visitor.get("/calls", q=NUMBER)).text
    assert "mobile_numbers[0] is not an E.164" in (await visitor.get("/calls", status=400, q="4155550111")).text
    assert "Call not found" in (await visitor.get("/calls", status=404, q=str(uuid4()))).text
    assert "By its id" in (await visitor.get("/calls")).text


async def test_another_workspace_has_no_such_call(
    browser: httpx2.AsyncClient, visitor: Visitor, stranger: Tenant
) -> None:
    call_id = await registered_call(browser, stranger)
    for path in (f"/calls/{call_id}", "/calls/7", f"/calls?q={call_id}"):
        assert "Call not found" in (await visitor.get(path, status=404)).text
    assert call_id not in (await visitor.get("/calls", q=NUMBER)).html
