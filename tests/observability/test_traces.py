"""Spans: what they hold, whose children they are, and that no number is in any of them; also over a real socket."""

import asyncio
import gzip
import json
from collections.abc import Sequence

import httpx2
import pytest
import structlog
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ringoff.api.app import ApiLimits, create_app
from ringoff.clock import SystemClock
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.domain.termination import Selector
from ringoff.observability.counting import Counting
from ringoff.observability.metrics import Metrics
from ringoff.observability.traces import Tracing
from ringoff.observer_port import NOBODY, AttemptEnd, RequestNotes
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.support.virtual_clock import VirtualClock
from tests.support.watched_campaign import NUMBERS, watched_campaign
from tests.support.world import World

pytestmark = pytest.mark.anyio

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


class Traced:
    """A tracing observer whose spans stay here."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self._kept = InMemorySpanExporter()
        clock = SystemClock()
        self.observer = Tracing(SimpleSpanProcessor(self._kept), Counting(self.metrics, clock), clock)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._kept.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def said(self) -> str:
        return "\n".join(span.to_json() for span in self.spans)


def context_of(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> tuple[str, str] | None:
    return None if span.parent is None else (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}")


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


async def test_a_dialled_campaign_is_told_in_spans(store: PostgresStore) -> None:
    traced = Traced()
    watched = await watched_campaign(store, traced.observer)
    attempts = traced.named("dial attempt")
    written = await watched.world.count("SELECT count(*) FROM dial_attempt")
    permits = {context_of(span) for span in traced.named("permit")}
    assert len(attempts) == written > len(NUMBERS)
    assert {parent_of(span) for span in attempts} <= permits
    for span in attempts:
        assert (span.start_time or 0) <= (span.end_time or 0)
    [answered] = [span for span in attempts if attributes(span)["ringoff.disposition"] == "answered"]
    assert [event.name for event in answered.events][-1:] == ["answered"]
    busy = [attributes(span) for span in attempts if attributes(span)["ringoff.disposition"] == "busy"]
    assert {(span["ringoff.sip_status"], span["ringoff.driver"]) for span in busy} == {(486, "simulated")}
    claimed = [attributes(span)["ringoff.calls"] for span in traced.named("claim")]
    assert claimed, "claims that found calls"
    assert all(claimed), "and no others"
    [order] = traced.named("terminate")
    assert attributes(order) == {"ringoff.termination.level": "campaign", "ringoff.termination.outcome": "given"}
    assert [number for number in (*NUMBERS, "12025550100", "12025550031") if number.lstrip("+") in traced.said()] == []


async def test_what_traces_is_counted_all_the_same(store: PostgresStore) -> None:
    traced = Traced()
    watched = await watched_campaign(store, traced.observer)
    written = await watched.world.count("SELECT count(*) FROM dial_attempt")
    samples = [sample for family in traced.metrics.registry.collect() for sample in family.samples]
    assert sum(sample.value for sample in samples if sample.name == "ringoff_dial_attempts_total") == written


async def test_a_request_goes_on_with_the_trace_of_its_caller_and_a_webhook_hands_its_own_on(
    store: PostgresStore,
) -> None:
    traced = Traced()
    watched = await watched_campaign(store, traced.observer)
    [health] = traced.named("GET /healthz")
    assert parent_of(health) == (TRACE_ID, SPAN_ID)
    assert context_of(health)[0] == TRACE_ID
    assert attributes(health)["http.response.status_code"] == 200
    [unmatched] = traced.named("GET unmatched")
    assert "/nowhere" not in traced.said(), "what somebody sent as a path is none of ours"
    assert attributes(unmatched)["http.response.status_code"] == 404
    tries = {context_of(span) for span in traced.named("webhook")}
    assert {tuple(headers["traceparent"].split("-")[1:3]) for headers in watched.delivered} == tries


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"traceparent", b"00-nonsense-01")],
        [(b"traceparent", b"\xff\xfe")],
        [(b"traceparent", TRACEPARENT.encode()), (b"traceparent", TRACEPARENT.encode())],
    ],
)
async def test_a_wrong_traceparent_begins_a_trace_of_its_own(headers: list[tuple[bytes, bytes]]) -> None:
    traced = Traced()
    with traced.observer.request(RequestNotes("GET", "/healthz", 200), headers):
        pass
    [span] = traced.spans
    assert span.parent is None


async def test_an_order_that_fails_is_a_failed_span_without_the_words_of_its_error(store: PostgresStore) -> None:
    traced = Traced()
    world = await World.make(store)

    async def gate(_name: str) -> None:
        raise RuntimeError("the number +12025550111 is in here")

    with pytest.raises(RuntimeError):
        await terminate(
            store, world.principal, Selector(mobile_numbers=("+12025550111",)), gate=gate, observer=traced.observer
        )
    [span] = traced.spans
    assert attributes(span)["ringoff.termination.outcome"] == "failed"
    assert attributes(span)["error.type"] == "RuntimeError"
    assert not span.status.is_ok
    assert "12025550111" not in traced.said()


async def test_the_words_of_a_carrier_are_in_no_span() -> None:
    traced, clock = Traced(), VirtualClock()
    cause = ReleaseCause(sip_status=486, q850_cause=17, text="+12025550111 is busy")
    [world] = [AttemptEnd("a", "b", "c", "sip", Outcome(Disposition.BUSY, cause), None, None, None, clock.now(), None)]  # type: ignore[arg-type]
    traced.observer.ended(world)
    [span] = traced.spans
    assert attributes(span)["ringoff.q850_cause"] == 17
    assert "12025550111" not in traced.said()


async def test_lines_of_a_request_name_its_trace(store: PostgresStore) -> None:
    traced = Traced()
    app = create_app(store=store, clock=SystemClock(), limits=ApiLimits(), observer=traced.observer)
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ringoff.test") as client:
            await client.get("/healthz", headers={"traceparent": TRACEPARENT})
    [line] = [line for line in lines if line["event"] == "request"]
    assert line["trace_id"] == TRACE_ID
    assert line["request_id"]


class Collector:
    """An OTLP receiver on a real socket."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.paths.append(request.path)
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        return web.Response(content_type="application/x-protobuf", body=b"")


async def test_a_collector_gets_them_by_http() -> None:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/{path:.*}", collector.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        tracing = Tracing.to_collector(f"http://127.0.0.1:{port}/", NOBODY, SystemClock())
        with tracing.request(RequestNotes("GET", "/healthz", 200), [(b"traceparent", TRACEPARENT.encode())]):
            pass
        await asyncio.to_thread(tracing.close)
    finally:
        await runner.cleanup()
    assert collector.paths == ["/v1/traces"]
    [resource_spans] = collector.requests[0].resource_spans
    resource = {each.key: each.value.string_value for each in resource_spans.resource.attributes}
    assert resource["service.name"] == "ringoff"
    [span] = resource_spans.scope_spans[0].spans
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("GET /healthz", TRACE_ID, SPAN_ID)


async def test_a_collector_that_is_away_costs_no_request_and_some_seconds_at_the_end() -> None:
    tracing = Tracing.to_collector("http://127.0.0.1:9", NOBODY, SystemClock())
    with tracing.request(RequestNotes("GET", "/healthz", 200), []) as notes:
        assert notes.status == 200
    async with asyncio.timeout(30):
        await asyncio.to_thread(tracing.close)


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "dialler-2")
    kept = InMemorySpanExporter()
    tracing = Tracing(SimpleSpanProcessor(kept), NOBODY, VirtualClock())
    with tracing.request(RequestNotes("GET"), []):
        pass
    [span] = kept.get_finished_spans()
    assert json.loads(span.to_json())["resource"]["attributes"]["service.name"] == "dialler-2"
