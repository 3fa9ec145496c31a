"""About when a campaign will have made all its calls: from what waits, the pace it goes at, and when it may ring.

A guess from averages, not a promise: people answer or do not, and talk as long as they like.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from ringoff.domain.call_window import CallWindow, closes_at, next_opening
from ringoff.domain.campaign import CampaignStatus

ENDED_MIN: Final = 20
"""Calls that must have ended before their attempts say anything about those of the others."""
RING_S: Final = 15.0
"""What an attempt is taken to hold its channel for besides the talk, when only limits say how fast it can go."""
HORIZON: Final = timedelta(days=90)
"""Nobody plans by a guess that is further away."""


class EtaState(StrEnum):
    """What a campaign is waiting for."""

    RUNNING = "running"
    WAITS_FOR_START = "waits_for_start"
    WAITS_FOR_WINDOW = "waits_for_window"
    NOT_STARTED = "not_started"
    PAUSED = "paused"
    TRUNK_OFF = "trunk_off"
    """Disabled, or silent."""
    BEYOND_HORIZON = "beyond_horizon"
    """More than 90 days at this pace."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is known of a campaign at ``now``. Instants are aware UTC, paces are attempts per second."""

    now: datetime
    status: str
    registered_count: int
    retry_count: int
    ongoing_count: int
    ended_count: int
    """Calls that have ended after they were dialled."""
    attempt_count: int | None
    """Attempts that are over; None when nobody has counted them."""
    talk_s: float
    """Of all of them together."""
    measured_per_s: float | None
    """Attempts of this campaign per second in the last minutes; None when it was not dialled then."""
    cps_limit: float
    """What its trunk may do now; zero when it is off."""
    channels_max: int
    sharing_count: int
    """Campaigns that are dialled on the same trunk, this one included."""
    window: CallWindow
    start_at: datetime | None
    end_at: datetime | None
    last_due_at: datetime | None
    """When the last of the pending calls is due, as far as that is known."""


@dataclass(frozen=True, slots=True)
class Eta:
    state: EtaState
    done_about_at: datetime | None = None
    """None when nobody can know."""
    opens_at: datetime | None = None
    """When the first call may ring, if it may not ring now."""
    is_cut_off: bool = False
    """The campaign's end comes first: then that is what ``done_about_at`` says, and calls will be left."""
    attempts_left: int = 0
    attempts_per_s: float | None = None
    """The pace that was reckoned with."""


def estimate(load: Workload) -> Eta:
    """The guess, or why there is none."""
    if load.status in (CampaignStatus.VERIFYING, CampaignStatus.DRAFT):
        return Eta(EtaState.NOT_STARTED, attempts_left=attempts_left(load))
    pending_count = load.registered_count + load.retry_count
    if load.status not in (CampaignStatus.SCHEDULED, CampaignStatus.ONGOING, CampaignStatus.PAUSED) or (
        pending_count + load.ongoing_count == 0
    ):
        return Eta(EtaState.DONE)
    left = attempts_left(load)
    if load.status == CampaignStatus.PAUSED:
        return Eta(EtaState.PAUSED, attempts_left=left)
    if load.cps_limit <= 0:
        return Eta(EtaState.TRUNK_OFF, attempts_left=left)
    per_s = attempts_per_s(load)
    starts_at = load.now if load.start_at is None else max(load.now, load.start_at)
    opens_at = next_opening(load.window, starts_at)
    done_at = _after_open_time(load.window, opens_at, left / per_s)
    if done_at is None:
        return Eta(EtaState.BEYOND_HORIZON, attempts_left=left, attempts_per_s=per_s)
    if load.last_due_at is not None:
        done_at = max(done_at, next_opening(load.window, max(load.last_due_at, starts_at)))
    is_cut_off = load.end_at is not None and done_at > load.end_at
    if load.end_at is not None:
        done_at = max(load.now, min(done_at, load.end_at))
    state = EtaState.RUNNING
    if opens_at > load.now:
        state = EtaState.WAITS_FOR_START if starts_at > load.now else EtaState.WAITS_FOR_WINDOW
    return Eta(state, done_at, opens_at if opens_at > load.now else None, is_cut_off, left, per_s)


def attempts_left(load: Workload) -> int:
    """Attempts still to be made: of a call that was never dialled as many as of those that have ended, on average."""
    each = 1.0
    if load.attempt_count is not None and load.ended_count >= ENDED_MIN:
        each = max(1.0, load.attempt_count / load.ended_count)
    return math.ceil(load.registered_count * each + load.retry_count * max(1.0, each - 1))


def attempts_per_s(load: Workload) -> float:
    """What was measured, and never more than the trunk may do; otherwise a fair share of its pace and its channels."""
    if load.measured_per_s:
        return min(load.measured_per_s, load.cps_limit)
    held_s = RING_S + (load.talk_s / load.attempt_count if load.attempt_count else 0.0)
    return min(load.cps_limit, load.channels_max / held_s) / max(1, load.sharing_count)


def _after_open_time(window: CallWindow, opens_at: datetime, open_s: float) -> datetime | None:
    """The instant by which the window has been open for so long since ``opens_at``; None beyond the horizon."""
    horizon = opens_at + HORIZON
    # Not a timedelta at once: what is left may be more than one can hold.
    if open_s > HORIZON.total_seconds():
        return None
    left, at = timedelta(seconds=open_s), opens_at.astimezone(UTC)
    if window.is_always_open:
        return at + left
    while at < horizon:
        closes = closes_at(window, at)
        if at + left <= closes:
            return at + left
        left -= closes - at
        at = next_opening(window, closes)
    return None
