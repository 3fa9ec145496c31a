"""Signing in and out: what a session opens, for how long, and what another site can do with it."""

from typing import Any

import httpx2
import pytest

from ringoff.domain.identifiers import ApiKeyId
from ringoff.operations import workspaces
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import Tenant
from tests.dashboard.visitor import Page, Visitor


async def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back(
    browser: httpx2.AsyncClient, tenant: Tenant
) -> None:
    response = await browser.get("/receipts?state=settled")
    assert response.status_code == 303
    page = Page(await browser.get(response.headers["location"]))
    response = await browser.post("/login", data=page.form("/login").fields | {"api_key": tenant.key})
    assert (response.status_code, response.headers["location"]) == (303, "/receipts?state=settled")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert (await browser.get("/receipts?state=settled")).status_code == 200


@pytest.mark.parametrize(("scheme", "is_secure"), [("https", True), ("http", False)])
async def test_over_tls_the_cookie_is_for_tls_only(
    browser: httpx2.AsyncClient, tenant: Tenant, scheme: str, is_secure: bool
) -> None:
    response = await browser.post(f"{scheme}://ringoff.test/login", data={"api_key": tenant.key})
    assert ("secure" in response.headers["set-cookie"].lower().split("; ")) is is_secure


async def test_a_key_that_opens_nothing_signs_nobody_in(browser: httpx2.AsyncClient, tenant: Tenant) -> None:
    for key in ("", "ringoff_live_no", tenant.key + "x", "x" * 5000):
        response = await browser.post("/login", data={"api_key": key})
        assert response.status_code == 401
        assert "opens nothing" in response.text
        assert tenant.key not in response.text
    assert (await browser.get("/")).status_code == 303


@pytest.mark.parametrize("wanted", ["//evil.test/", "https://evil.test/", "/\\evil.test", "evil", "/a\nb"])
async def test_signing_in_leads_to_no_other_site(browser: httpx2.AsyncClient, tenant: Tenant, wanted: str) -> None:
    response = await browser.post("/login", data={"api_key": tenant.key, "next": wanted})
    assert response.headers["location"] == "/"


async def test_signing_out_ends_the_session_on_the_server(browser: httpx2.AsyncClient, visitor: Visitor) -> None:
    token = browser.cookies["ringoff_session"]
    await visitor.send(await visitor.get("/"), "/logout")
    browser.cookies.set("ringoff_session", token)
    assert (await browser.get("/")).status_code == 303


async def test_a_session_ends_with_its_key(
    browser: httpx2.AsyncClient, store: PostgresStore, tenant: Tenant, visitor: Visitor
) -> None:
    await visitor.get("/")
    await workspaces.revoke_api_key(store, tenant.principal, ApiKeyId(tenant.principal.api_key_id))
    assert (await browser.get("/")).status_code == 303
    part = await browser.post("/terminate/preview", headers={"HX-Request": "true"}, data={})
    assert (part.status_code, part.headers["hx-refresh"]) == (401, "true")


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.test"}],
    ids=["cross-site", "same-site", "origin"],
)
@pytest.mark.parametrize("path", ["/login", "/logout", "/reveal", "/terminate"])
async def test_another_site_can_send_no_form(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, path: str, headers: dict[str, str]
) -> None:
    fields = (await visitor.get("/terminate")).form("/terminate").fields | {"api_key": tenant.key}
    response = await browser.post(path, data=fields, headers=headers)
    assert response.status_code == 400
    assert "another site" in response.text
    await visitor.get("/")


@pytest.mark.parametrize("csrf", [None, "", "0" * 64, "ä"])
@pytest.mark.parametrize("path", ["/logout", "/reveal", "/terminate", "/terminate/preview"])
async def test_a_form_without_the_token_of_its_session_is_refused(
    visitor: Visitor, path: str, csrf: str | None
) -> None:
    page = await visitor.post(path, {"next": "/"} | ({} if csrf is None else {"csrf": csrf}), status=400)
    assert "another session" in page.text
    await visitor.get("/")


async def test_numbers_are_masked_until_the_session_reveals_them(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant
) -> None:
    made = await browser.post(
        "/ca/api/v0/calling/outbound/individual",
        headers=tenant.headers,
        json={
            "name": "Ada",
            "mobile_number": "+14155550123",
            "agent_id": tenant.agent_id,
            "from_number": tenant.number,
        },
    )
    assert made.status_code == 200, made.text
    query: dict[str, Any] = {"level": "agent", "agent_id": tenant.agent_id}
    page = await visitor.get("/terminate", **query)
    assert "+14155550123" not in page.html
    assert "+141" in page.text
    await visitor.send(page, "/reveal")
    page = await visitor.get("/terminate", **query)
    assert "+14155550123" in page.html
    await visitor.send(page, "/reveal")
    assert "+14155550123" not in (await visitor.get("/terminate", **query)).html


async def test_a_page_that_does_not_know_a_method_says_which_it_knows(
    browser: httpx2.AsyncClient, visitor: Visitor
) -> None:
    response = await browser.delete("/terminate")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
