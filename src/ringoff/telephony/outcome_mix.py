"""What the simulated carrier's numbers do: the kinds of outcome, how often each, and how a mix is written."""

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from ringoff.domain.errors import InvalidInput


class SimulatedOutcome(StrEnum):
    ANSWERED = "answered"
    VOICEMAIL = "voicemail"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    INVALID_NUMBER = "invalid_number"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    CONGESTION = "congestion"
    NETWORK_FAILURE = "network_failure"
    SILENT = "silent"
    """The carrier takes the request and never says anything again."""


FIXED_OUTCOMES: Final = {
    "0001": SimulatedOutcome.ANSWERED,
    "0002": SimulatedOutcome.BUSY,
    "0003": SimulatedOutcome.NO_ANSWER,
    "0004": SimulatedOutcome.REJECTED,
    "0005": SimulatedOutcome.INVALID_NUMBER,
    "0006": SimulatedOutcome.CONGESTION,
    "0007": SimulatedOutcome.NETWORK_FAILURE,
    "0008": SimulatedOutcome.SILENT,
    "0009": SimulatedOutcome.VOICEMAIL,
}
"""By the last four digits of the called number, whatever the mix and the seed."""


@dataclass(frozen=True, slots=True)
class OutcomeMix:
    """Relative weights, one for each simulated outcome; they need not add up to anything."""

    answered: float = 0.0
    voicemail: float = 0.0
    no_answer: float = 0.0
    busy: float = 0.0
    invalid_number: float = 0.0
    rejected: float = 0.0
    unreachable: float = 0.0
    congestion: float = 0.0
    network_failure: float = 0.0
    silent: float = 0.0

    def __post_init__(self) -> None:
        weights = [getattr(self, field.name) for field in fields(self)]
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
            raise InvalidInput("the weights of an outcome mix are numbers of 0 or more", field="mix")
        if not 0 < sum(weights) < math.inf:
            raise InvalidInput("an outcome mix needs at least one weight above 0", field="mix")

    def cumulative(self) -> tuple[tuple[float, SimulatedOutcome], ...]:
        """The share up to and including each outcome that can happen; the last share is exactly 1."""
        weighted = [(getattr(self, outcome.value), outcome) for outcome in SimulatedOutcome]
        possible = [(weight, outcome) for weight, outcome in weighted if weight > 0]
        total = sum(weight for weight, _ in possible)
        shares: list[tuple[float, SimulatedOutcome]] = []
        running = 0.0
        for weight, outcome in possible:
            running += weight
            shares.append((running / total, outcome))
        shares[-1] = (1.0, shares[-1][1])
        return tuple(shares)


WARM: Final = OutcomeMix(
    answered=22, voicemail=38, no_answer=24, busy=5, invalid_number=4, rejected=3, unreachable=2, congestion=2
)
"""A list of people who agreed to be called, at noon."""

COLD: Final = OutcomeMix(
    answered=10, voicemail=44, no_answer=28, busy=5, invalid_number=6, rejected=3, unreachable=2, congestion=2
)
"""A list of strangers: half the live answers, more dead numbers."""

_PRESETS: Final = {"warm": WARM, "cold": COLD}


def parse_mix(text: str) -> OutcomeMix:
    """Read ``cold``, ``warm`` or ``answered=0.5,busy=0.3,no_answer=0.2``."""
    preset = _PRESETS.get(text.strip().lower())
    if preset is not None:
        return preset
    weights: dict[str, float] = {}
    for position, part in enumerate(text.split(",")):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise _wrong(f"expected 'cold', 'warm' or a list of outcome=weight, got {part.strip()!r}", position)
        if name not in set(SimulatedOutcome):
            raise _wrong(f"{name!r} is no outcome; the outcomes are {', '.join(SimulatedOutcome)}", position)
        if name in weights:
            raise _wrong(f"{name!r} is given twice", position)
        try:
            weight = float(number)
        except ValueError:
            raise _wrong(f"the weight of {name!r} is not a number: {number!r}", position) from None
        if not math.isfinite(weight) or weight < 0:
            raise _wrong(f"the weight of {name!r} must be 0 or more, got {number!r}", position)
        weights[name] = weight
    return OutcomeMix(**weights)


def _wrong(message: str, position: int) -> InvalidInput:
    return InvalidInput(f"outcome mix: {message}", field="mix", position=position)
