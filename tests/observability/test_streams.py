"""An event stream lasts as long as somebody looks at it: that is no duration of a request."""

from ringoff.observability.counting import Counting
from ringoff.observability.metrics import Metrics
from ringoff.observer_port import RequestNotes
from tests.support.virtual_clock import VirtualClock


def test_a_stream_is_not_among_the_durations_of_requests() -> None:
    metrics = Metrics()
    counting = Counting(metrics, VirtualClock())
    for route, is_stream in (("/events/overview", True), ("/", False)):
        with counting.request(RequestNotes("GET", route), []) as notes:
            notes.status, notes.is_stream = 200, is_stream
    shown = metrics.render().decode()
    assert 'route="/"' in shown
    assert "/events/overview" not in shown
