"""The states of a call and the only moves between them.

Rule of this file: a status of a call changes by a row of ``TRANSITIONS`` and by nothing else.
Statuses and sub-statuses carry the words of the public API that Ringoff is compatible with.
"""

from enum import StrEnum
from typing import Final


class CallStatus(StrEnum):
    REGISTERED = "registered"
    ONGOING = "ongoing"
    RETRY = "retry"
    COMPLETED = "completed"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"


class SubStatus(StrEnum):
    QUEUED = "QUEUED"
    ACCEPTED = "ACCEPTED"
    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    RETRY_LIMIT_REACHED = "RETRY_LIMIT_REACHED"
    FAILED = "FAILED"
    NOT_ABLE_TO_CALL = "NOT_ABLE_TO_CALL"
    RATE_LIMITED = "RATE_LIMITED"
    USER_TERMINATED = "USER_TERMINATED"
    CAMPAIGN_TIME_EXCEEDED = "CAMPAIGN_TIME_EXCEEDED"
    DND_SKIPPED = "DND_SKIPPED"
    """The number is on the suppression list."""
    MAX_CALL_DURATION = "MAX_CALL_DURATION"
    VOICEMAIL_DETECTED = "VOICEMAIL_DETECTED"
    RECONCILED_TO_ERROR_FROM_REGISTERED = "RECONCILED_TO_ERROR_FROM_REGISTERED"
    RECONCILED_TO_ERROR_FROM_RETRY = "RECONCILED_TO_ERROR_FROM_RETRY"
    RECONCILED_TO_ERROR_FROM_ONGOING = "RECONCILED_TO_ERROR_FROM_ONGOING"
    RECONCILED_TO_COMPLETED_FROM_ONGOING = "RECONCILED_TO_COMPLETED_FROM_ONGOING"


class CallEvent(StrEnum):
    PERMITTED = "permitted"
    """The permit was granted: the request to ring is about to leave, or has left."""
    CONNECTED = "connected"
    """The attempt was answered and is over."""
    RETRY_SCHEDULED = "retry_scheduled"
    REFUSED = "refused"
    """Retries used up, or refused for good."""
    FATE_UNKNOWN = "fate_unknown"
    TERMINATED = "terminated"
    """A termination (or the campaign's end) covers the call and it is not on the wire."""
    SUPPRESSED = "suppressed"
    """Its turn came, and its number is on the suppression list."""


TERMINABLE: Final = frozenset({CallStatus.REGISTERED, CallStatus.RETRY})
TERMINAL: Final = frozenset({CallStatus.COMPLETED, CallStatus.FAILED, CallStatus.ERROR, CallStatus.CANCELLED})

_R, _O, _T = CallStatus.REGISTERED, CallStatus.ONGOING, CallStatus.RETRY

TRANSITIONS: Final[dict[tuple[CallStatus, CallEvent], CallStatus]] = {
    (_R, CallEvent.PERMITTED): CallStatus.ONGOING,
    (_T, CallEvent.PERMITTED): CallStatus.ONGOING,
    (_O, CallEvent.CONNECTED): CallStatus.COMPLETED,
    (_O, CallEvent.RETRY_SCHEDULED): CallStatus.RETRY,
    (_O, CallEvent.REFUSED): CallStatus.FAILED,
    (_O, CallEvent.FATE_UNKNOWN): CallStatus.ERROR,
    (_R, CallEvent.FATE_UNKNOWN): CallStatus.ERROR,
    (_T, CallEvent.FATE_UNKNOWN): CallStatus.ERROR,
    (_R, CallEvent.TERMINATED): CallStatus.CANCELLED,
    (_T, CallEvent.TERMINATED): CallStatus.CANCELLED,
    (_R, CallEvent.SUPPRESSED): CallStatus.CANCELLED,
    (_T, CallEvent.SUPPRESSED): CallStatus.CANCELLED,
    # A retry that a termination forbids: the live attempt ended by itself, the call does not ring again.
    (_O, CallEvent.TERMINATED): CallStatus.CANCELLED,
}


def advance(status: CallStatus, event: CallEvent) -> CallStatus:
    """Return the next status; raise ``ValueError`` for a move that does not exist."""
    try:
        return TRANSITIONS[(status, event)]
    except KeyError:
        raise ValueError(f"a call in status {status} does not take {event}") from None
