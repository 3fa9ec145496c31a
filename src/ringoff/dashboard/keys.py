"""API keys: all of the workspace, one more that is shown once, and the end of one."""

from uuid import UUID, uuid4

from starlette.responses import Response

from ringoff.api.errors import located
from ringoff.api.native.api_keys import ApiKeyRequest
from ringoff.dashboard.login import LOGIN
from ringoff.dashboard.places import uuid_or_none
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import SESSION_COOKIE, Visit
from ringoff.domain.errors import InvalidInput, NotFound, RingoffError
from ringoff.domain.identifiers import ApiKeyId
from ringoff.domain.workspace import ApiKey
from ringoff.operations import workspaces

PAGES = PageTable()


@PAGES.get("/keys")
async def list_page(visit: Visit) -> Response:
    return await _show(visit)


@PAGES.post("/keys")
async def make(visit: Visit) -> Response:
    """One more key, on a page that nobody keeps. The form has the id of its key: sent again, it makes no other."""
    fields = await visit.fields()
    wanted = ApiKeyRequest(name=fields.text("name"))
    try:
        key, text = await workspaces.issue_api_key(
            visit.store, visit.principal, wanted.name, _form_id(fields.text("id"))
        )
    except RingoffError as error:
        return await _show(visit, name=wanted.name, complaint=located(error), status=status_of(error))
    return visit.show("key_made.html", 201, key=key, text=text)


@PAGES.get("/keys/{api_key_id}/revoke")
async def revocation_page(visit: Visit) -> Response:
    """What its end would mean."""
    keys = await workspaces.list_api_keys(visit.store, visit.principal)
    key = next((one for one in keys if one.api_key_id == _asked_id(visit)), None)
    if key is None:
        raise NotFound("API key not found", field="api_key_id")
    left_count = sum(one.revoked_at is None for one in keys if one is not key)
    return visit.show("key_revocation.html", key=key, is_own=_is_own(visit, key), left_count=left_count)


@PAGES.post("/keys/{api_key_id}/revoke")
async def revoke(visit: Visit) -> Response:
    """End it now; with one's own key, the session."""
    await visit.fields()
    revoked = await workspaces.revoke_api_key(visit.store, visit.principal, _asked_id(visit))
    if not _is_own(visit, revoked):
        return visit.go("/keys")
    response = visit.go(LOGIN)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response


async def _show(visit: Visit, *, name: str = "", complaint: str = "", status: int = 200) -> Response:
    keys = await workspaces.list_api_keys(visit.store, visit.principal)
    return visit.show(
        "keys.html",
        status,
        live=[key for key in reversed(keys) if key.revoked_at is None],
        revoked=[key for key in reversed(keys) if key.revoked_at is not None],
        own_id=visit.session.api_key_id,
        next_id=uuid4(),
        name=name,
        complaint=complaint,
    )


def _is_own(visit: Visit, key: ApiKey) -> bool:
    return key.api_key_id == visit.session.api_key_id


def _asked_id(visit: Visit) -> ApiKeyId:
    found = uuid_or_none(visit.request.path_params["api_key_id"])
    if found is None:
        raise NotFound("API key not found", field="api_key_id")
    return ApiKeyId(found)


def _form_id(text: str) -> ApiKeyId:
    found: UUID | None = uuid_or_none(text)
    if found is None:
        raise InvalidInput("id is not the one of a form: load the page again", field="id")
    return ApiKeyId(found)
