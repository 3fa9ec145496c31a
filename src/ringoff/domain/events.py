"""What a carrier reports about an attempt, and the events that the outside may subscribe to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ringoff.domain.identifiers import AttemptId
from ringoff.domain.release_cause import ReleaseCause


@dataclass(frozen=True, slots=True)
class Rang:
    attempt_id: AttemptId
    at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    attempt_id: AttemptId
    at: datetime
    voicemail_detected: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """The attempt is over. ``talk_ms`` is measured on a monotonic clock and is 0 when it was not answered."""

    attempt_id: AttemptId
    at: datetime
    cause: ReleaseCause
    was_answered: bool
    talk_ms: int = 0
    voicemail_detected: bool = False


CarrierEvent = Rang | Answered | Released


class EventType(StrEnum):
    """Outbox event types; the words of the public webhook API."""

    CALL_COMPLETED = "call_completed"
    """An attempt is over, or a call ended without one: once for each terminated call."""
    TERMINATION_SETTLED = "termination_settled"
    """Every call that an order covers has its final row; the receipt's counts are exact. Belongs to no agent."""
