"""``/api/v1/api-keys``: keys of the workspace; a secret is shown once, when it is made."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant, instant_or_none
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.identifiers import ApiKeyId
from ringoff.domain.workspace import ApiKey, Principal
from ringoff.operations import workspaces

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "api-keys")


class ApiKeyView(msgspec.Struct):
    api_key_id: str
    name: str
    prefix: str
    created_at: Instant
    revoked_at: Instant | None


class ApiKeyList(msgspec.Struct):
    api_keys: list[ApiKeyView]


class ApiKeyRequest(msgspec.Struct, forbid_unknown_fields=True):
    name: str = "API key"


class MadeApiKey(ApiKeyView):
    api_key: str
    """The secret; it cannot be shown again."""


@ROUTES.add("GET", "/api-keys")
async def list_api_keys(services: Services, principal: Principal) -> ApiKeyList:
    """All keys of the workspace, revoked ones too."""
    return ApiKeyList([_shown(key) for key in await workspaces.list_api_keys(services.store, principal)])


@ROUTES.add("POST", "/api-keys", status=201)
async def make_api_key(services: Services, principal: Principal, body: ApiKeyRequest) -> MadeApiKey:
    """Make one more key."""
    key, text = await workspaces.issue_api_key(services.store, principal, body.name)
    return MadeApiKey(**msgspec.structs.asdict(_shown(key)), api_key=text)


@ROUTES.add("DELETE", "/api-keys/{api_key_id}", status=204, errors=(404,))
async def revoke_api_key(services: Services, principal: Principal, api_key_id: UUID) -> None:
    """End a key at once, also the one that asks."""
    await workspaces.revoke_api_key(services.store, principal, ApiKeyId(api_key_id))


def _shown(key: ApiKey) -> ApiKeyView:
    return ApiKeyView(
        api_key_id=str(key.api_key_id),
        name=key.name,
        prefix=key.prefix,
        created_at=instant(key.created_at),
        revoked_at=instant_or_none(key.revoked_at),
    )
