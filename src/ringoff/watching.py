"""Who watches this process: counts for Prometheus always, traces when a collector is named; and where."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from ringoff.api.monitoring import create_monitoring_app, create_waiting_app
from ringoff.listening import bound_socket
from ringoff.observability.counting import Counting
from ringoff.observability.metrics import Metrics
from ringoff.observer_port import Observer
from ringoff.ports import Clock, Store
from ringoff.readiness import Readiness
from ringoff.settings import Settings

if TYPE_CHECKING:
    from ringoff.observability.traces import Tracing

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Watch:
    """What the rest of the process is given."""

    metrics: Metrics
    observer: Observer


@asynccontextmanager
async def watched(settings: Settings, clock: Clock) -> AsyncIterator[Watch]:
    """Until the end; what was traced and not sent yet is sent then, for some seconds at most."""
    metrics = Metrics()
    counting = Counting(metrics, clock)
    tracing = _tracing(settings, counting, clock)
    try:
        yield Watch(metrics, tracing or counting)
    finally:
        if tracing is not None:
            # It waits for the collector.
            await asyncio.to_thread(tracing.close)


@contextmanager
def metrics_socket(settings: Settings) -> Iterator[socket.socket | None]:
    """None without RINGOFF_METRICS_PORT; ``Conflict`` when that is taken."""
    if settings.metrics_port is None:
        yield None
        return
    with bound_socket(settings.host, settings.metrics_port, "metrics_port") as listening:
        yield listening


class Lookout:
    """``/metrics`` and health on a port of their own: what is known without the database, until there is one."""

    def __init__(self, watch: Watch, clock: Clock, readiness: Readiness) -> None:
        self._watch = watch
        self._clock = clock
        self._readiness = readiness
        self._app: ASGIApp = create_waiting_app(watch.metrics, readiness)

    def opened(self, store: Store) -> None:
        """From now on the database is asked, too."""
        self._app = create_monitoring_app(
            store=store,
            clock=self._clock,
            metrics=self._watch.metrics,
            observer=self._watch.observer,
            readiness=self._readiness,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _tracing(settings: Settings, counting: Counting, clock: Clock) -> "Tracing | None":
    if settings.otel_endpoint is None:
        return None
    try:
        # Only here: whoever sends no traces needs none of it.
        from ringoff.observability.traces import Tracing
    except ImportError as error:
        log.error(
            "traces are asked for and cannot be made: install ringoff[otel]",
            endpoint=settings.otel_endpoint,
            missing=error.name,
        )
        return None
    return Tracing.to_collector(settings.otel_endpoint, counting, clock)
