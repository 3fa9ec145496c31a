"""``GET /api/v1/calls/{call_id}/timeline``: one call from its registration to its end."""

from typing import Any
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant, instant_or_none
from ringoff.api.native.deliveries import DeliveryView, delivery_view
from ringoff.api.native.terminations import ReceiptView, receipt_view
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.call_timeline import Moment, TimelineAttempt
from ringoff.domain.identifiers import CallId
from ringoff.domain.records import CallRow
from ringoff.domain.workspace import Principal
from ringoff.operations import call_timeline

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "calls")


class ContactView(msgspec.Struct):
    name: str
    variables: dict[str, Any]


class CallFullView(msgspec.Struct, kw_only=True):
    call_id: str
    campaign_id: str | None
    agent_id: str
    agent_name: str
    mobile_number: str
    contact: ContactView
    status: str
    sub_status: str
    voicemail_detected: bool
    talk_s: float | None
    registered_at: Instant
    last_attempt_at: Instant | None
    next_attempt_at: Instant | None
    ended_at: Instant | None


class AttemptView(msgspec.Struct, kw_only=True):
    attempt_id: str
    attempt_no: int
    trunk_id: str
    trunk_name: str
    state: str
    calling_number: str
    prepared_at: Instant
    originated_at: Instant | None
    rang_at: Instant | None
    answered_at: Instant | None
    released_at: Instant | None
    disposition: str | None
    sip_status: int | None
    q850_cause: int | None
    cause_text: str | None


class EntryView(msgspec.Struct, kw_only=True):
    at: Instant
    moment: Moment
    attempt_no: int | None
    event_id: str | None
    words: str
    """What more there is to say, for people."""


class TimelineView(msgspec.Struct, kw_only=True):
    call: CallFullView
    attempts: list[AttemptView]
    deliveries: list[DeliveryView]
    """What subscribers were told of the call, oldest event first, as far back as events are kept."""
    termination: ReceiptView | None
    """The order that covers it."""
    entries: list[EntryView]
    """All of it in the order of time; what is ahead comes last."""


@ROUTES.add("GET", "/calls/{call_id}/timeline", errors=(404,))
async def read_timeline(services: Services, principal: Principal, call_id: UUID) -> TimelineView:
    """Attempts, events, deliveries and the order that covers the call, in the order of time."""
    timeline = await call_timeline.call_timeline(services.store, principal, CallId(call_id))
    return TimelineView(
        call=_call(timeline.call),
        attempts=[_attempt(attempt) for attempt in timeline.attempts],
        deliveries=[delivery_view(delivery) for delivery in timeline.deliveries],
        termination=None if timeline.receipt is None else receipt_view(timeline.receipt),
        entries=[
            EntryView(
                at=instant(entry.at),
                moment=entry.moment,
                attempt_no=entry.attempt_no,
                event_id=None if entry.event_id is None else str(entry.event_id),
                words=entry.words,
            )
            for entry in timeline.entries
        ],
    )


def _call(call: CallRow) -> CallFullView:
    return CallFullView(
        call_id=str(call.call_id),
        campaign_id=None if call.is_individual else str(call.campaign_id),
        agent_id=str(call.agent_id),
        agent_name=call.agent_name,
        mobile_number=call.called_number,
        contact=ContactView(call.callee_name, dict(call.custom_args)),
        status=call.status,
        sub_status=call.sub_status,
        voicemail_detected=call.voicemail_detected,
        talk_s=None if call.talk_ms is None else call.talk_ms / 1_000,
        registered_at=instant(call.created_at),
        last_attempt_at=instant_or_none(call.last_attempt_at),
        next_attempt_at=instant_or_none(call.next_attempt_at),
        ended_at=instant_or_none(call.ended_at),
    )


def _attempt(attempt: TimelineAttempt) -> AttemptView:
    return AttemptView(
        attempt_id=str(attempt.attempt_id),
        attempt_no=attempt.attempt_no,
        trunk_id=str(attempt.trunk_id),
        trunk_name=attempt.trunk_name,
        state=attempt.state,
        calling_number=attempt.calling_number,
        prepared_at=instant(attempt.prepared_at),
        originated_at=instant_or_none(attempt.originated_at),
        rang_at=instant_or_none(attempt.rang_at),
        answered_at=instant_or_none(attempt.answered_at),
        released_at=instant_or_none(attempt.released_at),
        disposition=attempt.disposition,
        sip_status=attempt.sip_status,
        q850_cause=attempt.q850_cause,
        cause_text=attempt.cause_text,
    )
