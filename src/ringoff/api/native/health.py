"""``/healthz`` (the process is up) and ``/readyz`` (it can work), both without a key."""

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services

ROUTES = RouteTable("", ErrorShape.NATIVE, "health")


class Health(msgspec.Struct):
    status: str = "ok"


@ROUTES.add("GET", "/healthz", needs_key=False)
async def is_up(_services: Services) -> Health:
    """The process answers."""
    return Health()


@ROUTES.add("GET", "/readyz", needs_key=False, errors=(503,))
async def is_ready(services: Services) -> Health:
    """The database answers and has the schema of this version."""
    await services.store.ping()
    return Health("ready")
