"""The HTTP application: every route of every family, the request log around them, and the document of them all."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringoff.api.access import RequestLog
from ringoff.api.carriers import carrier_routes
from ringoff.api.errors import ErrorShape, plain_response
from ringoff.api.heavy_requests import HeavyRequests
from ringoff.api.monitoring import METRICS_PATH, serve_metrics
from ringoff.api.native import (
    api_keys,
    call_table,
    call_timeline,
    campaign_figures,
    deliveries,
    erasures,
    handlings,
    health,
    list_preview,
    number_pools,
    numbers,
    overview,
    subscriptions,
    suppressions,
    trunks,
    webhooks,
)
from ringoff.api.native import calls as native_calls
from ringoff.api.native import campaigns as native_campaigns
from ringoff.api.native import terminations as native_terminations
from ringoff.api.openapi import document
from ringoff.api.ringg import (
    agent_edits,
    agents,
    analytics,
    ancestors,
    calls,
    campaigns,
    download,
    history,
    large_lists,
    not_offered,
    terminate,
    workspace,
)
from ringoff.api.routing import PATH_TEMPLATE, Operation, RouteTable, routes_of
from ringoff.api.services import ApiLimits, Services
from ringoff.driver_port import ReadConfig
from ringoff.observability.metrics import Metrics
from ringoff.observability.scrape import Scrape
from ringoff.observer_port import NOBODY, Observer
from ringoff.ports import Clock, Store
from ringoff.readiness import Readiness
from ringoff.telephony.kinds import REAL_KINDS, read_no_config

__all__ = ["DEFAULT_DRIVERS", "ApiLimits", "create_app", "operations"]

DEFAULT_DRIVERS: Final[Mapping[str, ReadConfig]] = {
    "simulated": read_no_config,
    **{name: kind.read_config for name, kind in REAL_KINDS.items()},
}

_TABLES: Final[tuple[RouteTable, ...]] = (
    workspace.ROUTES,
    agents.READ_ROUTES,
    agents.CREATE_ROUTES,
    agent_edits.ROUTES,
    calls.ROUTES,
    history.HISTORY_ROUTES,
    history.DETAIL_ROUTES,
    download.ROUTES,
    analytics.ROUTES,
    campaigns.ROUTES,
    large_lists.ROUTES,
    terminate.ROUTES,
    ancestors.WORKSPACE_ROUTES,
    ancestors.CALLING_ROUTES,
    not_offered.DETAIL_ROUTES,
    not_offered.VOICE_ROUTES,
    native_terminations.ROUTES,
    native_calls.ROUTES,
    call_timeline.ROUTES,
    call_table.ROUTES,
    native_campaigns.ROUTES,
    campaign_figures.ROUTES,
    list_preview.ROUTES,
    suppressions.ROUTES,
    erasures.ROUTES,
    subscriptions.ROUTES,
    webhooks.ROUTES,
    deliveries.ROUTES,
    overview.ROUTES,
    trunks.ROUTES,
    handlings.ROUTES,
    numbers.ROUTES,
    number_pools.ROUTES,
    api_keys.ROUTES,
    health.ROUTES,
)
# Whose envelope an unknown route gets: the family that its path begins like.
_SHAPE_BY_PREFIX: Final = (
    ("/ca/api/v0/workspace", ErrorShape.CODED),
    ("/ca/api/v0/calling/outbound", ErrorShape.CODED),
    ("/ca/api/v0/calling/v2", ErrorShape.CODED),
    ("/ca/api/v0/calling/history", ErrorShape.CODED),
    ("/ca/api/v0/analytics", ErrorShape.CODED),
    ("/ca/api/v0/public/agent", ErrorShape.AGENT),
    ("/ca/api/v0/agent/voices", ErrorShape.STATUS),
    ("/ca/api/v0", ErrorShape.DETAIL),
    ("", ErrorShape.NATIVE),
)


def create_app(
    *,
    store: Store,
    clock: Clock,
    limits: ApiLimits,
    drivers: Mapping[str, ReadConfig] = DEFAULT_DRIVERS,
    metrics: Metrics | None = None,
    observer: Observer = NOBODY,
    shows_metrics: bool = True,
    readiness: Readiness | None = None,
    pages: Callable[[Services], Sequence[Route]] | None = None,
    heavy_requests: HeavyRequests | None = None,
) -> Starlette:
    """Put the application together. ``drivers`` are the carriers that a new trunk may name; ``pages`` the dashboard."""
    services = Services(
        store, clock, limits, drivers, observer, readiness or Readiness(), heavy_requests or HeavyRequests()
    )
    app = Starlette(
        routes=[*routes_of(services, operations()), *carrier_routes(services), *(pages(services) if pages else ())],
        middleware=[Middleware(RequestLog, clock=clock, observer=observer)],
        exception_handlers={HTTPException: _unrouted},
    )
    encoded = msgspec.json.encode(document(operations()))

    async def serve_document(request: Request) -> Response:
        request.scope[PATH_TEMPLATE] = "/openapi.json"
        return Response(encoded, media_type="application/json")

    if shows_metrics:
        app.add_route(METRICS_PATH, serve_metrics(Scrape(store=store, clock=clock, metrics=metrics or Metrics())))
    for path in ("/openapi.json", "/api/v1/openapi.json"):
        app.add_route(path, serve_document)
    # A slash too many is a wrong address, and a redirect would lose the body of a PATCH.
    app.router.redirect_slashes = False
    return app


def operations() -> list[Operation]:
    """Every operation of the application."""
    return [operation for table in _TABLES for operation in table.operations]


async def _unrouted(request: Request, error: Exception) -> Response:
    """Only the router itself raises here; errors of routes are answered by the routes."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    shape = next(shape for prefix, shape in _SHAPE_BY_PREFIX if request.url.path.startswith(prefix))
    if status == 405:
        return plain_response(
            shape, 405, "method_not_allowed", f"{request.method} is not allowed here", {"Allow": "GET"}
        )
    return plain_response(shape, status, "not_found", "No such route")
