"""The life of one call in the order of time: what was asked, dialled, heard, told to others, and ordered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ringoff.domain.identifiers import AttemptId, TrunkId
from ringoff.domain.records import CallRow, Receipt
from ringoff.domain.webhook_records import LoggedDelivery


class Moment(StrEnum):
    """What can happen to a call; of one instant, in this order."""

    REGISTERED = "registered"
    PREPARED = "prepared"
    ORIGINATED = "originated"
    RANG = "rang"
    ANSWERED = "answered"
    RELEASED = "released"
    """Its fate unknown, too: the words say how it ended."""
    ORDERED = "ordered"
    """The order that covers it was given."""
    ENDED = "ended"
    EVENT = "event"
    TRIED = "tried"
    """The last try to deliver an event."""
    NEXT_ATTEMPT = "next_attempt"
    """When the call is due, however much stands before it."""


_ORDER = {moment: place for place, moment in enumerate(Moment)}


@dataclass(frozen=True, slots=True)
class TimelineAttempt:
    """A dial attempt with all of its instants (aware UTC) and what the wire said."""

    attempt_id: AttemptId
    attempt_no: int
    """From 1, in the order in which they were prepared."""
    trunk_id: TrunkId
    trunk_name: str
    state: str
    calling_number: str
    prepared_at: datetime
    originated_at: datetime | None
    rang_at: datetime | None
    answered_at: datetime | None
    released_at: datetime | None
    disposition: str | None
    sip_status: int | None
    q850_cause: int | None
    cause_text: str | None

    @property
    def cause(self) -> str:
        """What the wire said, in one line; empty when it said nothing."""
        parts = [
            "" if self.sip_status is None else f"SIP {self.sip_status}",
            "" if self.q850_cause is None else f"Q.850 {self.q850_cause}",
            self.cause_text or "",
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class CallEvent:
    """An event of the call that somebody has asked for."""

    event_id: int
    event_type: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    at: datetime
    moment: Moment
    attempt_no: int | None = None
    event_id: int | None = None
    words: str = ""
    """What more there is to say, for people; empty for most."""


@dataclass(frozen=True, slots=True)
class CallTimeline:
    call: CallRow
    attempts: Sequence[TimelineAttempt]
    events: Sequence[CallEvent]
    deliveries: Sequence[LoggedDelivery]
    receipt: Receipt | None
    """Of the order that covers the call; an earlier one that only left it on the wire is not told."""
    entries: Sequence[TimelineEntry]


def entries_of(
    call: CallRow,
    attempts: Sequence[TimelineAttempt],
    events: Sequence[CallEvent],
    deliveries: Sequence[LoggedDelivery],
    receipt: Receipt | None,
) -> Sequence[TimelineEntry]:
    """Everything with an instant, in the order of time."""
    entries = [TimelineEntry(call.created_at, Moment.REGISTERED)]
    for attempt in attempts:
        entries += _of_attempt(attempt)
    if receipt is not None:
        entries.append(TimelineEntry(receipt.created_at, Moment.ORDERED, words=receipt.reason or ""))
    if call.ended_at is not None:
        entries.append(TimelineEntry(call.ended_at, Moment.ENDED, words=f"{call.status}, {call.sub_status}"))
    entries += [
        TimelineEntry(event.created_at, Moment.EVENT, event_id=event.event_id, words=event.event_type)
        for event in events
    ]
    entries += [
        TimelineEntry(of.tried_at, Moment.TRIED, event_id=of.event_id, words=_of_try(of))
        for of in deliveries
        if of.tried_at is not None
    ]
    if call.next_attempt_at is not None:
        entries.append(TimelineEntry(call.next_attempt_at, Moment.NEXT_ATTEMPT))
    return sorted(entries, key=lambda entry: (entry.at, entry.attempt_no or 0, _ORDER[entry.moment]))


def _of_attempt(attempt: TimelineAttempt) -> Sequence[TimelineEntry]:
    ended = ", ".join(part for part in (attempt.disposition, attempt.cause) if part)
    moments = (
        (attempt.prepared_at, Moment.PREPARED, attempt.trunk_name),
        (attempt.originated_at, Moment.ORIGINATED, ""),
        (attempt.rang_at, Moment.RANG, ""),
        (attempt.answered_at, Moment.ANSWERED, ""),
        (attempt.released_at, Moment.RELEASED, ended),
    )
    return [
        TimelineEntry(at, moment, attempt.attempt_no, words=words) for at, moment, words in moments if at is not None
    ]


def _of_try(of: LoggedDelivery) -> str:
    answer = "no answer" if of.status is None else f"HTTP {of.status}"
    return f"{of.event_type}, try {of.tries}: {answer}, {of.state}"
