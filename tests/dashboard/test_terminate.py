"""The terminate page as a plain form: what it shows, what it refuses, and that what it gives is an order like any."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest

from ringoff.dashboard import terminate
from ringoff.domain.termination import MOBILE_NUMBERS_MAX
from ringoff.operations import receipts
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import COMPATIBLE, CONTACTS, Tenant, save
from tests.dashboard.visitor import Page, Visitor

NUMBER = "+14155550101"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202eGNP'


async def _campaign(browser: httpx2.AsyncClient, tenant: Tenant, csv: str = CONTACTS, **changes: str) -> str:
    saved = await save(browser, tenant, csv, **changes)
    assert saved.status_code == 200, saved.text
    campaign_id: str = saved.json()["list_id"]
    return campaign_id


async def _statuses(browser: httpx2.AsyncClient, tenant: Tenant) -> Sequence[str]:
    answer = await browser.get(f"{COMPATIBLE}/calling/history", headers=tenant.headers, params={"limit": "1000"})
    return sorted(call["status"] for call in answer.json()["calls"])


@asynccontextmanager
async def _busy(store: PostgresStore) -> AsyncIterator[None]:
    """Every connection for requests is taken, as by uploads; those for orders and for sessions are free."""
    async with AsyncExitStack() as uploads:
        for _ in range(store.pool_use()[0].size_max):
            await uploads.enter_async_context(store.transaction())
        yield


async def test_a_campaign_is_ended_in_two_steps_and_its_receipt_is_shown(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    campaign_id = await _campaign(browser, tenant)
    shown = await visitor.send(
        await visitor.get("/terminate"), "/terminate", status=200, other_campaign_id=campaign_id, reason="wrong prompt"
    )
    assert "3 calls" in shown.text
    assert await _statuses(browser, tenant) == ["registered"] * 3, "nothing is ended before it was shown"
    given = await visitor.send(shown, "/terminate")
    receipt = await visitor.get(given.response.headers["location"])
    assert "A whole campaign" in receipt.text
    assert "wrong prompt" in receipt.text
    assert await _statuses(browser, tenant) == ["cancelled"] * 3
    assert given.response.headers["location"] in (await visitor.get("/receipts")).links


async def test_the_same_form_sent_twice_is_one_order(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    shown = await visitor.get("/terminate", level="campaign", campaign_id=await _campaign(browser, tenant))
    first = await visitor.send(shown, "/terminate")
    # By now there is nothing left to end: only the key says that this was carried out.
    again = await visitor.send(shown, "/terminate")
    assert again.response.headers["location"] == first.response.headers["location"]
    assert len(await receipts.list_receipts(store, tenant.principal, None, None, 10)) == 1


@pytest.mark.parametrize("level", ["agent", "campaign", "campaign_numbers", "numbers", "calls"])
async def test_each_level_is_previewed_and_given(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, level: str
) -> None:
    campaign_id = await _campaign(browser, tenant)
    answer = await browser.get(f"{COMPATIBLE}/calling/history", headers=tenant.headers)
    call_id = next(call["id"] for call in answer.json()["calls"] if call["to_number"] == NUMBER)
    given: dict[str, Any] = {
        "level": level,
        "agent_id": tenant.agent_id,
        "campaign_id": campaign_id,
        "numbers": f" {NUMBER},\n",
    }
    page = await visitor.get("/terminate", **given, call_ids=call_id)
    count = 3 if level in {"agent", "campaign"} else 1
    assert f"Terminate {count} call" in page.text
    location = (await visitor.send(page, "/terminate")).response.headers["location"]
    detail = await browser.get(f"/api/v1/terminations/{location.rpartition('/')[2]}", headers=tenant.headers)
    assert detail.json()["level"] == level
    assert (await _statuses(browser, tenant)).count("cancelled") == count


async def test_every_bad_entry_of_a_pasted_list_is_shown_and_nothing_is_done(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    await _campaign(browser, tenant)
    pasted = f"{NUMBER}\nhello\n+1415555010\u0661\n{NUMBER} "
    page = await visitor.get("/terminate", level="numbers", numbers=pasted)
    assert "Entry 2: mobile_numbers[1] is not an E.164 phone number with a leading +: 'hello'" in page.text
    assert "Entry 3: mobile_numbers[2]" in page.text
    fields = page.form("/terminate").fields
    assert fields["numbers"] == pasted.strip(), "what was pasted is still there"
    assert "shown_count" not in fields
    refused = await visitor.post("/terminate", fields | {"shown_count": "1"}, status=400)
    assert "Entry 2" in refused.text
    assert await _statuses(browser, tenant) == ["registered"] * 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"level": "campaign", "campaign_id": "7"}, "campaign_id is not a UUID: '7'"),
        ({"level": "agent", "agent_id": "x"}, "agent_id is not a UUID: 'x'"),
        ({"level": "calls", "call_ids": "1;2"}, "Entry 2: call_ids[1] is not a UUID: '2'"),
        ({"level": "numbers", "numbers": "+14155550101 +14155550102"}, "mobile_numbers[0] is not an E.164"),
        ({"level": "numbers", "numbers": NUMBER, "reason": "x" * 501}, "reason takes at most 500 characters, not 501."),
        ({"level": "numbers", "numbers": NUMBER, "ongoing": "x"}, "ongoing must be 'finish' or 'hangup', not 'x'."),
        (
            {"level": "numbers", "numbers": "\n".join(["+14155550101"] * (MOBILE_NUMBERS_MAX + 1))},
            "mobile_numbers takes at most 100 entries, not 101.",
        ),
        ({"level": "numbers", "numbers": ""}, "mobile_numbers"),
        ({}, "campaign_id is not a UUID: ''"),
    ],
)
async def test_bad_input_gets_the_words_of_the_api(visitor: Visitor, fields: dict[str, str], words: str) -> None:
    token = (await visitor.get("/terminate")).form("/terminate").fields["csrf"]
    page = await visitor.post("/terminate", {"csrf": token} | fields, status=400)
    assert words in page.text


async def test_a_large_order_wants_its_count_typed(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    rows = "".join(f"+1415{5550000 + row},Somebody,Acme\n" for row in range(1_000, 2_100))
    campaign_id = await _campaign(browser, tenant, "Mobile Number,Name,Company\n" + rows)
    page = await visitor.get("/terminate", level="campaign", campaign_id=campaign_id)
    assert "Type 1100" in page.text
    for typed in ("", "100", "1099", "yes"):
        refused = await visitor.send(page, "/terminate", status=400, typed_count=typed)
        assert "type 1100 to say that this many calls are to end" in refused.text
    assert set(await _statuses(browser, tenant)) == {"registered"}
    await visitor.send(page, "/terminate", typed_count=" 1,100 ")
    assert set(await _statuses(browser, tenant)) == {"cancelled"}


async def test_what_has_grown_since_it_was_shown_is_shown_again(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    await _campaign(browser, tenant)
    page = await visitor.get("/terminate", level="agent", agent_id=tenant.agent_id)
    rows = "".join(f"+1415{5550000 + row},Somebody,Acme\n" for row in range(1_000, 1_020))
    await _campaign(browser, tenant, "Mobile Number,Name,Company\n" + rows)
    refused = await visitor.send(page, "/terminate", status=400)
    assert "it would now end 23 calls, and 3 were shown to you" in refused.text
    await visitor.send(refused, "/terminate")
    assert set(await _statuses(browser, tenant)) == {"cancelled"}


@pytest.mark.parametrize(
    "changes",
    [
        {"campaign_id": "{other}", "other_campaign_id": ""},
        {"campaign_id": "", "other_campaign_id": "{other}"},
        {"level": "agent", "agent_id": "{agent}"},
        {"level": "campaign_numbers", "numbers": NUMBER},
        {"ongoing": "hangup"},
        {"shown_order": ""},
    ],
    ids=["another pick", "another id", "a wider level", "a narrower level", "hang up", "no mark"],
)
async def test_a_form_that_changed_after_its_preview_is_shown_again(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, changes: dict[str, str]
) -> None:
    shown = await visitor.get("/terminate", level="campaign", campaign_id=await _campaign(browser, tenant))
    other = await _campaign(browser, tenant)
    changed: dict[str, Any] = {name: text.format(other=other, agent=tenant.agent_id) for name, text in changes.items()}
    refused = await visitor.send(shown, "/terminate", status=400, **changed)
    assert "the form has changed since its calls were counted" in refused.text
    assert set(await _statuses(browser, tenant)) == {"registered"}
    again = refused.form("/terminate").fields | ({} if "shown_order" in changed else changed)
    await visitor.post("/terminate", again)
    assert "cancelled" in await _statuses(browser, tenant)


@pytest.mark.parametrize("is_shown_before", [True, False])
async def test_an_order_goes_through_while_uploads_hold_every_connection_for_requests(
    browser: httpx2.AsyncClient,
    visitor: Visitor,
    tenant: Tenant,
    store: PostgresStore,
    monkeypatch: pytest.MonkeyPatch,
    is_shown_before: bool,
) -> None:
    campaign_id = await _campaign(browser, tenant)
    page = await visitor.get("/terminate", level="campaign", campaign_id=campaign_id if is_shown_before else "")
    monkeypatch.setattr(terminate, "LOOK_S", 0.05)
    async with _busy(store):
        if not is_shown_before:
            page = await visitor.send(page, "/terminate", status=200, other_campaign_id=campaign_id)
            assert "What it would end cannot be counted now" in page.text
            assert "Terminate whatever it covers" in page.text
        await visitor.send(page, "/terminate")
    assert await _statuses(browser, tenant) == ["cancelled"] * 3


async def test_what_could_not_be_counted_is_shown_once_it_can_be(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    page = await visitor.get("/terminate", level="campaign", campaign_id=await _campaign(browser, tenant))
    refused = await visitor.send(page, "/terminate", status=400, shown_count="uncounted")
    assert "its calls can be counted again" in refused.text
    assert "Terminate 3 calls" in refused.text
    assert await _statuses(browser, tenant) == ["registered"] * 3


async def test_reason_and_suppression_may_be_chosen_after_the_preview(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    await _campaign(browser, tenant)
    shown = await visitor.get("/terminate", level="numbers", numbers=NUMBER)
    given = await visitor.send(shown, "/terminate", reason="asked not to be called", suppress="true")
    receipt = await visitor.get(given.response.headers["location"])
    assert "asked not to be called" in receipt.text
    assert "numbers suppressed 1" in receipt.text


async def test_a_picked_campaign_and_the_id_of_another_are_refused_together(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    # A draft is not among those to pick: the link fills in its id, and a pick beside it would be ignored.
    shown = await visitor.get("/terminate", level="campaign", campaign_id=await _campaign(browser, tenant))
    picked = await _campaign(browser, tenant)
    refused = await visitor.send(shown, "/terminate", status=400, campaign_id=picked)
    assert "the id of another is given: clear one of them" in refused.text
    assert set(await _statuses(browser, tenant)) == {"registered"}


async def test_a_form_whose_key_was_used_for_another_order_gets_a_new_key(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    first = await visitor.get("/terminate", level="campaign", campaign_id=await _campaign(browser, tenant))
    await visitor.send(first, "/terminate")
    second = await visitor.get("/terminate", level="campaign", campaign_id=await _campaign(browser, tenant))
    refused = await visitor.send(second, "/terminate", status=409, key=first.form("/terminate").fields["key"])
    assert "Idempotency-Key was used for another order" in refused.text
    await visitor.send(refused, "/terminate")
    assert set(await _statuses(browser, tenant)) == {"cancelled"}


@pytest.mark.parametrize("count", ["9" * 400, "9" * 5_000, "-1", "1e9"])
async def test_a_count_that_no_page_has_shown_is_no_count(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, count: str
) -> None:
    shown = await visitor.get("/terminate", level="campaign", campaign_id=await _campaign(browser, tenant))
    await visitor.send(shown, "/terminate", status=200, shown_count=count)
    assert set(await _statuses(browser, tenant)) == {"registered"}


async def test_nothing_to_end_is_said(browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant) -> None:
    page = await visitor.get("/terminate", level="numbers", numbers="+14155559999")
    assert "There is nothing to end" in page.text
    page = await visitor.send(page, "/terminate", status=400)
    assert "No terminable calls found" in page.text


async def test_another_workspace_is_out_of_reach(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, stranger: Tenant
) -> None:
    theirs = await _campaign(browser, stranger)
    page = await visitor.get("/terminate", level="campaign", campaign_id=theirs)
    assert "There is nothing to end" in page.text
    await visitor.send(page, "/terminate", status=400)
    assert await _statuses(browser, stranger) == ["registered"] * 3
    given = await browser.patch(
        f"{COMPATIBLE}/campaign/terminate", headers=stranger.headers, json={"campaign_id": theirs}
    )
    for path in ("/receipts/{}", "/events/receipts/{}"):
        await visitor.get(path.format(given.headers["X-Termination-Id"]), status=404)
    assert given.headers["X-Termination-Id"] not in (await visitor.get("/receipts")).html
    assert theirs not in (await visitor.get("/")).html


async def test_what_lists_and_agents_bring_is_text(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    campaign_id = await _campaign(browser, tenant, campaign_name=HOSTILE)
    start = {"agent_id": tenant.agent_id, "list_id": campaign_id, "from_numbers": [tenant.number]}
    started = await browser.post(f"{COMPATIBLE}/campaign/start", headers=tenant.headers, json=start)
    assert started.status_code == 200, started.text
    first = await visitor.get("/terminate", level="agent", agent_id=tenant.agent_id, reason=HOSTILE)
    location = (await visitor.send(first, "/terminate")).response.headers["location"]
    pages: list[Page] = [first, *[await visitor.get(path) for path in ("/", "/terminate", "/receipts", location)]]
    for page in pages:
        assert "<img" not in page.html.replace('<img src="/static/', "")
        assert "alert(1)</script>" not in page.html


async def test_what_is_no_id_is_not_found(visitor: Visitor) -> None:
    for path in ("/receipts/7", "/receipts/00000000-0000-4000-8000-000000000000", "/events/receipts/x"):
        await visitor.get(path, status=404)
