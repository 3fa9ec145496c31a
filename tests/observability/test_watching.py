"""What the settings wire: counts always, traces when they can be made, a port of its own when it is free."""

import sys
from pathlib import Path

import pytest
import structlog

from ringoff.clock import SystemClock
from ringoff.domain.errors import Conflict
from ringoff.observability.counting import Counting
from ringoff.observability.traces import Tracing
from ringoff.settings import Settings
from ringoff.watching import metrics_socket, watched

pytestmark = pytest.mark.anyio

HERE = Path("/nowhere")
COLLECTOR = "http://127.0.0.1:9"


async def test_without_a_collector_it_counts() -> None:
    async with watched(Settings(data_dir=HERE), SystemClock()) as watch:
        assert isinstance(watch.observer, Counting)


async def test_with_a_collector_it_traces_as_well() -> None:
    async with watched(Settings(data_dir=HERE, otel_endpoint=COLLECTOR), SystemClock()) as watch:
        assert isinstance(watch.observer, Tracing)


async def test_a_collector_without_the_extra_is_said_and_costs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ringoff.observability.traces", None)
    with structlog.testing.capture_logs() as lines:
        async with watched(Settings(data_dir=HERE, otel_endpoint=COLLECTOR), SystemClock()) as watch:
            assert isinstance(watch.observer, Counting)
    [line] = lines
    assert line["log_level"] == "error"
    assert "ringoff[otel]" in line["event"]
    assert line["endpoint"] == COLLECTOR


def test_a_taken_port_for_metrics_is_said_at_once() -> None:
    with metrics_socket(Settings(data_dir=HERE)) as unset:
        assert unset is None
    with metrics_socket(Settings(data_dir=HERE, metrics_port=0)) as listening:
        assert listening is not None
        listening.listen()
        taken = listening.getsockname()[1]
        with pytest.raises(Conflict) as caught, metrics_socket(Settings(data_dir=HERE, metrics_port=taken)):
            pass
    assert caught.value.field == "metrics_port"
