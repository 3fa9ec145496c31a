"""The page of webhooks: who is told of what, the log with its filters, resuming, and sending again."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import NATIVE, Tenant, registered_call
from tests.dashboard.visitor import Page, Visitor

URL = "https://hook.example/in?token=s3cret&n=1"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> \u202e+14155550111'


async def _hook(browser: httpx2.AsyncClient, tenant: Tenant, event_type: str = "call_started", **changes: Any) -> str:
    body = {"event_type": [event_type], "callback_url": URL} | changes
    answer = await browser.put(f"{NATIVE}/webhooks", headers=tenant.headers, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["webhooks"][0]["subscription_id"])


async def _ended(store: PostgresStore, state: str = "dropped", excerpt: str = "no") -> None:
    """Every delivery is over."""
    async with store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE webhook_delivery SET state = $1, tries = 4, status = 500, latency_ms = 12, excerpt = $2,"
            " tried_at = now()",
            state,
            excerpt,
        )


async def _states(store: PostgresStore) -> list[str]:
    async with store.transaction() as tx:
        rows = await tx.connection.fetch("SELECT state FROM webhook_delivery ORDER BY event_id")
    return [row["state"] for row in rows]


def _calls(page: Page) -> list[str]:
    return [link.removeprefix("/calls/") for link in page.links if link.startswith("/calls/")]


async def test_an_empty_page_says_what_to_do(visitor: Visitor) -> None:
    page = await visitor.get("/webhooks")
    assert "Nobody is told of anything" in page.text
    assert "Nothing was sent yet" in page.text


async def test_urls_are_shown_without_what_may_be_a_token(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    await _hook(browser, tenant, agent_id=tenant.agent_id, headers={"Authorization": "Bearer very-secret"})
    page = await visitor.get("/webhooks")
    assert "https://hook.example/in?token=***&n=***" in page.text
    assert not [word for word in ("s3cret", "very-secret", "whsec_") if word in page.html]
    assert "ours agent" in page.text
    assert f"/agents/{tenant.agent_id}" in page.links


async def test_a_paused_subscription_comes_first_and_goes_on(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    await _hook(browser, tenant, "call_completed", callback_url="https://well.example/")
    paused = await _hook(browser, tenant)
    async with store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE event_subscription SET paused_at = now(), alarm = $2 WHERE subscription_id = $1", paused, HOSTILE
        )
    page = await visitor.get("/webhooks")
    assert page.text.index("hook.example") < page.text.index("well.example")
    assert HOSTILE.replace("+14155550111", "+1415…11") in page.text
    assert "4155550111" not in page.html
    assert "img" not in page.tags[page.tags.index("main") :]
    await visitor.post(f"/webhooks/{paused}/resume", {"next": "/webhooks"}, 400)
    assert f'formaction="/webhooks/{paused}/resume"' in page.html
    await visitor.post(f"/webhooks/{paused}/resume", page.form("").fields)
    assert "paused" not in (await visitor.get("/webhooks")).text


async def test_the_log_is_filtered_as_the_api_filters_it(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    subscription_id = await _hook(browser, tenant)
    first, second = [await registered_call(browser, tenant) for _ in range(2)]
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE webhook_delivery SET state = 'dropped' WHERE call_id = $1", first)
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [second, first]),
        ({"state": "dropped"}, [first]),
        ({"call_id": second}, [second]),
        ({"subscription_id": subscription_id, "since": "2020-01-01"}, [second, first]),
        ({"event_type": "call_completed"}, []),
        ({"since": "2999-01-01"}, []),
    ]
    for query, expected in cases:
        page = await visitor.get("/webhooks", **query)
        assert _calls(page) == expected, query
        assert expected or "No delivery is like that" in page.text


async def test_older_deliveries_are_on_the_next_page(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringoff.dashboard.webhooks.PAGE_MAX", 2)
    subscription_id = await _hook(browser, tenant)
    calls = [await registered_call(browser, tenant) for _ in range(3)]
    first = await visitor.get("/webhooks", subscription_id=subscription_id)
    [older] = [link for link in first.links if "cursor=" in link]
    assert f"subscription_id={subscription_id}" in older
    second = await visitor.get(older.partition("#")[0])
    assert [*_calls(first), *_calls(second)] == calls[::-1]
    assert not [link for link in second.links if "cursor=" in link]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"cursor": "7"}, 400),
        ({"state": "lost"}, 400),
        ({"event_type": "call_ended"}, 400),
        ({"subscription_id": "x"}, 400),
        ({"call_id": "x"}, 400),
        ({"call_id": "\x00"}, 400),
        ({"since": "yesterday"}, 400),
        ({"subscription_id": str(uuid4())}, 404),
    ],
)
async def test_a_filter_that_is_none_gets_the_words_of_the_api(
    visitor: Visitor, query: dict[str, str], status: int
) -> None:
    page = await visitor.get("/webhooks", status, **query)
    assert next(iter(query)) in page.text


async def test_one_event_is_sent_again(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    subscription_id = await _hook(browser, tenant)
    for _ in range(2):
        await registered_call(browser, tenant)
    await _ended(store)
    page = await visitor.get("/webhooks", state="dropped")
    event_id = page.html.partition('name="event_id" value="')[2].partition('"')[0]
    path = f"/webhooks/{subscription_id}/redeliver"
    await visitor.post(path, {"event_id": event_id}, 400)
    assert await _states(store) == ["dropped", "dropped"]
    there = await visitor.post(path, page.form("").fields | {"event_id": event_id})
    assert await _states(store) == ["dropped", "pending"]
    target = there.response.headers["location"]
    assert target == "/webhooks?state=dropped&sent_again=1#log"
    assert "1 event is sent again" in (await visitor.get(target.partition("#")[0])).text


async def test_a_range_is_sent_again_and_a_bad_one_changes_nothing(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    subscription_id = await _hook(browser, tenant)
    for _ in range(3):
        await registered_call(browser, tenant)
    await _ended(store, "delivered")
    page = await visitor.get("/webhooks", subscription_id=subscription_id)
    path = f"/webhooks/{subscription_id}/redeliver"
    for changes, words in (
        ({"first_event_id": ""}, "Missing required field: first_event_id"),
        ({"last_event_id": "seven"}, "last_event_id"),
        ({"last_event_id": "-1"}, "last_event_id must be from 0"),
        ({"first_event_id": "9" * 19}, "first_event_id must be from 0"),
    ):
        refused = await visitor.send(page, path, 400, **changes)
        assert words in refused.text
        shown = refused.form(path).fields
        assert {name: shown[name] for name in changes} == changes
    assert await _states(store) == ["delivered"] * 3
    there = await visitor.send(page, path)
    assert await _states(store) == ["pending"] * 3
    assert "sent_again=3" in there.response.headers["location"]
    again = await visitor.send(page, path)
    target = again.response.headers["location"].partition("#")[0]
    assert "Nothing is sent again" in (await visitor.get(target)).text


async def test_what_belongs_to_others_is_not_there(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, stranger: Tenant, store: PostgresStore
) -> None:
    await _hook(browser, tenant)
    theirs = await _hook(browser, stranger, callback_url="https://theirs.example/")
    call_id = await registered_call(browser, stranger)
    await _ended(store)
    page = await visitor.get("/webhooks")
    assert "theirs.example" not in page.html
    assert call_id not in page.html
    fields = page.form("").fields | {"first_event_id": "0", "last_event_id": str(2**40)}
    for subscription_id in (theirs, str(uuid4()), "x"):
        await visitor.post(f"/webhooks/{subscription_id}/resume", fields, 404)
        await visitor.post(f"/webhooks/{subscription_id}/redeliver", fields, 404)
    await visitor.get("/webhooks", 404, subscription_id=theirs)
    assert await _states(store) == ["dropped"]


async def test_an_answer_is_text_and_numbers_in_it_are_masked(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    await _hook(browser, tenant)
    await registered_call(browser, tenant)
    await _ended(store, excerpt=HOSTILE)
    page = await visitor.get("/webhooks")
    assert HOSTILE.replace("+14155550111", "+1415…11") in page.text
    assert "4155550111" not in page.html
    assert "img" not in page.tags[page.tags.index("main") :]
    await visitor.send(page, "/reveal")
    assert HOSTILE in (await visitor.get("/webhooks")).text
