"""``/livez`` (the process is up; also ``/healthz``) and ``/readyz`` (give it work), all without a key."""

import asyncio
from typing import Final

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.errors import NotReady

ROUTES = RouteTable("", ErrorShape.NATIVE, "health")
_PING_MAX_S: Final = 2.0
"""A database that hangs is one that does not answer; whoever probes waits no longer either."""


class Health(msgspec.Struct):
    status: str = "ok"


@ROUTES.add("GET", "/healthz", needs_key=False)
async def is_up(_services: Services) -> Health:
    """The process answers."""
    return Health()


@ROUTES.add("GET", "/livez", needs_key=False)
async def is_live(_services: Services) -> Health:
    """The process answers: the same under the name that orchestrators use."""
    return Health()


@ROUTES.add("GET", "/readyz", needs_key=False, errors=(503,))
async def is_ready(services: Services) -> Health:
    """The database answers and has a schema for this version, every loop runs, and nobody has asked for a stop."""
    if (reason := services.readiness.reason) is not None:
        raise NotReady(reason)
    try:
        async with asyncio.timeout(_PING_MAX_S):
            await services.store.ping()
    except TimeoutError:
        raise NotReady(f"the database has not answered for {_PING_MAX_S:g} s") from None
    return Health("ready")
