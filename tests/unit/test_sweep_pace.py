"""How long the sweeper rests: a share of its own time, and a multiple of what its batches were delayed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.dispatch.sweeper import BatchKind, Pace, Swept

ROWS = 5_000
BATCH = Swept(ROWS, BatchKind(is_by_number=False, has_events=True), is_dialling=True)
TWICE = BATCH._replace(row_count=2 * ROWS)
BY_NUMBER = BATCH._replace(kind=BatchKind(is_by_number=True, has_events=True))
BESIDE_NOBODY = BATCH._replace(is_dialling=False)
seconds = st.floats(0.001, 60)


def test_an_undisturbed_batch_rests_a_share_of_its_time() -> None:
    pace = Pace()
    assert pace.rest_s(0.1, BATCH) == pytest.approx(0.03)
    assert pace.rest_s(0.1, BATCH) == pytest.approx(0.03)


def test_a_delay_is_rested_four_times() -> None:
    pace = Pace()
    pace.rest_s(0.1, BATCH)
    assert pace.rest_s(0.11, BATCH) == pytest.approx(0.11 * 0.3 + 0.11 * 0.4, rel=0.02)
    assert pace.rest_s(0.2, TWICE) == pytest.approx(0.06, rel=0.01), "twice the rows are no slowdown"


def test_a_machine_that_has_become_slower_for_good_is_not_waited_for() -> None:
    pace = Pace()
    pace.rest_s(0.1, BATCH)
    rests = [pace.rest_s(0.2, BATCH) for _ in range(5_000)]
    assert rests[-1] == pytest.approx(0.06, rel=0.01)


def test_a_kind_of_batch_that_takes_longer_by_nature_is_not_taken_for_delayed() -> None:
    pace = Pace()
    pace.rest_s(0.1, BATCH)
    assert pace.rest_s(0.5, BY_NUMBER) == pytest.approx(0.15)


def test_beside_nobody_a_slow_batch_delays_nobody() -> None:
    pace = Pace()
    pace.rest_s(0.1, BATCH)
    assert pace.rest_s(0.2, BESIDE_NOBODY) == pytest.approx(0.06)


@given(st.lists(seconds, min_size=1, max_size=50))
def test_a_rest_is_never_less_than_its_share_nor_without_end(batches: list[float]) -> None:
    pace = Pace()
    for took_s in batches:
        assert 0.3 * took_s * 0.99 <= pace.rest_s(took_s, BATCH) <= 3.0 * took_s
