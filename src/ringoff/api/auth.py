"""Who is asking: the key in ``X-API-KEY``, checked against the database at every request."""

from typing import Final

from starlette.requests import Request

from ringoff.domain.errors import Unauthorized
from ringoff.domain.workspace import Principal
from ringoff.operations import workspaces
from ringoff.ports import Store

API_KEY_HEADER: Final = "X-API-KEY"


async def authenticate(store: Store, request: Request) -> Principal:
    """The caller; ``Unauthorized`` for a key that is missing, unknown or revoked, without saying which."""
    given = request.headers.getlist(API_KEY_HEADER)
    if len(given) == 1:
        principal = await workspaces.authenticate(store, given[0])
        if principal is not None:
            return principal
    raise Unauthorized("Invalid credentials")
