"""``/metrics``, and the small application that serves it, with health, where nothing else is served."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from ringoff.api.access import RequestLog
from ringoff.api.native import health
from ringoff.api.routing import PATH_TEMPLATE, routes_of
from ringoff.api.services import ApiLimits, Services
from ringoff.observability.metrics import CONTENT_TYPE, Metrics
from ringoff.observability.scrape import Scrape
from ringoff.observer_port import Observer
from ringoff.ports import Clock, Store

METRICS_PATH: Final = "/metrics"


def serve_metrics(scrape: Scrape) -> Callable[[Request], Awaitable[Response]]:
    """Without a key: it holds numbers and names of rules only."""

    async def serve(request: Request) -> Response:
        request.scope[PATH_TEMPLATE] = METRICS_PATH
        return Response(await scrape.text(), headers={"Content-Type": CONTENT_TYPE})

    return serve


def create_monitoring_app(*, store: Store, clock: Clock, metrics: Metrics, observer: Observer) -> Starlette:
    """``/metrics``, ``/healthz`` and ``/readyz`` of a process that serves nothing else."""
    services = Services(store, clock, ApiLimits(), {}, observer)
    app = Starlette(
        routes=routes_of(services, health.ROUTES.operations),
        middleware=[Middleware(RequestLog, clock=clock, observer=observer)],
    )
    app.add_route(METRICS_PATH, serve_metrics(Scrape(store=store, clock=clock, metrics=metrics)))
    return app
