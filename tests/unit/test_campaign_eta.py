"""The guess of when a campaign is done: laws that hold for every workload, and what each state says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.domain.call_window import ALWAYS, CallWindow, closes_at, is_open, next_opening
from ringoff.domain.campaign_eta import HORIZON, Eta, EtaState, Workload, attempts_left, attempts_per_s, estimate
from ringoff.domain.campaign_figures import BUCKETS_MAX, bucket_width_min

NOW = datetime(2026, 3, 8, 3, tzinfo=UTC)
NINE_TO_FIVE = CallWindow(9 * 60, 17 * 60, "America/New_York")
LOAD = Workload(
    now=NOW,
    status="ongoing",
    registered_count=600,
    retry_count=0,
    ongoing_count=0,
    ended_count=0,
    attempt_count=0,
    talk_s=0.0,
    measured_per_s=None,
    cps_limit=10.0,
    channels_max=10_000,
    sharing_count=1,
    window=ALWAYS,
    start_at=None,
    end_at=None,
    last_due_at=None,
)

windows = st.one_of(
    st.just(ALWAYS),
    st.builds(
        lambda start, length, zone: CallWindow(start, (start + length) % 1440 or 1440, zone),
        st.integers(0, 1439),
        st.integers(30, 1400),
        st.sampled_from(["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
    ).filter(lambda window: not window.is_always_open),
)
instants = st.integers(-31_536_000, 31_536_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
loads = st.builds(
    Workload,
    now=instants,
    status=st.just("ongoing"),
    registered_count=st.integers(0, 200_000),
    retry_count=st.integers(0, 50_000),
    ongoing_count=st.integers(1, 100),
    ended_count=st.integers(0, 100_000),
    attempt_count=st.one_of(st.none(), st.integers(0, 400_000)),
    talk_s=st.floats(0, 1e6),
    measured_per_s=st.one_of(st.none(), st.floats(0.01, 500)),
    cps_limit=st.floats(0.01, 500),
    channels_max=st.integers(1, 10_000),
    sharing_count=st.integers(0, 50),
    window=windows,
    start_at=st.none(),
    end_at=st.none(),
    last_due_at=st.none(),
)


def open_time(window: CallWindow, start: datetime, end: datetime) -> timedelta:
    """How long the window is open in between."""
    total, at = timedelta(0), start
    while at < end:
        until = min(closes_at(window, at), end) if is_open(window, at) else at
        total += until - at
        at = next_opening(window, until) if until < end else end
    return total


@given(load=loads)
def test_the_open_time_until_then_is_what_the_attempts_need(load: Workload) -> None:
    eta = estimate(load)
    needed = timedelta(seconds=attempts_left(load) / attempts_per_s(load))
    if eta.state is EtaState.BEYOND_HORIZON:
        assert open_time(load.window, load.now, load.now + HORIZON) < needed + timedelta(days=1)
        return
    assert eta.done_about_at is not None
    assert eta.done_about_at >= load.now
    assert abs(open_time(load.window, load.now, eta.done_about_at) - needed) < timedelta(milliseconds=1)


@given(load=loads, more=st.integers(1, 10_000))
def test_more_calls_are_done_no_sooner(load: Workload, more: int) -> None:
    before, after = estimate(load), estimate(replace(load, registered_count=load.registered_count + more))
    if after.done_about_at is not None:
        assert before.done_about_at is not None
        assert before.done_about_at <= after.done_about_at


@given(load=loads, faster=st.floats(1, 10))
def test_a_faster_trunk_is_done_no_later(load: Workload, faster: float) -> None:
    before, after = estimate(load), estimate(replace(load, cps_limit=load.cps_limit * faster))
    if before.done_about_at is not None:
        assert after.done_about_at is not None
        assert after.done_about_at <= before.done_about_at + timedelta(milliseconds=1)


@given(load=loads, end_s=st.integers(-1_000, 10_000_000))
def test_an_end_cuts_off(load: Workload, end_s: int) -> None:
    end_at = load.now + timedelta(seconds=end_s)
    free, bound = estimate(load), estimate(replace(load, end_at=end_at))
    if free.done_about_at is not None:
        assert bound.is_cut_off == (free.done_about_at > end_at)
        assert bound.done_about_at is not None
        assert load.now <= bound.done_about_at <= max(end_at, load.now)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (LOAD, Eta(EtaState.RUNNING, NOW + timedelta(seconds=60), None, False, 600, 10.0)),
        (replace(LOAD, sharing_count=2), Eta(EtaState.RUNNING, NOW + timedelta(seconds=120), None, False, 600, 5.0)),
        (
            replace(LOAD, measured_per_s=2.0, sharing_count=9),
            Eta(EtaState.RUNNING, NOW + timedelta(seconds=300), None, False, 600, 2.0),
        ),
        # A hundred calls took two attempts each.
        (
            replace(LOAD, ended_count=100, attempt_count=200),
            Eta(EtaState.RUNNING, NOW + timedelta(seconds=120), None, False, 1_200, 10.0),
        ),
        # A channel that is held for 15 s.
        (
            replace(LOAD, channels_max=15),
            Eta(EtaState.RUNNING, NOW + timedelta(seconds=600), None, False, 600, 1.0),
        ),
        (replace(LOAD, status="draft"), Eta(EtaState.NOT_STARTED, attempts_left=600)),
        (replace(LOAD, status="paused"), Eta(EtaState.PAUSED, attempts_left=600)),
        (replace(LOAD, status="completed"), Eta(EtaState.DONE)),
        (replace(LOAD, registered_count=0), Eta(EtaState.DONE)),
        (replace(LOAD, cps_limit=0.0), Eta(EtaState.TRUNK_OFF, attempts_left=600)),
        (
            replace(LOAD, status="scheduled", start_at=NOW + timedelta(hours=1)),
            Eta(
                EtaState.WAITS_FOR_START,
                NOW + timedelta(hours=1, seconds=60),
                NOW + timedelta(hours=1),
                False,
                600,
                10.0,
            ),
        ),
        # Ten in the evening before the clocks of New York go forward.
        (
            replace(LOAD, window=NINE_TO_FIVE),
            Eta(
                EtaState.WAITS_FOR_WINDOW,
                datetime(2026, 3, 8, 13, 1, tzinfo=UTC),
                datetime(2026, 3, 8, 13, tzinfo=UTC),
                False,
                600,
                10.0,
            ),
        ),
        (
            replace(LOAD, last_due_at=NOW + timedelta(hours=2)),
            Eta(EtaState.RUNNING, NOW + timedelta(hours=2), None, False, 600, 10.0),
        ),
        (
            replace(LOAD, cps_limit=1e-9),
            Eta(EtaState.BEYOND_HORIZON, attempts_left=600, attempts_per_s=1e-9),
        ),
    ],
)
def test_what_each_state_says(load: Workload, expected: Eta) -> None:
    assert estimate(load) == expected


@given(
    first_at=instants,
    span_s=st.integers(0, 40 * 365 * 86_400),
)
def test_no_span_has_more_buckets_than_allowed(first_at: datetime, span_s: int) -> None:
    last_at = first_at + timedelta(seconds=span_s)
    width = timedelta(minutes=bucket_width_min(first_at, last_at))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert (last_at - epoch) // width - (first_at - epoch) // width + 1 <= BUCKETS_MAX
