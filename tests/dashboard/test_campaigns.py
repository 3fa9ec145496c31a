"""The list of campaigns and the page of one, without scripts: what they show, filter, start, pause and end."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from ringoff.domain.identifiers import CampaignId
from ringoff.operations import campaign_life
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import Tenant, save, start, terminate, upload_csv
from tests.dashboard.visitor import Visitor
from tests.support.large_lists import verifier

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202eGNP'
IN_INDIA = {"call_config": json.dumps({"call_time": {"timezone": "Asia/Kolkata"}})}
LATER = {"campaign_start_time": "05/01/2090, 10:00", "campaign_end_time": "31/12/2090, 20:00"}
"""The database has its own clock: nothing before that date tells a scheduled campaign from an ongoing one."""


async def _saved(browser: httpx2.AsyncClient, tenant: Tenant, csv: str | None = None, **changes: Any) -> str:
    answer = await (save(browser, tenant, **changes) if csv is None else save(browser, tenant, csv, **changes))
    assert answer.status_code == 200, answer.text
    list_id: str = answer.json()["list_id"]
    return list_id


async def _status(store: PostgresStore, tenant: Tenant, campaign_id: str) -> str:
    found = await campaign_life.campaign(store, tenant.principal, CampaignId(UUID(campaign_id)))
    return found.campaign.status


async def test_a_list_shows_campaigns_with_progress_and_ways_to_end_them(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    campaign_id = await _saved(browser, tenant, campaign_name="Spring")
    page = await visitor.get("/campaigns")
    assert "Spring" in page.text
    assert "3 waiting" in page.text
    assert f"/campaigns/{campaign_id}" in page.links
    assert f"/terminate?level=campaign&campaign_id={campaign_id}" in page.links
    assert f'data-terminate="/terminate?level=campaign&amp;campaign_id={campaign_id}"' in page.html


async def test_filters_and_pages_find_what_they_name(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringoff.dashboard.campaigns.PAGE_MAX", 2)
    ids = [await _saved(browser, tenant, campaign_name=name) for name in ("Ann", "Bob", "Cold bobsleigh")]
    assert (await start(browser, tenant, ids[1])).status_code == 200
    first = await visitor.get("/campaigns")
    assert "Ann" not in first.text
    older = next(link for link in first.links if "below=" in link)
    second = await visitor.get(older)
    assert "Ann" in second.text
    assert "Bob" not in second.text
    named = await visitor.get("/campaigns", name="BOB")
    assert "Ann" not in named.text
    assert "Cold bobsleigh" in named.text
    drafts = await visitor.get("/campaigns?status=draft&name=bob")
    assert f"/campaigns/{ids[1]}" not in drafts.links
    assert f"/campaigns/{ids[2]}" in drafts.links
    assert "No campaign is like that" in (await visitor.get("/campaigns", name="nobody")).text
    assert "No campaign is like that" in (await visitor.get("/campaigns", name="%")).text, "it is no pattern"


async def test_a_filter_that_no_text_can_be_like_is_refused(visitor: Visitor) -> None:
    page = await visitor.get("/campaigns", status=400, name="a\0b")
    assert "cannot be stored" in page.text


async def test_pause_and_resume_are_plain_forms_that_come_back(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    campaign_id = await _saved(browser, tenant, **LATER)
    await start(browser, tenant, campaign_id)
    fields = (await visitor.get("/campaigns", name="Spring")).form("").fields
    for verb, status in (("pause", "paused"), ("resume", "scheduled")):
        back = await visitor.post(f"/campaigns/{campaign_id}/{verb}", fields)
        assert back.response.headers["location"].startswith("/campaigns?")
        assert await _status(store, tenant, campaign_id) == status
    refused = await visitor.post(f"/campaigns/{campaign_id}/resume", fields, status=409)
    assert "only a paused campaign can be resumed" in refused.text
    elsewhere = await visitor.post(f"/campaigns/{campaign_id}/pause", fields | {"next": "//evil.test"})
    assert elsewhere.response.headers["location"] == "/"


async def test_a_share_is_shown_and_changed(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    campaign_id = await _saved(browser, tenant)
    page = await visitor.get(f"/campaigns/{campaign_id}")
    assert "weight 10, any of the trunk's channels" in page.text
    fields = page.form("").fields
    await visitor.post(f"/campaigns/{campaign_id}/share", fields | {"weight": "30", "concurrency_percentage": "12.5"})
    shown = (await visitor.get(f"/campaigns/{campaign_id}")).text
    assert "weight 30, at most 12.5 % of the trunk's channels" in shown
    for wrong in ({"weight": "x"}, {"weight": "0"}, {"weight": "1.5"}, {"concurrency_percentage": "200"}):
        empty = {"weight": "", "concurrency_percentage": ""}
        refused = await visitor.post(f"/campaigns/{campaign_id}/share", fields | empty | wrong, status=400)
        assert "must be" in refused.text
    assert "weight 30, at most 12.5 %" in (await visitor.get(f"/campaigns/{campaign_id}")).text


async def test_end_leaves_a_receipt(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    campaign_id = await _saved(browser, tenant)
    await start(browser, tenant, campaign_id)
    page = await visitor.get(f"/campaigns/{campaign_id}")
    assert "End it, and cancel what waits" in page.text
    ended = await visitor.post(f"/campaigns/{campaign_id}/end", page.form("").fields)
    assert "the campaign was ended by hand" in (await visitor.get(ended.response.headers["location"])).text
    assert await _status(store, tenant, campaign_id) == "completed"


async def test_the_end_of_a_large_campaign_wants_its_count_typed(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    rows = "".join(f"+1415{5550000 + row},Somebody,Acme\n" for row in range(1_000, 2_100))
    campaign_id = await _saved(browser, tenant, "Mobile Number,Name,Company\n" + rows)
    await start(browser, tenant, campaign_id)
    page = await visitor.get(f"/campaigns/{campaign_id}")
    assert "Type 1100 to say that about so many calls are to be cancelled" in page.text
    for typed in ("", "110", "-1100", "yes"):
        fields = page.form("").fields | {"typed_count": typed}
        refused = await visitor.post(f"/campaigns/{campaign_id}/end", fields, status=400)
        assert "this ends 1,100 calls" in refused.text
    assert await _status(store, tenant, campaign_id) != "completed"
    await visitor.post(f"/campaigns/{campaign_id}/end", page.form("").fields | {"typed_count": "1,100"})
    assert await _status(store, tenant, campaign_id) == "completed"


async def test_a_draft_is_started_from_its_page(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    campaign_id = await _saved(browser, tenant)
    page = await visitor.get(f"/campaigns/{campaign_id}")
    action = f"/campaigns/{campaign_id}#start"
    assert "Start 3 calls" in page.text
    refused = await visitor.send(page, action, status=400)
    assert "from_numbers must not be empty" in refused.text
    undated = await visitor.send(page, action, status=400, from_numbers=tenant.number, when="at")
    assert "campaign_start_time must be 'DD/MM/YYYY, HH:MM' or ISO 8601" in undated.text
    assert undated.form(action).fields["from_numbers"] == tenant.number, "what was ticked is still ticked"
    both = await visitor.send(page, action, status=400, from_numbers=tenant.number, number_pool_id=str(uuid4()))
    assert "Provide only one of: from_numbers, number_pool_id" in both.text
    assert await _status(store, tenant, campaign_id) == "draft"
    await visitor.send(page, action, from_numbers=tenant.number, when="now")
    assert await _status(store, tenant, campaign_id) == "ongoing"
    again = await visitor.send(page, action, status=409, from_numbers=tenant.number)
    assert "Campaign already started" in again.text


async def test_a_start_at_another_time_is_in_the_campaigns_zone(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    campaign_id = await _saved(browser, tenant, **IN_INDIA, **LATER)
    page = await visitor.get(f"/campaigns/{campaign_id}")
    await visitor.send(
        page,
        f"/campaigns/{campaign_id}#start",
        from_numbers=tenant.number,
        when="at",
        start_time="2090-02-01T09:30",
    )
    shown = await visitor.get(f"/campaigns/{campaign_id}")
    assert "2090-02-01 04:00:00 UTC 09:30 Asia/Kolkata" in shown.text
    assert "starts 2090-02-01 04:00:00 UTC" in shown.text


async def test_a_terminated_campaign_is_started_again(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    campaign_id = await _saved(browser, tenant)
    await start(browser, tenant, campaign_id)
    await terminate(browser, tenant, {"campaign_id": campaign_id}, "/campaign")
    page = await visitor.get(f"/campaigns/{campaign_id}")
    assert "Start it again" in page.text
    await visitor.send(page, f"/campaigns/{campaign_id}#start", from_numbers=tenant.number, when="now")
    assert await _status(store, tenant, campaign_id) == "ongoing"


async def test_a_list_that_is_verified_says_how_far_it_is(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    answer = await upload_csv(browser, tenant)
    page = await visitor.get(f"/campaigns/{answer.json()['bulk_list_id']}")
    assert "The list is being verified: 0 %" in page.text
    assert "progress" in page.tags


async def test_a_verified_list_says_which_rows_were_skipped(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    answer = await upload_csv(browser, tenant, "Mobile Number,Name,Company\n+14155550101,Ada,Acme\nabc,Bob,Bolt\n")
    assert await verifier(store).verify_next()
    page = await visitor.get(f"/campaigns/{answer.json()['bulk_list_id']}")
    assert "1 of 2 rows were skipped as invalid." in page.text
    assert "1 invalid row" in page.text
    assert "3 Mobile Number holds no digits" in page.text
    assert "Start 1 call" in page.text


async def test_calls_of_a_campaign_are_filtered_and_paged(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringoff.dashboard.calls.PAGE_MAX", 2)
    campaign_id = await _saved(browser, tenant)
    page = await visitor.get(f"/campaigns/{campaign_id}")
    assert page.text.count("+1415…") == 2
    older = await visitor.get(next(link for link in page.links if "below=" in link).partition("#")[0])
    assert older.text.count("+1415…") == 1
    newer = await visitor.get(next(link for link in older.links if "above=" in link).partition("#")[0])
    assert newer.text.count("+1415…") == 2
    assert "No call is like that" in (await visitor.get(f"/campaigns/{campaign_id}?status=completed")).text


async def test_calls_are_found_by_number_and_by_day(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await _saved(browser, tenant)
    path = f"/campaigns/{campaign_id}"
    number = "%2B14155550102"
    assert (await visitor.get(f"{path}?number={number}")).text.count("+1415…") == 1
    assert (await visitor.get(f"{path}?from=2020-01-01&to=2090-12-31")).text.count("+1415…") == 3
    assert (await visitor.get(f"{path}?from=2090-01-01")).text.count("+1415…") == 0
    assert (await visitor.get(f"{path}?number={number}&to=2020-01-01")).text.count("+1415…") == 0
    await terminate(browser, tenant, {"campaign_id": campaign_id}, "/campaign")
    assert "user terminated" in (await visitor.get(f"{path}?number={number}&status=cancelled")).text
    assert (await visitor.get(f"{path}?sub_status=USER_TERMINATED")).text.count("+1415…") == 3
    monkeypatch.setattr("ringoff.operations.call_table.LOOKED_MAX", 1)
    page = await visitor.get(f"{path}?number={number}")
    assert "looked for in 20,000 calls at a time" in page.text
    while "+1415…" not in page.text:
        page = await visitor.get(next(link for link in page.links if "below=" in link).partition("#")[0])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("number=4155550102", "number"),
        ("from=yesterday", "Invalid date format for from. Expected YYYY-MM-DD."),
        ("to=2026-02-30", "Invalid date format for to. Expected YYYY-MM-DD."),
    ],
)
async def test_a_filter_that_cannot_be_read_is_said_beside_the_table(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, query: str, words: str
) -> None:
    page = await visitor.get(f"/campaigns/{await _saved(browser, tenant)}?{query}", status=400)
    assert words in page.text
    assert "Spring" in page.text


async def test_what_a_list_brought_is_text_and_never_markup(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    contacts = f'Mobile Number,Name,Company\n+14155550101,"{HOSTILE.replace(chr(34), chr(34) * 2)}",Acme\n'
    campaign_id = await _saved(browser, tenant, contacts, campaign_name=HOSTILE)
    for path in ("/campaigns", f"/campaigns/{campaign_id}"):
        page = await visitor.get(path)
        assert HOSTILE in page.text
        assert "<script>alert" not in page.html
        assert "<img src=x" not in page.html


async def test_numbers_are_masked_until_the_session_reveals_them(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    path = f"/campaigns/{await _saved(browser, tenant)}"
    masked = await visitor.get(path)
    assert "+14155550101" not in masked.html
    await visitor.send(masked, "/reveal")
    assert "+14155550101" in (await visitor.get(path)).text


async def test_another_workspace_has_no_such_campaign(
    browser: httpx2.AsyncClient, visitor: Visitor, stranger: Tenant, store: PostgresStore
) -> None:
    campaign_id = await _saved(browser, stranger, **LATER)
    await start(browser, stranger, campaign_id)
    csrf = (await visitor.get("/campaigns")).form("").fields
    for path in (f"/campaigns/{campaign_id}", f"/events/campaigns/{campaign_id}", "/campaigns/7"):
        assert "Campaign not found" in (await visitor.get(path, status=404)).text
    for verb in ("pause", "resume", "end"):
        await visitor.post(f"/campaigns/{campaign_id}/{verb}", csrf, status=404)
    await visitor.post(f"/campaigns/{campaign_id}/share", csrf | {"weight": "20"}, status=404)
    await visitor.post(f"/campaigns/{campaign_id}", csrf, status=404)
    assert campaign_id not in (await visitor.get("/campaigns")).html
    assert await _status(store, stranger, campaign_id) == "scheduled"


@pytest.mark.parametrize("path", ["/pause", "/resume", "/end", "/share", ""])
async def test_a_form_from_elsewhere_changes_nothing(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore, path: str
) -> None:
    campaign_id = await _saved(browser, tenant)
    for fields in ({"csrf": ""}, {"csrf": "0" * 64}):
        page = await visitor.post(f"/campaigns/{campaign_id}{path}", fields, status=400)
        assert "another session or another site" in page.text
    assert await _status(store, tenant, campaign_id) == "draft"
