"""API keys in a browser: made once, shown once, ended after a question."""

import re
from uuid import uuid4

import httpx2
import pytest

from ringoff.operations import workspaces
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import Tenant
from tests.dashboard.visitor import Visitor

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202eGNP'


async def _names(store: PostgresStore, tenant: Tenant) -> list[str]:
    return [key.name for key in await workspaces.list_api_keys(store, tenant.principal) if key.revoked_at is None]


async def test_a_key_is_made_once_however_often_its_form_is_sent(
    visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    form = await visitor.get("/keys")
    made = await visitor.send(form, "/keys", status=201, name="CRM import")
    [text] = re.findall(r'<input id="key" readonly value="([^"]+)"', made.html)
    principal = await workspaces.authenticate(store, text)
    assert principal is not None
    assert principal.workspace_id == tenant.principal.workspace_id
    # What a browser does that loads the page again.
    again = await visitor.send(form, "/keys", status=409, name="CRM import")
    assert "the key with this api_key_id is made already, and a key is shown once" in again.text
    assert text not in again.html
    assert await _names(store, tenant) == ["test", "CRM import"]
    listed = await visitor.get("/keys")
    assert "CRM import" in listed.text
    assert text not in listed.html
    assert text[:17] in listed.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "name must have 1 to 100 characters"),
        ({"name": "x" * 101}, "name must have 1 to 100 characters"),
        ({"name": "a\x00"}, "has a character that cannot be stored"),
        ({"name": "good", "id": "7"}, "id is not the one of a form"),
    ],
)
async def test_bad_input_gets_the_words_of_the_api(
    visitor: Visitor, tenant: Tenant, store: PostgresStore, fields: dict[str, str], words: str
) -> None:
    page = await visitor.send(await visitor.get("/keys"), "/keys", status=400, **fields)
    assert words in page.text
    assert await _names(store, tenant) == ["test"]


async def test_a_key_is_revoked_after_a_question(visitor: Visitor, tenant: Tenant, store: PostgresStore) -> None:
    key, text = await workspaces.issue_api_key(store, tenant.principal, "old script")
    path = f"/keys/{key.api_key_id}/revoke"
    assert path in (await visitor.get("/keys")).links
    question = await visitor.get(path)
    assert "Revoke old script" in question.text
    assert "signs you out" not in question.text
    assert await workspaces.authenticate(store, text) is not None
    await visitor.send(question, path)
    assert await workspaces.authenticate(store, text) is None
    listed = await visitor.get("/keys")
    assert path not in listed.links
    assert "1 revoked" in listed.text
    assert path not in [form.action for form in (await visitor.get(path)).forms]
    await visitor.send(question, path)


async def test_ones_own_key_signs_out(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    path = f"/keys/{tenant.principal.api_key_id}/revoke"
    question = await visitor.get(path)
    assert "revoking it signs you out" in question.text
    assert "It is the last key of the workspace" in question.text
    await workspaces.issue_api_key(store, tenant.principal, "another")
    assert "It is the last key" not in (await visitor.get(path)).text
    given = await visitor.send(question, path)
    assert given.response.headers["location"] == "/login"
    assert (await browser.get("/keys")).headers["location"] == "/login?next=%2Fkeys"


async def test_a_form_of_another_site_changes_nothing(visitor: Visitor, tenant: Tenant, store: PostgresStore) -> None:
    key, _ = await workspaces.issue_api_key(store, tenant.principal, "old script")
    for token in ("", "0" * 64):
        for path in ("/keys", f"/keys/{key.api_key_id}/revoke"):
            page = await visitor.post(path, {"csrf": token, "name": "new", "id": str(uuid4())}, status=400)
            assert "this form is from another session or another site" in page.text
    assert await _names(store, tenant) == ["test", "old script"]


async def test_another_workspace_is_out_of_reach(
    visitor: Visitor, tenant: Tenant, stranger: Tenant, store: PostgresStore
) -> None:
    csrf = (await visitor.get("/keys")).form("/keys").fields["csrf"]
    for key_id in (str(stranger.principal.api_key_id), str(uuid4()), "7"):
        await visitor.get(f"/keys/{key_id}/revoke", status=404)
        await visitor.post(f"/keys/{key_id}/revoke", {"csrf": csrf}, status=404)
    assert await _names(store, stranger) == ["test"]
    # An id that another workspace has is free in this one.
    await visitor.post("/keys", {"csrf": csrf, "name": "n", "id": str(stranger.principal.api_key_id)}, status=201)
    assert await _names(store, stranger) == ["test"]
    assert await _names(store, tenant) == ["test", "n"]


async def test_a_name_is_text(visitor: Visitor, tenant: Tenant, store: PostgresStore) -> None:
    key, _ = await workspaces.issue_api_key(store, tenant.principal, HOSTILE)
    made = await visitor.send(await visitor.get("/keys"), "/keys", status=201, name=HOSTILE)
    for page in (made, await visitor.get("/keys"), await visitor.get(f"/keys/{key.api_key_id}/revoke")):
        assert HOSTILE in page.text
        assert "<img src=x" not in page.html
