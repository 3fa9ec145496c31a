"""``/metrics``, and the small application that serves it, with health, where nothing else is served."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from ringoff.api.access import RequestLog
from ringoff.api.errors import ErrorShape, plain_response
from ringoff.api.native import health
from ringoff.api.routing import PATH_TEMPLATE, routes_of
from ringoff.api.services import ApiLimits, Services
from ringoff.domain.errors import NotReady
from ringoff.observability.metrics import CONTENT_TYPE, Metrics
from ringoff.observability.scrape import Scrape
from ringoff.observer_port import Observer
from ringoff.ports import Clock, Store
from ringoff.readiness import Readiness

METRICS_PATH: Final = "/metrics"


def serve_metrics(scrape: Scrape) -> Callable[[Request], Awaitable[Response]]:
    """Without a key: it holds numbers and names of rules only."""

    async def serve(request: Request) -> Response:
        request.scope[PATH_TEMPLATE] = METRICS_PATH
        return Response(await scrape.text(), headers={"Content-Type": CONTENT_TYPE})

    return serve


def create_monitoring_app(
    *, store: Store, clock: Clock, metrics: Metrics, observer: Observer, readiness: Readiness | None = None
) -> Starlette:
    """``/metrics`` and health of a process, on a port where nothing else is served."""
    services = Services(store, clock, ApiLimits(), {}, observer, readiness or Readiness())
    app = Starlette(
        routes=routes_of(services, health.ROUTES.operations),
        middleware=[Middleware(RequestLog, clock=clock, observer=observer)],
    )
    app.add_route(METRICS_PATH, serve_metrics(Scrape(store=store, clock=clock, metrics=metrics)))
    return app


def create_waiting_app(metrics: Metrics, readiness: Readiness) -> Starlette:
    """The same of a process that has no database yet: alive, not ready, and its own counts."""

    async def is_up(_request: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def is_ready(_request: Request) -> Response:
        reason = readiness.reason or "the database has not been reached yet"
        return plain_response(ErrorShape.NATIVE, 503, NotReady.code, reason)

    async def serve(_request: Request) -> Response:
        return Response(metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    app = Starlette()
    for path, respond in (("/healthz", is_up), ("/livez", is_up), ("/readyz", is_ready), (METRICS_PATH, serve)):
        app.add_route(path, respond)
    return app
