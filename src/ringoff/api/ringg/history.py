"""``GET /calling/history`` and ``GET /calling/call-details``: what became of the calls."""

from datetime import time
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, PageOffset, PageSize, instant, instant_of, instant_or_none
from ringoff.api.routing import Answer, AnswerHeader, RouteTable
from ringoff.api.services import Services
from ringoff.domain.identifiers import AgentId, CallId, CampaignId
from ringoff.domain.records import CallDetail, CallFilter, CallRow
from ringoff.domain.workspace import Principal
from ringoff.operations import insights

HISTORY_ROUTES = RouteTable("/ca/api/v0", ErrorShape.CODED, "calls")
DETAIL_ROUTES = RouteTable("/ca/api/v0", ErrorShape.DETAIL, "calls")

Status = Literal["registered", "ongoing", "retry", "error", "completed", "failed", "cancelled", "forwarded"]
Direction = Literal["outbound", "inbound", "webcall"]

EXACT_HEADER: Final = "X-Total-Is-Exact"


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True):
    start_date: str | None = None
    end_date: str | None = None
    limit: PageSize = 10
    offset: PageOffset = 0
    agent_id: UUID | None = None
    status: Status | None = None
    bulk_list_id: UUID | None = None
    call_type: Direction = "outbound"
    download: Literal["false"] = "false"
    """Of older clients; the download has a route of its own."""


class HistoryVersion(msgspec.Struct):
    version_id: str | None = None
    version_slug: str | None = None


class HistoryAgent(msgspec.Struct):
    id: str
    agent_name: str
    agent_version_id: str | None = None
    orchestration_mode: str = "single_node"
    version: HistoryVersion = msgspec.field(default_factory=HistoryVersion)


class HistoryCall(msgspec.Struct):
    id: str
    to_number: str
    name: str
    status: Status
    sub_status: str
    created_at: Instant
    agent: HistoryAgent
    call_duration: float | None
    """Answered seconds."""
    call_attempt_time: Instant | None
    from_numbers: list[str]
    voicemail_detected: bool
    transcript: str = "[]"
    """A JSON string, as the compatible API has it; this version keeps no transcripts."""
    audio_recording: str | None = None
    call_cost: float | None = None
    call_type: Direction = "outbound"
    inbound_from: str | None = None
    credits_processed: bool = True


class HistoryAnswer(msgspec.Struct):
    calls: list[HistoryCall]
    limit: int
    offset: int
    count: int
    total: int


class DetailQuery(msgspec.Struct, forbid_unknown_fields=True):
    id: UUID
    send_analysis: bool = False


class DetailView(msgspec.Struct, kw_only=True):
    id: str
    call_direction: Direction = "outbound"
    call_status: Status
    call_sub_status: str
    from_number: str | None
    to_number: str
    callee_name: str
    agent_id: str
    initiation_time: Instant
    custom_args_values: dict[str, Any]
    recording_url: str | None = None
    transcription_url: list[dict[str, str]] = []
    """Misnamed by the compatible API: the turns of the talk."""
    platform_analysis: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    client_analysis: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class DetailAnswer(msgspec.Struct, kw_only=True):
    status: str = "success"
    data: DetailView


@HISTORY_ROUTES.add(
    "GET",
    "/calling/history",
    answer_headers={EXACT_HEADER: AnswerHeader("`false` when `total` only says that there are more than 10,000.")},
)
async def call_history(services: Services, principal: Principal, query: HistoryQuery) -> Answer[HistoryAnswer]:
    """Calls, newest first."""
    wanted = CallFilter(
        start_at=instant_of(query.start_date, "start_date", time.min),
        end_at=instant_of(query.end_date, "end_date", time.max),
        agent_ids=[AgentId(query.agent_id)] if query.agent_id else None,
        campaign_id=CampaignId(query.bulk_list_id) if query.bulk_list_id else None,
        status=query.status,
        limit=query.limit,
        offset=query.offset,
    )
    insights.require_reachable(wanted.offset)
    if query.call_type != "outbound" or query.status == "forwarded":
        # There are no such calls here: nobody rings in, nothing is forwarded.
        return Answer(HistoryAnswer([], query.limit, query.offset, 0, 0), {EXACT_HEADER: "true"})
    page = await insights.history(services.store, principal, wanted)
    calls = [_listed(call) for call in page.calls]
    answer = HistoryAnswer(calls, query.limit, query.offset, len(calls), page.total.count)
    return Answer(answer, {EXACT_HEADER: str(page.total.is_exact).lower()})


@DETAIL_ROUTES.add("GET", "/calling/call-details", errors=(404,))
async def call_details(services: Services, principal: Principal, query: DetailQuery) -> DetailAnswer:
    """One call."""
    detail = await insights.call_details(services.store, principal, CallId(query.id))
    view = _detailed(detail)
    if query.send_analysis:
        view.platform_analysis = view.client_analysis = None
    return DetailAnswer(data=view)


def _listed(call: CallRow) -> HistoryCall:
    return HistoryCall(
        id=str(call.call_id),
        to_number=call.called_number,
        name=call.callee_name,
        status=_status(call),
        sub_status=call.sub_status,
        created_at=instant(call.created_at),
        agent=HistoryAgent(str(call.agent_id), call.agent_name),
        call_duration=None if call.talk_ms is None else call.talk_ms / 1000,
        call_attempt_time=instant_or_none(call.last_attempt_at),
        from_numbers=list(call.calling_numbers),
        voicemail_detected=call.voicemail_detected,
    )


def _detailed(detail: CallDetail) -> DetailView:
    call = detail.call
    shown = [attempt.calling_number for attempt in detail.attempts] or list(call.calling_numbers)[:1]
    return DetailView(
        id=str(call.call_id),
        call_status=_status(call),
        call_sub_status=call.sub_status,
        from_number=shown[-1] if shown else None,
        to_number=call.called_number,
        callee_name=call.callee_name,
        agent_id=str(call.agent_id),
        initiation_time=instant(call.created_at),
        custom_args_values=dict(call.custom_args),
    )


def _status(call: CallRow) -> Status:
    status: Status = msgspec.convert(call.status, Status)
    return status
