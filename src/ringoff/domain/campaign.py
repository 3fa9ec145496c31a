"""The states of a campaign and the only moves between them.

Individual calls belong to a hidden campaign per agent, which is ``ongoing`` for ever and takes no event: a
termination raises its epoch and leaves its status.
"""

from enum import StrEnum
from typing import Final


class CampaignStatus(StrEnum):
    VERIFYING = "verifying"
    """Its list is kept, and its calls are still to be registered."""
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    ONGOING = "ongoing"
    PAUSED = "paused"
    """Started, and nothing of it is dialled until it is resumed."""
    COMPLETED = "completed"
    TERMINATED = "terminated"
    FAILED = "failed"
    """Its list could not be verified: it has no calls."""


class CampaignEvent(StrEnum):
    VERIFIED = "verified"
    REFUSED = "refused"
    """The verification found that the file is no list of contacts."""
    STARTED_NOW = "started_now"
    START_SCHEDULED = "start_scheduled"
    """Started by the user, with a start time that is still ahead."""
    START_TIME_CAME = "start_time_came"
    CALLS_DONE = "calls_done"
    """No call is pending or on the wire any more."""
    TERMINATED = "terminated"
    """An order for the campaign or its agent covered it; some ongoing calls may still be talking."""
    RESTARTED_NOW = "restarted_now"
    """Started again after a termination: new calls for the contacts whose last call it cancelled."""
    RESTART_SCHEDULED = "restart_scheduled"
    PAUSED = "paused"
    RESUMED_NOW = "resumed_now"
    RESUME_SCHEDULED = "resume_scheduled"
    """Its start time is still ahead."""
    END_TIME_CAME = "end_time_came"
    """What was still pending is behind a fence that nobody ordered."""
    ENDED = "ended"
    """By the user, for good: what was still pending is behind a fence."""


STARTED: Final = frozenset({CampaignStatus.SCHEDULED, CampaignStatus.ONGOING, CampaignStatus.PAUSED})
"""Started and not done: what may be paused or ended."""
INITIAL: Final = (CampaignStatus.DRAFT, CampaignStatus.VERIFYING)
"""A list that is verified before its upload is answered begins as a draft."""
TERMINAL: Final = frozenset({CampaignStatus.COMPLETED, CampaignStatus.FAILED})
"""A terminated campaign rests until somebody starts it again; its terminated calls stay terminated for ever."""

TRANSITIONS: Final[dict[tuple[CampaignStatus, CampaignEvent], CampaignStatus]] = {
    (CampaignStatus.VERIFYING, CampaignEvent.VERIFIED): CampaignStatus.DRAFT,
    (CampaignStatus.VERIFYING, CampaignEvent.REFUSED): CampaignStatus.FAILED,
    (CampaignStatus.VERIFYING, CampaignEvent.TERMINATED): CampaignStatus.TERMINATED,
    (CampaignStatus.DRAFT, CampaignEvent.STARTED_NOW): CampaignStatus.ONGOING,
    (CampaignStatus.DRAFT, CampaignEvent.START_SCHEDULED): CampaignStatus.SCHEDULED,
    (CampaignStatus.SCHEDULED, CampaignEvent.START_TIME_CAME): CampaignStatus.ONGOING,
    (CampaignStatus.ONGOING, CampaignEvent.CALLS_DONE): CampaignStatus.COMPLETED,
    (CampaignStatus.SCHEDULED, CampaignEvent.PAUSED): CampaignStatus.PAUSED,
    (CampaignStatus.ONGOING, CampaignEvent.PAUSED): CampaignStatus.PAUSED,
    (CampaignStatus.PAUSED, CampaignEvent.RESUMED_NOW): CampaignStatus.ONGOING,
    (CampaignStatus.PAUSED, CampaignEvent.RESUME_SCHEDULED): CampaignStatus.SCHEDULED,
    (CampaignStatus.PAUSED, CampaignEvent.CALLS_DONE): CampaignStatus.COMPLETED,
    (CampaignStatus.DRAFT, CampaignEvent.TERMINATED): CampaignStatus.TERMINATED,
    (CampaignStatus.SCHEDULED, CampaignEvent.TERMINATED): CampaignStatus.TERMINATED,
    (CampaignStatus.ONGOING, CampaignEvent.TERMINATED): CampaignStatus.TERMINATED,
    (CampaignStatus.PAUSED, CampaignEvent.TERMINATED): CampaignStatus.TERMINATED,
    (CampaignStatus.TERMINATED, CampaignEvent.RESTARTED_NOW): CampaignStatus.ONGOING,
    (CampaignStatus.TERMINATED, CampaignEvent.RESTART_SCHEDULED): CampaignStatus.SCHEDULED,
    (CampaignStatus.SCHEDULED, CampaignEvent.END_TIME_CAME): CampaignStatus.COMPLETED,
    (CampaignStatus.ONGOING, CampaignEvent.END_TIME_CAME): CampaignStatus.COMPLETED,
    (CampaignStatus.PAUSED, CampaignEvent.END_TIME_CAME): CampaignStatus.COMPLETED,
    (CampaignStatus.SCHEDULED, CampaignEvent.ENDED): CampaignStatus.COMPLETED,
    (CampaignStatus.ONGOING, CampaignEvent.ENDED): CampaignStatus.COMPLETED,
    (CampaignStatus.PAUSED, CampaignEvent.ENDED): CampaignStatus.COMPLETED,
}


def advance(status: CampaignStatus, event: CampaignEvent) -> CampaignStatus:
    """Return the next status; raise ``ValueError`` for a move that does not exist."""
    try:
        return TRANSITIONS[(status, event)]
    except KeyError:
        raise ValueError(f"a campaign in status {status} does not take {event}") from None
