"""What a carrier reports about an attempt, and the events that the outside may subscribe to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ringoff.domain.identifiers import AttemptId
from ringoff.domain.release_cause import Disposition, ReleaseCause


@dataclass(frozen=True, slots=True)
class Progressed:
    """The far side works on it (100 with a route, 183 without ringing): it is not silent, and it does not ring yet."""

    attempt_id: AttemptId
    at: datetime


@dataclass(frozen=True, slots=True)
class Placed:
    """The carrier has taken the request, under an id of its own that ``originate`` could not know yet."""

    attempt_id: AttemptId
    at: datetime
    driver_call_id: str


@dataclass(frozen=True, slots=True)
class PermitWanted:
    """The attempt cannot go on without one more request to ring: an answer to a challenge, or the next gateway.

    The driver has sent nothing and waits for ``resume``, which comes with a permit of its own, or for ``release``.
    """

    attempt_id: AttemptId
    at: datetime
    reason: str


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
    agent_failed: bool = False
    """The callee answered, and the agent could not be reached or went away before the callee did."""
    disposition: Disposition | None = None
    """The driver's word for it, where the wire has no code: what a REST API refused after the request was written."""


CarrierEvent = Progressed | Placed | PermitWanted | Rang | Answered | Released


class EventType(StrEnum):
    """Outbox event types; the words of the public webhook API."""

    CALL_STARTED = "call_started"
    """A call is registered: once for each, before it is dialled."""
    CALL_COMPLETED = "call_completed"
    """An attempt is over, or a call ended without one: once for each terminated call."""
    RECORDING_COMPLETED = "recording_completed"
    """Never written yet: nothing here records."""
    PLATFORM_ANALYSIS_COMPLETED = "platform_analysis_completed"
    """Never written yet: nothing here analyses."""
    CLIENT_ANALYSIS_COMPLETED = "client_analysis_completed"
    """Never written yet: nothing here analyses."""
    ALL_PROCESSING_COMPLETED = "all_processing_completed"
    """A call is over for good, after its last ``call_completed``: nothing more will come."""
    TERMINATION_SETTLED = "termination_settled"
    """Every call that an order covers has its final row; the receipt's counts are exact. Belongs to no agent."""
