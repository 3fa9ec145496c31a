"""How long the sweeper rests: a share of its own time, and more the more its batches are slowed down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.dispatch.sweeper import Pace

ROWS = 5_000
seconds = st.floats(0.001, 60)


def test_an_undisturbed_batch_rests_a_share_of_its_time() -> None:
    pace = Pace()
    assert pace.rest_s(0.1, ROWS) == pytest.approx(0.03)
    assert pace.rest_s(0.1, ROWS) == pytest.approx(0.03)


def test_what_takes_longer_for_a_row_rests_longer_than_in_proportion() -> None:
    pace = Pace()
    pace.rest_s(0.1, ROWS)
    assert pace.rest_s(0.2, ROWS) == pytest.approx(0.12, rel=0.01)
    assert pace.rest_s(0.2, 2 * ROWS) == pytest.approx(0.06, rel=0.01), "twice the rows are no slowdown"


def test_a_machine_that_has_become_slower_for_good_is_not_waited_for() -> None:
    pace = Pace()
    pace.rest_s(0.1, ROWS)
    rests = [pace.rest_s(0.2, ROWS) for _ in range(1_000)]
    assert rests[-1] == pytest.approx(0.06, rel=0.01)


@given(st.lists(seconds, min_size=1, max_size=50))
def test_a_rest_is_never_less_than_its_share_nor_without_end(batches: list[float]) -> None:
    pace = Pace()
    for took_s in batches:
        assert 0.3 * took_s * 0.99 <= pace.rest_s(took_s, ROWS) <= 2.0 * took_s
