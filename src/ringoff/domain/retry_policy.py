"""What becomes of a call after an attempt: one table from disposition to next step, clipped to the call window.

| disposition | next step |
|---|---|
| answered | completed |
| busy, no_answer, network_failure | retry after the bucket's delay while retries are left, else failed |
| rejected | the same in the not-picked bucket if ``retry_rejected``, else failed |
| agent_failed | the same in the failed bucket if the agent's handling says so, else failed |
| cancelled | cancelled: an order had the ringing attempt released |
| cancelled, but put back | as congestion: we ended it before it could ring, for want of a second permit |
| unwanted, invalid_number | failed, never again |
| congestion, trunk_refused | put back with a growing pause; spends no retry; failed after ten times in a row |
| indeterminate | error, never again: ringing a person twice is worse than missing one |
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringoff.domain.call import CallStatus, SubStatus
from ringoff.domain.call_window import CallWindow, next_opening
from ringoff.domain.release_cause import Disposition, Outcome

RETRY_COUNT_MAX: Final = 50
RETRY_DELAY_MAX_MIN: Final = 7 * 24 * 60
CONGESTION_COUNT_MAX: Final = 10
CONGESTION_PAUSE_S: Final = 5
CONGESTION_PAUSE_MAX_S: Final = 300


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a call that did not connect rings again; delays by reason, in minutes."""

    retry_count: int = 0
    retry_busy_min: int = 30
    retry_not_picked_min: int = 30
    retry_failed_min: int = 30
    retry_rejected: bool = False
    retry_agent_failed: bool = False
    """Set by the agent's handling, not by the campaign."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """The proposal to the settling statement, which lets a termination win over it."""

    status: CallStatus
    sub_status: SubStatus
    next_attempt_at: datetime | None = None
    spends_retry: bool = False


_REFUSED_FOR_GOOD: Final = NextStep(CallStatus.FAILED, SubStatus.FAILED)


def next_step(  # noqa: PLR0911 - one arm for each row of the table above
    outcome: Outcome,
    policy: RetryPolicy,
    window: CallWindow,
    retries_used: int,
    congestion_count: int,
    now: datetime,
) -> NextStep:
    """Decide what an attempt that ended ``now`` with ``outcome`` makes of its call."""
    match outcome.disposition:
        case _ if outcome.is_put_back:
            return _put_back(window, congestion_count, now)
        case Disposition.ANSWERED:
            return NextStep(CallStatus.COMPLETED, _completed_as(outcome))
        case Disposition.CANCELLED:
            return NextStep(CallStatus.CANCELLED, SubStatus.USER_TERMINATED)
        case Disposition.INDETERMINATE:
            return NextStep(CallStatus.ERROR, SubStatus.RECONCILED_TO_ERROR_FROM_ONGOING)
        case Disposition.CONGESTION | Disposition.TRUNK_REFUSED:
            return _put_back(window, congestion_count, now)
        case _:
            delay_min = _delay_min(outcome.disposition, policy)
            if delay_min is None:
                return _REFUSED_FOR_GOOD
            if retries_used >= policy.retry_count:
                return NextStep(CallStatus.FAILED, SubStatus.RETRY_LIMIT_REACHED)
            again_at = next_opening(window, now + timedelta(minutes=delay_min))
            return NextStep(CallStatus.RETRY, SubStatus.RETRY_SCHEDULED, again_at, spends_retry=True)


def congestion_pause_s(congestion_count: int) -> int:
    """The pause after this many congested attempts before: 5, 10, 20 ... 300 seconds."""
    # The exponent is capped too, so that an absurd count does not build an absurd integer.
    return min(CONGESTION_PAUSE_S << min(congestion_count, CONGESTION_COUNT_MAX), CONGESTION_PAUSE_MAX_S)


def _completed_as(outcome: Outcome) -> SubStatus:
    if outcome.was_terminated:
        return SubStatus.USER_TERMINATED
    if outcome.voicemail_detected:
        return SubStatus.VOICEMAIL_DETECTED
    return SubStatus.MAX_CALL_DURATION if outcome.max_length_reached else SubStatus.ACCEPTED


def _put_back(window: CallWindow, congestion_count: int, now: datetime) -> NextStep:
    if congestion_count >= CONGESTION_COUNT_MAX:
        return NextStep(CallStatus.FAILED, SubStatus.RATE_LIMITED)
    again_at = next_opening(window, now + timedelta(seconds=congestion_pause_s(congestion_count)))
    return NextStep(CallStatus.RETRY, SubStatus.RETRY_SCHEDULED, again_at)


def _delay_min(disposition: Disposition, policy: RetryPolicy) -> int | None:
    """The delay of the disposition's bucket, or None when it is never tried again."""
    match disposition:
        case Disposition.BUSY:
            return policy.retry_busy_min
        case Disposition.NO_ANSWER:
            return policy.retry_not_picked_min
        case Disposition.NETWORK_FAILURE:
            return policy.retry_failed_min
        case Disposition.AGENT_FAILED if policy.retry_agent_failed:
            return policy.retry_failed_min
        case Disposition.REJECTED if policy.retry_rejected:
            return policy.retry_not_picked_min
        case _:
            return None
