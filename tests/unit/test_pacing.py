"""The law of the pace, kept by simulation: no window on the wire holds more than was agreed."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringoff.domain.attempt_records import PaceState
from ringoff.domain.pacing import (
    BURST_S,
    PACE_SHARE_MIN,
    RECOVERY_S,
    SILENT_AFTER_S,
    SILENT_SENDS_MIN,
    WAIT_MIN_S,
    Pace,
    after_grant,
    allowance,
    effective_pace,
    has_channel,
    is_congested,
    is_silent,
    lookback_s,
    wait_s,
)


def state(
    cps_max: float = 10,
    channels_max: int = 1000,
    *,
    live: int = 0,
    grants: list[tuple[float, int]] | None = None,
    is_enabled: bool = True,
    is_slowed: bool = False,
    silent_count: int = 0,
    is_silent: bool = False,
) -> PaceState:
    reduced_cps = cps_max / 2 if is_slowed else None
    return PaceState(cps_max, channels_max, is_enabled, reduced_cps, 0.0, silent_count, is_silent, live, grants or [])


def run_trunk(
    cps_max: float, slot_ttl_s: float, rng: random.Random, seconds: float, *, is_slowed: bool = False
) -> tuple[list[float], list[float]]:
    """Claim as soon and as much as allowed; let each send leave anywhere in its slot. Times of grants and sends."""
    grants: list[tuple[float, int]] = []
    sends: list[float] = []
    now = 0.0
    while now < seconds:
        # Only what the lookback shows is read from the store.
        seen = [(now - at, count) for at, count in reversed(grants) if now - at < lookback_s(cps_max, slot_ttl_s)]
        trunk = state(cps_max, grants=seen, is_slowed=is_slowed)
        count = allowance(trunk, 50, slot_ttl_s)
        if count:
            grants.append((now, count))
            sends += [now + rng.choice([0.0, slot_ttl_s, rng.random() * slot_ttl_s]) for _ in range(count)]
        now += rng.choice([0.01, 0.05, wait_s(trunk, slot_ttl_s)])
    return [at for at, count in grants for _ in range(count)], sorted(sends)


def most_within(times: list[float], span_s: float) -> int:
    """The most of these times in any half-open span, allowing for the dust of floating point."""
    most = first = 0
    for index, at in enumerate(times):
        while at - times[first] >= span_s - 1e-6:
            first += 1
        most = max(most, index - first + 1)
    return most


@given(
    st.sampled_from([0.2, 0.5, 1, 1.5, 2, 3.7, 10, 30, 100]),
    st.sampled_from([0.0, 0.1, 0.25, 1.5]),
    st.booleans(),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_no_window_on_the_wire_holds_more_than_agreed(cps: float, ttl_s: float, is_slowed: bool, seed: int) -> None:
    granted, sent = run_trunk(cps, ttl_s, random.Random(seed), seconds=min(60, 6 + 10 / cps), is_slowed=is_slowed)
    pace = Pace(cps / 2 if is_slowed else cps, 0)
    assert most_within(sent, pace.window_s) <= pace.sends_max
    assert most_within(granted, 0.1) <= pace.burst_max


@pytest.mark.parametrize("cps", [1, 5, 30, 200])
def test_the_agreed_pace_is_used_up_to_the_slot(cps: int) -> None:
    granted, _ = run_trunk(cps, 0.25, random.Random(1), seconds=20)
    assert len(granted) >= 0.7 * 20 * cps / 1.25


@pytest.mark.parametrize("cps", [30, 200, 300])
def test_claims_that_come_late_by_half_a_burst_lose_no_pace(cps: int) -> None:
    grants: list[tuple[float, int]] = []
    now, slot_ttl_s, seconds = 0.0, 0.1, 20
    while now < seconds:
        seen = [(now - at, count) for at, count in reversed(grants) if now - at < lookback_s(cps, slot_ttl_s)]
        grants.append((now, allowance(state(cps, grants=seen), 50, slot_ttl_s)))
        now += 1.45 * BURST_S
    assert sum(count for _, count in grants) >= 0.9 * seconds * cps / (1 + slot_ttl_s)


@pytest.mark.parametrize(
    ("trunk", "expected"),
    [
        (state(10), 2),
        (state(30), 5),
        (state(31), 5),
        (state(1000), 50),
        (state(30, is_slowed=True), 3),
        (state(30, is_enabled=False), 0),
        (state(30, silent_count=1, is_silent=True), 0),
        (state(30, silent_count=1), 1),
        (state(30, silent_count=1, live=1), 0),
        (state(0), 0),
        (state(30, channels_max=2), 2),
        (state(30, channels_max=2, live=2), 0),
        (state(30, channels_max=2, live=5), 0),
        (state(30, grants=[(0.05, 3)]), 2),
        (state(30, grants=[(0.05, 5)]), 0),
        (state(30, grants=[(0.3, 15), (0.6, 14)]), 1),
        (state(30, grants=[(0.3, 15), (0.6, 15)]), 0),
        (state(30, grants=[(1.24, 30)]), 0),
        (state(30, grants=[(1.25, 30)]), 5),
        (state(0.5, grants=[(2.2, 1)]), 0),
        (state(0.5, grants=[(2.25, 1)]), 1),
        (state(30, grants=[(-0.1, 30)]), 0),
    ],
)
def test_what_may_be_granted_now(trunk: PaceState, expected: int) -> None:
    assert allowance(trunk, 50, 0.25) == expected


def test_a_batch_is_never_larger_than_asked_for() -> None:
    assert allowance(state(1000), 7, 0.25) == 7
    assert allowance(state(1000), 0, 0.25) == 0


@given(
    st.floats(0.1, 500),
    st.lists(st.tuples(st.floats(0, 15), st.integers(1, 40)), max_size=12),
    st.floats(0, 2),
    st.booleans(),
)
def test_waiting_as_long_as_told_frees_the_pace(
    cps: float, grants: list[tuple[float, int]], ttl_s: float, is_slowed: bool
) -> None:
    trunk = state(cps, grants=sorted(grants), is_slowed=is_slowed)
    wait = wait_s(trunk, ttl_s)
    assert wait >= WAIT_MIN_S
    later = state(cps, grants=[(age + wait + 1e-9, count) for age, count in sorted(grants)], is_slowed=is_slowed)
    assert allowance(later, 50, ttl_s) >= 1
    if wait > WAIT_MIN_S + 1e-6:
        too_soon = state(cps, grants=[(age + wait - 1e-6, count) for age, count in sorted(grants)], is_slowed=is_slowed)
        assert allowance(too_soon, 50, ttl_s) == 0


@given(st.floats(0.05, 500), st.booleans(), st.floats(0, 2))
def test_the_lookback_reaches_every_grant_that_matters(cps: float, is_slowed: bool, ttl_s: float) -> None:
    assert lookback_s(cps, ttl_s) >= effective_pace(state(cps, is_slowed=is_slowed)).window_s + ttl_s


def test_a_trunk_that_waits_for_nothing_in_time_says_the_least() -> None:
    assert wait_s(state(30, is_enabled=False, grants=[(0, 30)]), 0.25) == WAIT_MIN_S
    assert wait_s(state(30), 0.25) == WAIT_MIN_S
    assert lookback_s(0, 0.25) == 0.25


@pytest.mark.parametrize(
    ("recent", "expected"),
    [
        ([], False),
        ([True, True], False),
        ([True, True, True], True),
        ([True] * 3 + [False] * 47, False),
        ([True] * 10 + [False] * 40, True),
    ],
)
def test_a_trunk_is_congested_when_a_good_part_of_its_calls_is(recent: list[bool], expected: bool) -> None:
    assert is_congested(recent) is expected


@given(st.floats(0.1, 500), st.floats(0, 1), st.floats(0, 1_000), st.floats(0, 1_000))
def test_a_reduced_pace_climbs_back_and_never_above_the_limit(
    cps: float, share: float, age_s: float, later_s: float
) -> None:
    def at(reduced_age_s: float) -> float:
        trunk = replace(state(cps), reduced_cps=cps * share, reduced_age_s=reduced_age_s)
        return effective_pace(trunk).cps_max

    assert cps * PACE_SHARE_MIN * 0.999 <= at(age_s) <= at(age_s + later_s) <= cps
    assert at(RECOVERY_S) == cps


def test_several_requests_and_no_word_for_seconds_are_silence() -> None:
    sends = [1.0] * SILENT_SENDS_MIN
    assert is_silent(sends, heard_at=0.5, now=1.0 + SILENT_AFTER_S)
    assert not is_silent(sends, heard_at=1.5, now=1.0 + SILENT_AFTER_S), "it was heard since"
    assert not is_silent(sends, heard_at=0.5, now=0.9 + SILENT_AFTER_S), "not for long enough"
    assert not is_silent(sends[1:], heard_at=0.5, now=100), "a single one may be the callee's network"


@given(
    st.sampled_from([0.5, 1.0, 7.0, 50.0, 500.0]),
    st.integers(0, 12),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), max_size=5),
)
def test_after_all_that_was_allowed_nothing_is(cps_max: float, live: int, grants: list[tuple[float, int]]) -> None:
    trunk = state(cps_max, 10, live=live, grants=grants)
    count = allowance(trunk, 1_000, 0.1)
    left = after_grant(trunk, count, count)
    assert allowance(left, 1_000, 0.1) == 0
    assert allowance(after_grant(trunk, count, 0), 1_000, 0.1) <= max(0, 10 - live - count), "channels are taken"
    assert has_channel(trunk) == (live < 10)
    assert left.live_count <= max(10, live)
