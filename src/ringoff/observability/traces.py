"""The observer that also traces, for an OpenTelemetry collector; the only module that knows OpenTelemetry.

Spans: an HTTP request (it goes on with the caller's W3C ``traceparent``) and the order in it; transactions of the dial
path that moved calls; a dial attempt, from its request to its settled outcome, below the permit that let it go; a
webhook's try, which hands its ``traceparent`` on. No span holds a phone number: ids, codes and our own words only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from ringoff import __version__
from ringoff.domain.attempt_records import ExpiredAttempt
from ringoff.domain.release_cause import Disposition
from ringoff.observer_port import (
    AttemptEnd,
    DeliveryNotes,
    Observer,
    OrderNotes,
    OrderOutcome,
    Refusal,
    RequestNotes,
    Step,
    StepNotes,
)
from ringoff.ports import Clock

_SERVICE: Final = "ringoff"
_FLUSH_MS: Final = 2_000
_EXPORT_S: Final = 5.0
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PERMITS: Final = frozenset({Step.PERMIT, Step.SECOND_PERMIT})
_OF_TRACE: Final = frozenset({b"traceparent", b"tracestate"})
_FAILED_DISPOSITIONS: Final = frozenset(
    {Disposition.NETWORK_FAILURE, Disposition.TRUNK_REFUSED, Disposition.CONGESTION, Disposition.INDETERMINATE}
)

_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Implements ``observer_port.Observer`` around another one, which is told everything too."""

    def __init__(self, processor: SpanProcessor, inner: Observer, clock: Clock) -> None:
        # Not the global provider: nothing outside this object makes spans. OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME
        # and OTEL_TRACES_SAMPLER are read by the SDK here.
        resource = Resource.create({SERVICE_NAME: _SERVICE, SERVICE_VERSION: __version__}).merge(_named())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("ringoff", __version__)
        self._inner = inner
        self._clock = clock

    @classmethod
    def to_collector(cls, endpoint: str, inner: Observer, clock: Clock) -> Self:
        """Batches to ``endpoint``/v1/traces (OTLP over HTTP), from a thread; what its queue cannot hold is dropped."""
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_S)
        return cls(BatchSpanProcessor(exporter), inner, clock)

    def close(self) -> None:
        """Send what waits, for some seconds at most, and end the thread. Blocks."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()

    @contextmanager
    def request(self, notes: RequestNotes, headers: Iterable[tuple[bytes, bytes]], /) -> Iterator[RequestNotes]:
        parent = _parent(headers)
        with self._inner.request(notes, headers), self._current(notes.method, SpanKind.SERVER, parent) as span:
            try:
                yield notes
            finally:
                span.update_name(f"{notes.method} {notes.route}")
                span.set_attribute("http.request.method", notes.method)
                span.set_attribute("http.route", notes.route)
                span.set_attribute("http.response.status_code", notes.status)
                if notes.status >= 500:
                    span.set_status(Status(StatusCode.ERROR))

    @contextmanager
    def order(self, notes: OrderNotes) -> Iterator[OrderNotes]:
        with self._inner.order(notes), self._current("terminate") as span:
            try:
                yield notes
            finally:
                span.set_attribute("ringoff.termination.level", notes.level)
                span.set_attribute("ringoff.termination.outcome", notes.outcome)
                if notes.outcome is OrderOutcome.FAILED:
                    span.set_status(Status(StatusCode.ERROR))

    @contextmanager
    def step(self, notes: StepNotes) -> Iterator[StepNotes]:
        """A permit is the parent of what is sent under it; of the others, only those that moved calls are worth one."""
        if notes.step in _PERMITS:
            with self._inner.step(notes), self._current(notes.step) as span:
                try:
                    yield notes
                finally:
                    span.set_attributes(_of_step(notes))
            return
        began_at = self._clock.now()
        try:
            with self._inner.step(notes):
                yield notes
        finally:
            if notes.call_count:
                self._past(notes.step, began_at, self._clock.now(), _of_step(notes))

    @contextmanager
    def delivery(self, notes: DeliveryNotes) -> Iterator[DeliveryNotes]:
        with self._inner.delivery(notes), self._current("webhook", SpanKind.CLIENT) as span:
            carrier: dict[str, str] = {}
            _propagator.inject(carrier)
            notes.headers = carrier
            try:
                yield notes
            finally:
                span.set_attribute("ringoff.event_type", notes.event_type)
                span.set_attribute("ringoff.delivery.state", notes.state)
                if notes.status is not None:
                    span.set_attribute("http.response.status_code", notes.status)
                if notes.state != "delivered":
                    span.set_status(Status(StatusCode.ERROR))

    def sent(self, driver: str, /) -> object:
        self._inner.sent(driver)
        return trace.get_current_span().get_span_context()

    def ended(self, end: AttemptEnd) -> None:
        self._inner.ended(end)
        self._attempt(end)

    def refused(self, reason: Refusal, call_count: int) -> None:
        self._inner.refused(reason, call_count)
        trace.get_current_span().set_attribute(f"ringoff.refused.{reason}", call_count)

    def rescued(self, attempts: Sequence[ExpiredAttempt]) -> None:
        self._inner.rescued(attempts)

    def swept(self, call_count: int) -> None:
        self._inner.swept(call_count)

    def loop_begun(self, loop: str) -> None:
        self._inner.loop_begun(loop)

    def loop_failed(self, loop: str) -> None:
        self._inner.loop_failed(loop)

    def _attempt(self, end: AttemptEnd) -> None:
        outcome = end.outcome
        attributes: dict[str, AttributeValue] = {
            "ringoff.attempt_id": str(end.attempt_id),
            "ringoff.call_id": str(end.call_id),
            "ringoff.campaign_id": str(end.campaign_id),
            "ringoff.driver": end.driver,
            "ringoff.disposition": outcome.disposition,
            "ringoff.talk_ms": outcome.talk_ms,
        }
        # The carrier's own text may name the number: the codes say what it said.
        if outcome.cause.sip_status is not None:
            attributes["ringoff.sip_status"] = outcome.cause.sip_status
        if outcome.cause.q850_cause is not None:
            attributes["ringoff.q850_cause"] = outcome.cause.q850_cause
        parent = Context()
        if isinstance(end.place, SpanContext):
            parent = trace.set_span_in_context(trace.NonRecordingSpan(end.place), parent)
        began_at = min(end.originated_at or end.released_at, end.released_at)
        span = self._tracer.start_span(
            "dial attempt", parent, SpanKind.CLIENT, attributes=attributes, start_time=_ns(began_at)
        )
        for name, at in (("ringing", end.rang_at), ("answered", end.answered_at)):
            if at is not None:
                span.add_event(name, timestamp=_ns(at))
        if outcome.disposition in _FAILED_DISPOSITIONS:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_ns(end.released_at))

    def _past(
        self, name: str, began_at: datetime, ended_at: datetime, attributes: Mapping[str, AttributeValue]
    ) -> None:
        span = self._tracer.start_span(name, Context(), attributes=attributes, start_time=_ns(began_at))
        span.end(_ns(max(began_at, ended_at)))

    @contextmanager
    def _current(self, name: str, kind: SpanKind = SpanKind.INTERNAL, parent: Context | None = None) -> Iterator[Span]:
        """A span that those within it belong to, and that their log lines name."""
        # An exception's words may hold anything: its kind is enough, and the log has the rest.
        with self._tracer.start_as_current_span(
            name, parent, kind, record_exception=False, set_status_on_exception=False
        ) as span:
            trace_id = trace.format_trace_id(span.get_span_context().trace_id)
            with structlog.contextvars.bound_contextvars(trace_id=trace_id):
                try:
                    yield span
                except Exception as error:
                    span.set_attribute("error.type", type(error).__name__)
                    raise


def _named() -> Resource:
    """What the environment says of this service goes before our own words."""
    given = Resource.create().attributes
    name = given.get(SERVICE_NAME)
    return Resource({}) if str(name).startswith("unknown_service") else Resource({SERVICE_NAME: name or _SERVICE})


def _of_step(notes: StepNotes) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {"ringoff.calls": notes.call_count}
    if notes.campaign_id is not None:
        attributes["ringoff.campaign_id"] = str(notes.campaign_id)
    return attributes


def _parent(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Who sends the header twice, or wrong, begins a trace of its own."""
    given: dict[str, str] = {}
    for name, value in headers:
        if name in _OF_TRACE:
            if name.decode() in given:
                return Context()
            given[name.decode()] = value.decode("latin-1")
    return _propagator.extract(given, Context())


def _ns(at: datetime) -> int:
    """Unix time in nanoseconds."""
    return (at - _EPOCH) // _MICROSECOND * 1_000
