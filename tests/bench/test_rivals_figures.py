"""What the comparison prints is what was measured: starts are counted on one clock, a sample says that it is one."""

from bench.rivals.contract import Cancelled
from bench.rivals.side_by_side import Stop

S = 1_000_000_000


def test_starts_are_counted_against_the_acknowledgement() -> None:
    complete = Cancelled(began_ns=10 * S, ended_ns=12 * S, asked=100, pending=100, left=0)
    stop = Stop.of(complete, [9 * S, 10 * S, 11 * S, 12 * S, 12 * S + 1, 15 * S])
    assert (stop.meanwhile, stop.after) == (3, 2)
    assert (stop.acknowledged_s, stop.none_can_start_s) == (2.0, 5.0)
    assert "EXTRAPOLATED" not in str(stop)


def test_none_starts_from_the_acknowledgement_on_when_none_came_after_it() -> None:
    stop = Stop.of(Cancelled(10 * S, 12 * S, 100, 100, 0), [9 * S])
    assert (stop.meanwhile, stop.after, stop.none_can_start_s) == (0, 0, 2.0)


def test_a_sample_is_extrapolated_and_says_so() -> None:
    stop = Stop.of(Cancelled(10 * S, 12 * S, asked=50, pending=1_000, left=950), [9 * S, 11 * S, 13 * S])
    assert (stop.acknowledged_s, stop.none_can_start_s, stop.meanwhile) == (40.0, 40.0, 1)
    assert "EXTRAPOLATED from 50 measured in 2.0 s" in str(stop)
