"""Erasing a person's data: what was asked, how far it is, and what in stored words is a trace of a number.

Calls stay, as rows of nobody: counts, sums and receipts are as exact as before. See docs/decisions/0042.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import ApiKeyId, CallId, ErasureId, TerminationId, WorkspaceId
from ringoff.domain.termination import REASON_LENGTH_MAX, parse_selector

ORDER_FIELDS: Final = frozenset({"mobile_numbers", "reason", "suppress"})


class ErasureState(StrEnum):
    """ordered -> waiting -> erasing -> done; nothing goes back."""

    ORDERED = "ordered"
    """The numbers are suppressed, if that was wanted; their pending calls are being terminated."""
    WAITING = "waiting"
    """Nothing pending is left; what is on the wire, settles or is verified ends first."""
    ERASING = "erasing"
    DONE = "done"
    """No trace is left, and the numbers are known to this record as masked ones only."""


class Step(StrEnum):
    """What is walked through, in this order."""

    CALLS = "calls"
    CONTACTS = "contacts"
    EVENTS = "events"
    ORDERS = "orders"
    ANSWERS = "answers"
    REPORTS = "reports"
    LISTS = "lists"
    TRUNKS = "trunks"
    SUBSCRIPTIONS = "subscriptions"
    SUPPRESSIONS = "suppressions"


STEPS: Final = tuple(Step)
_SHARE_OF_CALLS: Final = 0.8
"""Of the progress that is shown: nearly everything that is read is calls."""


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """Whose data is to be erased."""

    numbers: tuple[str, ...]
    suppress: bool = True
    """Also never ring these numbers again; their suppression is all that stays."""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ErasureCounts:
    """Rows in which something was replaced."""

    calls: int = 0
    attempts: int = 0
    contacts: int = 0
    events: int = 0
    """Events, what subscribers answered to them, reports of carriers, and callbacks of requests."""
    words: int = 0
    """Rows in whose text a number stood: orders, answers, lists, alarms, reasons."""

    def plus(self, other: "ErasureCounts") -> "ErasureCounts":
        return ErasureCounts(
            self.calls + other.calls,
            self.attempts + other.attempts,
            self.contacts + other.contacts,
            self.events + other.events,
            self.words + other.words,
        )


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure: the order, and how far it is."""

    workspace_id: WorkspaceId
    erasure_id: ErasureId
    api_key_id: ApiKeyId
    state: ErasureState
    suppress: bool
    suppressed_count: int
    reason: str | None
    numbers: Sequence[str]
    """Empty once it is done."""
    masked_numbers: Sequence[str]
    termination_id: TerminationId | None
    """The order that ended pending calls; None when there were none."""
    created_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    step: Step | None
    place: str
    """The last key of the step that has been read; empty at its beginning."""
    first_call_id: UUID | None
    beyond_call_id: UUID | None
    read_count: int
    counts: ErasureCounts

    @property
    def percent(self) -> int:
        """0 to 100, by the time that the calls which were read were registered; 100 only when it is done."""
        if self.state is ErasureState.DONE:
            return 100
        if self.state is not ErasureState.ERASING or self.step is None:
            return 0
        if self.step is not Step.CALLS:
            rest = (STEPS.index(self.step) - 1) / (len(STEPS) - 1)
            return int(100 * (_SHARE_OF_CALLS + (1 - _SHARE_OF_CALLS) * rest))
        first, beyond = self.first_call_id, self.beyond_call_id
        if not self.place or first is None or beyond is None or beyond.int <= first.int:
            return 0
        share = (UUID(self.place).int - first.int) / (beyond.int - first.int)
        return int(100 * _SHARE_OF_CALLS * min(max(share, 0.0), 1.0))


@dataclass(frozen=True, slots=True)
class Walk:
    """The erasures of one workspace that read its tables together, at one place."""

    erasures: Sequence[Erasure]

    @property
    def at(self) -> Erasure:
        """Any of them: they are all at the same place."""
        return self.erasures[0]

    @property
    def numbers(self) -> Sequence[str]:
        return sorted({number for erasure in self.erasures for number in erasure.numbers})

    def owner_of(self, number: str) -> ErasureId:
        """The erasure that counts what is found of a number: the oldest one that names it."""
        return next(each.erasure_id for each in self.erasures if number in each.numbers)


@dataclass(frozen=True, slots=True)
class Hindrances:
    """What has to end before an erasure can begin."""

    pending: Sequence[CallId]
    """Calls that wait to be dialled although the order was given: a retry that was scheduled meanwhile."""
    is_blocked: bool


@dataclass(frozen=True, slots=True)
class BatchRead:
    """One bounded batch of a walk."""

    read_count: int
    last_place: str | None
    """None when nothing was left to read."""
    counts: Mapping[ErasureId, ErasureCounts]


def parse_request(raw: Mapping[str, object]) -> ErasureRequest:
    """Read a request strictly: an erasure that takes the wrong number cannot be taken back.

    ``InvalidInput`` names field, position and value of the first thing wrong.
    """
    for name in raw:
        if name not in ORDER_FIELDS:
            raise InvalidInput(f"Unknown field {str(name)[:64]!r}.", field=str(name)[:64])
    if raw.get("mobile_numbers") is None:
        raise InvalidInput("Missing required field: mobile_numbers", field="mobile_numbers")
    if raw["mobile_numbers"] == []:
        raise InvalidInput("mobile_numbers must not be empty.", field="mobile_numbers")
    numbers = parse_selector({"mobile_numbers": raw["mobile_numbers"]}).mobile_numbers
    assert numbers is not None, "it was given"
    suppress, reason = raw.get("suppress"), raw.get("reason")
    if not isinstance(suppress, bool | None):
        raise InvalidInput("suppress must be true or false.", field="suppress")
    if not isinstance(reason, str | None):
        raise InvalidInput("reason must be text.", field="reason")
    if reason is not None and len(reason) > REASON_LENGTH_MAX:
        raise InvalidInput(f"reason takes at most {REASON_LENGTH_MAX} characters, not {len(reason)}.", field="reason")
    return ErasureRequest(numbers, suppress is not False, reason)


def reason_of(erasure_id: ErasureId) -> str:
    """What the order and the suppression of an erasure say of themselves."""
    return f"personal data erased: erasure {erasure_id}"


def as_row(value: Any) -> Any:
    """A counts object as the columns of its table, in their order."""
    return (value.calls, value.attempts, value.contacts, value.events, value.words)
