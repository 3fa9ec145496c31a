"""How many requests may leave a trunk now, so that the carrier never sees more than was agreed.

A claim is granted at one instant, its request leaves somewhere in the next ``slot_ttl_s`` seconds. Two sends less
than a window apart can therefore come from grants that are a window and ``slot_ttl_s`` apart, so that is how far
back grants count. The law: any window on the wire (one second; ``1 / cps_max`` seconds for a slower trunk) holds at
most ``max(1, floor(cps_max))`` sends, however the sends are delayed within their slots.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ringoff.domain.attempt_records import PaceState

BURST_S: Final = 0.1
BURST_SHARE: Final = 1.5
"""How much more than its share ``BURST_S`` may hold: a claim that comes late by half of it has lost nothing. Without
this a trunk of 200 calls a second reached 165: each round comes some milliseconds later than it could."""
REDUCED_SHARE: Final = 0.5
"""What congestion leaves of the present pace (multiplicative decrease) ..."""
RECOVERY_S: Final = 60.0
"""... and how long the way from nothing back to ``cps_max`` would take (additive increase)."""
PACE_SHARE_MIN: Final = 0.05
"""The least pace that congestion leaves, as a share of ``cps_max``."""
BREAKER_OPEN_S: Final = 30.0
BREAKER_OPEN_MAX_S: Final = 600.0
SILENT_SENDS_MIN: Final = 5
SILENT_AFTER_S: Final = 5.0
"""A SIP server says 100 within 200 ms (RFC 3261, 17.2.1); several requests with nothing for this long are silence."""
CONGESTED_SHARE: Final = 0.2
CONGESTED_MIN: Final = 3
OUTCOMES_REMEMBERED: Final = 50
WAIT_MIN_S: Final = 0.05
SILENT_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits of a trunk: originates per second (may be below one) and concurrent calls."""

    cps_max: float
    channels_max: int

    @property
    def window_s(self) -> float:
        """The window that the law speaks of."""
        return 1.0 if self.cps_max >= 1 else 1 / self.cps_max

    @property
    def sends_max(self) -> int:
        """Sends in any one window."""
        return max(1, math.floor(self.cps_max))

    @property
    def burst_max(self) -> int:
        """Grants in any ``BURST_S``: a second's calls are spread over it, not sent at its start."""
        return max(1, math.ceil(self.cps_max * BURST_S * BURST_SHARE - 1e-9))


def allowance(state: PaceState, batch_max: int, slot_ttl_s: float) -> int:
    """How many requests may be granted now: by pace, by free channels, and ``batch_max`` at most."""
    if not state.is_enabled or state.is_silent or state.cps_max <= 0:
        return 0
    pace = effective_pace(state)
    by_pace = pace.sends_max - _granted_within(state.grants, pace.window_s + slot_ttl_s)
    by_burst = pace.burst_max - _granted_within(state.grants, BURST_S)
    return max(0, min(by_pace, by_burst, _free_channels(state), batch_max))


def after_grant(state: PaceState, claimed_count: int, placed_count: int) -> PaceState:
    """The same trunk right after a claim: each call has a channel, and ``placed_count`` a place in the pace."""
    grants = [(0.0, placed_count), *state.grants]
    return replace(state, live_count=state.live_count + claimed_count, grants=grants)


def has_channel(state: PaceState) -> bool:
    """Whether it could take a call if its pace allowed one."""
    return _free_channels(state) > 0


def is_short_of_channels(state: PaceState, slot_ttl_s: float) -> bool | None:
    """Whether the pace would fill more channels than are free; None where the pace gives nothing now."""
    if not state.is_enabled or state.is_silent or state.cps_max <= 0 or state.silent_count > 0:
        return None
    pace = effective_pace(state)
    by_pace = pace.sends_max - _granted_within(state.grants, pace.window_s + slot_ttl_s)
    by_burst = pace.burst_max - _granted_within(state.grants, BURST_S)
    if min(by_pace, by_burst) <= 0:
        return None
    return pace.channels_max - state.live_count < min(by_pace, by_burst)


def wait_s(state: PaceState, slot_ttl_s: float) -> float:
    """How long the pace alone keeps the allowance at zero, and never less than ``WAIT_MIN_S``.

    A trunk that is disabled or has no free channel is not waiting for time: then it is just ``WAIT_MIN_S``.
    """
    if state.is_silent:
        return SILENT_LOOK_S
    if not state.is_enabled or state.cps_max <= 0:
        return WAIT_MIN_S
    pace = effective_pace(state)
    return max(
        WAIT_MIN_S,
        _free_after(state.grants, pace.sends_max, pace.window_s + slot_ttl_s),
        _free_after(state.grants, pace.burst_max, BURST_S),
    )


def effective_pace(state: PaceState) -> Pace:
    """The trunk's limits, and less than its pace after the carrier has said that it is too much."""
    cps = state.cps_max
    if state.reduced_cps is not None:
        climbed = state.cps_max * state.reduced_age_s / RECOVERY_S
        cps = min(cps, max(state.reduced_cps, cps * PACE_SHARE_MIN) + climbed)
    return Pace(cps, state.channels_max)


def is_silent(sends: Collection[float], heard_at: float, now: float) -> bool:
    """Whether a trunk answers nothing: several requests (their monotonic times) since it was last heard, long ago."""
    return sum(heard_at < at <= now - SILENT_AFTER_S for at in sends) >= SILENT_SENDS_MIN


def is_congested(recent: Collection[bool]) -> bool:
    """Whether the recent outcomes of a trunk (True: congestion) say that its pace is too much for the carrier.

    A few busy routes among many calls are no reason to slow down everybody.
    """
    congested_count = sum(recent)
    return congested_count >= CONGESTED_MIN and congested_count >= len(recent) * CONGESTED_SHARE


def lookback_s(cps_max: float, slot_ttl_s: float) -> float:
    """How far back a grant may still matter, reduced or not."""
    if cps_max <= 0:
        return slot_ttl_s
    return Pace(cps_max * PACE_SHARE_MIN, 0).window_s + slot_ttl_s


def _free_channels(state: PaceState) -> int:
    """After a silence one call tries whether the trunk answers again."""
    return (state.channels_max if state.silent_count == 0 else 1) - state.live_count


def _granted_within(grants: Sequence[tuple[float, int]], span_s: float) -> int:
    return sum(count for age_s, count in grants if age_s < span_s)


def _free_after(grants: Sequence[tuple[float, int]], count_max: int, span_s: float) -> float:
    """Seconds until fewer than ``count_max`` of these grants are younger than ``span_s``."""
    granted = 0
    for age_s, count in sorted(grants):
        granted += count
        if granted >= count_max:
            return max(0.0, span_s - age_s)
    return 0.0
