"""The lines of a chart: every bucket, zeros where nothing ended, and no attempt in two of them or in none."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ringoff.dashboard.outcomes import LINES, by_line, rows, series
from ringoff.domain.campaign_figures import OutcomeBucket, Outcomes, OutcomeSum
from ringoff.domain.release_cause import Disposition

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def _outcomes(*minutes: tuple[int, dict[str, int]]) -> Outcomes:
    return Outcomes([], 10, [OutcomeBucket(NOON + timedelta(minutes=minute), counts) for minute, counts in minutes])


def test_buckets_in_which_nothing_ended_are_zeros_and_one_stands_before_the_first() -> None:
    drawn = series(_outcomes((0, {"answered": 3, "busy": 1}), (30, {"no_answer": 2, "rejected": 4, "cancelled": 1})))
    assert drawn["at"] == [(NOON + timedelta(minutes=10 * step)).timestamp() for step in range(-1, 4)]
    assert drawn["answered"] == [0, 3, 0, 0, 0]
    assert drawn["busy"] == [0, 1, 0, 0, 0]
    assert drawn["no_answer"] == [0, 0, 0, 0, 2]
    assert drawn["other"] == [0, 0, 0, 0, 5]


def test_without_an_attempt_there_is_nothing_to_draw() -> None:
    empty: dict[str, list[float]] = {"at": [], **{line: [] for line in LINES}}
    assert series(None) == empty
    assert series(_outcomes()) == empty


@given(st.dictionaries(st.sampled_from(list(Disposition)), st.integers(0, 1_000)))
def test_no_attempt_is_lost_between_the_lines(by_disposition: dict[str, int]) -> None:
    found = by_line(by_disposition)
    assert set(found) == set(LINES)
    assert sum(found.values()) == sum(by_disposition.values())


def test_shares_are_of_all_attempts_most_first() -> None:
    sums = [OutcomeSum("busy", 1, 0, 0), OutcomeSum("answered", 3, 3, 9_000)]
    assert rows(Outcomes(sums, 1, [])) == [("answered", 3, 0.75), ("busy", 1, 0.25)]
    assert rows(None) == []
