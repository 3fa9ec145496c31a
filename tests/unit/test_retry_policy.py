"""What an attempt makes of its call, row by row, and the laws that hold for every row."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.domain.call import CallStatus, SubStatus
from ringoff.domain.call_window import ALWAYS, CallWindow, is_open, next_opening
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.domain.retry_policy import (
    CONGESTION_COUNT_MAX,
    CONGESTION_PAUSE_MAX_S,
    NextStep,
    RetryPolicy,
    congestion_pause_s,
    next_step,
)

NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)
POLICY = RetryPolicy(retry_count=2, retry_busy_min=10, retry_not_picked_min=20, retry_failed_min=40)
OFFICE_HOURS = CallWindow(9 * 60, 17 * 60, "Europe/Berlin")


def after(disposition: Disposition, policy: RetryPolicy = POLICY, used: int = 0, congested: int = 0) -> NextStep:
    return next_step(Outcome(disposition, ReleaseCause()), policy, ALWAYS, used, congested, NOW)


@pytest.mark.parametrize(
    ("disposition", "delay_min"),
    [
        (Disposition.BUSY, 10),
        (Disposition.NO_ANSWER, 20),
        (Disposition.NETWORK_FAILURE, 40),
    ],
)
def test_what_did_not_connect_rings_again_after_its_delay(disposition: Disposition, delay_min: int) -> None:
    again_at = NOW + timedelta(minutes=delay_min)
    assert after(disposition, used=1) == NextStep(CallStatus.RETRY, SubStatus.RETRY_SCHEDULED, again_at, True)
    assert after(disposition, used=2) == NextStep(CallStatus.FAILED, SubStatus.RETRY_LIMIT_REACHED)
    assert after(disposition, RetryPolicy()) == NextStep(CallStatus.FAILED, SubStatus.RETRY_LIMIT_REACHED)


@pytest.mark.parametrize(
    ("disposition", "status", "sub_status"),
    [
        (Disposition.ANSWERED, CallStatus.COMPLETED, SubStatus.ACCEPTED),
        (Disposition.REJECTED, CallStatus.FAILED, SubStatus.FAILED),
        (Disposition.UNWANTED, CallStatus.FAILED, SubStatus.FAILED),
        (Disposition.INVALID_NUMBER, CallStatus.FAILED, SubStatus.FAILED),
        (Disposition.INDETERMINATE, CallStatus.ERROR, SubStatus.RECONCILED_TO_ERROR_FROM_ONGOING),
        (Disposition.CANCELLED, CallStatus.CANCELLED, SubStatus.USER_TERMINATED),
    ],
)
def test_what_never_rings_again(disposition: Disposition, status: CallStatus, sub_status: SubStatus) -> None:
    assert after(disposition) == NextStep(status, sub_status)


def test_a_rejected_call_rings_again_only_if_the_setting_says_so() -> None:
    policy = RetryPolicy(retry_count=1, retry_not_picked_min=7, retry_rejected=True)
    assert after(Disposition.REJECTED, policy).next_attempt_at == NOW + timedelta(minutes=7)
    assert after(Disposition.REJECTED, policy, used=1).sub_status is SubStatus.RETRY_LIMIT_REACHED


def test_a_callee_without_an_agent_is_rung_again_only_if_the_setting_says_so() -> None:
    assert after(Disposition.AGENT_FAILED) == NextStep(CallStatus.FAILED, SubStatus.FAILED)
    policy = RetryPolicy(retry_count=1, retry_failed_min=7, retry_agent_failed=True)
    assert after(Disposition.AGENT_FAILED, policy).next_attempt_at == NOW + timedelta(minutes=7)


def test_what_was_ended_for_want_of_a_second_permit_waits_again_and_spends_no_retry() -> None:
    outcome = Outcome(Disposition.CANCELLED, ReleaseCause(), is_put_back=True)
    step = next_step(outcome, RetryPolicy(), ALWAYS, 0, 0, NOW)
    assert (step.status, step.spends_retry, step.next_attempt_at) == (
        CallStatus.RETRY,
        False,
        NOW + timedelta(seconds=5),
    )
    assert next_step(outcome, RetryPolicy(), ALWAYS, 0, CONGESTION_COUNT_MAX, NOW).status is CallStatus.FAILED


@pytest.mark.parametrize(
    ("voicemail", "max_length", "sub_status"),
    [
        (True, False, SubStatus.VOICEMAIL_DETECTED),
        (False, True, SubStatus.MAX_CALL_DURATION),
        (True, True, SubStatus.VOICEMAIL_DETECTED),
    ],
)
def test_how_a_call_was_completed(voicemail: bool, max_length: bool, sub_status: SubStatus) -> None:
    outcome = Outcome(
        Disposition.ANSWERED, ReleaseCause(200), 9, voicemail_detected=voicemail, max_length_reached=max_length
    )
    assert next_step(outcome, POLICY, ALWAYS, 0, 0, NOW) == NextStep(CallStatus.COMPLETED, sub_status)


@pytest.mark.parametrize("disposition", [Disposition.CONGESTION, Disposition.TRUNK_REFUSED])
def test_a_carrier_that_refuses_costs_no_retry_until_it_refused_too_often(disposition: Disposition) -> None:
    step = after(disposition, RetryPolicy(), congested=2)
    again_at = NOW + timedelta(seconds=20)
    assert step == NextStep(CallStatus.RETRY, SubStatus.RETRY_SCHEDULED, again_at, spends_retry=False)
    assert after(disposition, congested=CONGESTION_COUNT_MAX) == NextStep(CallStatus.FAILED, SubStatus.RATE_LIMITED)


def test_the_pause_grows_to_its_limit() -> None:
    pauses = [congestion_pause_s(count) for count in range(8)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    assert congestion_pause_s(10**9) == CONGESTION_PAUSE_MAX_S


outcomes = st.builds(Outcome, st.sampled_from(Disposition), st.just(ReleaseCause()))
policies = st.builds(
    RetryPolicy,
    st.integers(0, 3),
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.booleans(),
)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(outcomes, policies, st.integers(0, 4), st.integers(0, 12), instants)
def test_laws_of_every_step(outcome: Outcome, policy: RetryPolicy, used: int, congested: int, now: datetime) -> None:
    step = next_step(outcome, policy, OFFICE_HOURS, used, congested, now)
    assert (step.next_attempt_at is not None) is (step.status is CallStatus.RETRY)
    assert step.status in set(CallStatus) - {CallStatus.REGISTERED, CallStatus.ONGOING}
    assert (step.status is CallStatus.CANCELLED) is (outcome.disposition is Disposition.CANCELLED)
    if step.next_attempt_at is not None:
        assert step.next_attempt_at >= now
        assert is_open(OFFICE_HOURS, step.next_attempt_at)
        unclipped = next_step(outcome, policy, ALWAYS, used, congested, now).next_attempt_at
        assert unclipped is not None
        assert step.next_attempt_at == next_opening(OFFICE_HOURS, unclipped)
    if step.spends_retry:
        assert step.status is CallStatus.RETRY
        assert used < policy.retry_count


@given(st.lists(st.sampled_from(Disposition), max_size=80), policies)
def test_a_call_rings_at_most_once_more_than_its_retries(ends: list[Disposition], policy: RetryPolicy) -> None:
    used = congested = rung = 0
    for disposition in ends:
        step = next_step(Outcome(disposition, ReleaseCause()), policy, ALWAYS, used, congested, NOW)
        is_put_back = disposition in {Disposition.CONGESTION, Disposition.TRUNK_REFUSED}
        rung += not is_put_back
        congested = congested + 1 if is_put_back else 0
        used += step.spends_retry
        if step.status is not CallStatus.RETRY:
            break
    assert rung <= policy.retry_count + 1
