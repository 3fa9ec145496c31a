"""What one simulated call will do, drawn from seed, number and ordinal alone: the same draw is the same call."""

import math
from dataclasses import dataclass
from hashlib import blake2b
from statistics import NormalDist
from struct import Struct
from typing import Final

from ringoff.domain.release_cause import ReleaseCause
from ringoff.telephony.outcome_mix import FIXED_OUTCOMES, SimulatedOutcome

NORMAL_CLEARING: Final = ReleaseCause(200, 16, "Normal call clearing")
REQUEST_TERMINATED: Final = ReleaseCause(487, None, "Request Terminated")

_CAUSES: Final = {
    SimulatedOutcome.BUSY: ReleaseCause(486, 17, "Busy Here"),
    SimulatedOutcome.NO_ANSWER: ReleaseCause(480, 19, "No answer from user"),
    SimulatedOutcome.REJECTED: ReleaseCause(603, 21, "Decline"),
    SimulatedOutcome.INVALID_NUMBER: ReleaseCause(404, 1, "Unallocated number"),
    SimulatedOutcome.UNREACHABLE: ReleaseCause(480, 20, "Subscriber absent"),
    SimulatedOutcome.CONGESTION: ReleaseCause(503, 42, "Switching equipment congestion"),
}
_NETWORK_FAILURES: Final = (
    ReleaseCause(500, 41, "Temporary failure"),
    ReleaseCause(502, 38, "Network out of order"),
)
_CONNECTING: Final = frozenset({SimulatedOutcome.ANSWERED, SimulatedOutcome.VOICEMAIL})
_RINGING: Final = _CONNECTING | {SimulatedOutcome.NO_ANSWER, SimulatedOutcome.REJECTED}

TALK_MEDIAN_S: Final = 45.0
TALK_SPREAD: Final = 0.7
TALK_CAP_S: Final = 600.0
_STANDARD_NORMAL: Final = NormalDist()
_FOUR_DRAWS: Final = Struct("<4Q").unpack
_UNIT: Final = 2.0**-64
"""Makes a draw of 64 bits a number from 0 to 1."""


@dataclass(frozen=True, slots=True)
class CallScript:
    """The course of one call, in the carrier's own seconds (speed 1)."""

    outcome: SimulatedOutcome
    post_dial_s: float
    """From the request to ringback, or to the refusal when it does not ring."""
    ring_s: float | None
    """None when it never rings."""
    talk_s: float | None
    """None when nobody answers."""
    cause: ReleaseCause


def draw_script(
    shares: tuple[tuple[float, SimulatedOutcome], ...], seed: int, called_number: str, ordinal: int
) -> CallScript:
    """Draw the script of the ``ordinal``-th call to this number."""
    digest = blake2b(f"{seed}/{called_number}/{ordinal}".encode(), digest_size=32).digest()
    chance, post_dial, ring, talk = _FOUR_DRAWS(digest)
    outcome = FIXED_OUTCOMES.get(called_number[-4:]) or _pick(shares, chance * _UNIT)
    return CallScript(
        outcome=outcome,
        post_dial_s=0.3 + 2.2 * post_dial * _UNIT,
        ring_s=_ring_s(outcome, ring * _UNIT) if outcome in _RINGING else None,
        talk_s=_talk_s(outcome, talk * _UNIT) if outcome in _CONNECTING else None,
        cause=_cause(outcome, talk * _UNIT),
    )


def _pick(shares: tuple[tuple[float, SimulatedOutcome], ...], chance: float) -> SimulatedOutcome:
    for share, outcome in shares:
        if chance < share:
            return outcome
    return shares[-1][1]


def _ring_s(outcome: SimulatedOutcome, draw: float) -> float:
    if outcome is SimulatedOutcome.NO_ANSWER:
        return 18.0 + 12.0 * draw
    if outcome is SimulatedOutcome.VOICEMAIL:
        return 12.0 + 13.0 * draw
    return 4.0 + 14.0 * draw


def _talk_s(outcome: SimulatedOutcome, draw: float) -> float:
    if outcome is SimulatedOutcome.VOICEMAIL:
        return 4.0 + 26.0 * draw
    deviation = _STANDARD_NORMAL.inv_cdf(min(max(draw, 1e-9), 1 - 1e-9))
    return min(TALK_MEDIAN_S * math.exp(TALK_SPREAD * deviation), TALK_CAP_S)


def _cause(outcome: SimulatedOutcome, draw: float) -> ReleaseCause:
    if outcome is SimulatedOutcome.NETWORK_FAILURE:
        return _NETWORK_FAILURES[draw < 0.5]
    return _CAUSES.get(outcome, NORMAL_CLEARING)
