"""``POST /calling/history/download``: the matching calls as a ZIP of CSV, streamed.

The documents of the compatible API have it both ways, a mail or the file. Ringoff sends no mails: this is the file.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import time
from typing import Annotated, Final
from uuid import UUID

import msgspec
from starlette.responses import Response, StreamingResponse

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import PageOffset, instant, instant_of, instant_or_none
from ringoff.api.ringg.history import Direction, Status
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.api.tables import as_text, csv_lines, zip_stream
from ringoff.domain.identifiers import AgentId, CallId, CampaignId
from ringoff.domain.phone_number import require_e164
from ringoff.domain.records import CallFilter, CallRow
from ringoff.domain.workspace import Principal
from ringoff.operations import insights
from ringoff.operations.insights import ExportFilter

ROUTES = RouteTable("/ca/api/v0", ErrorShape.CODED, "calls")

AGENTS_MAX: Final = 100
ROWS_MAX: Final = 1_000_000
FILE_NAME: Final = "call_history.csv"

_COLUMNS: Final = (
    *("id", "to_number", "name", "status", "transcript", "recording_url", "agent_id", "initiation_time"),
    *("sub_status", "agent_name", "from_numbers", "call_duration", "call_attempt_time", "call_type", "bulk_list_id"),
    "voicemail_detected",
)
_ANALYSIS_COLUMNS: Final = ("platform_analysis", "client_analysis")

_Rows = Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)]
_Agents = Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=AGENTS_MAX)]


class DownloadQuery(msgspec.Struct, forbid_unknown_fields=True):
    start_date: str | None = None
    end_date: str | None = None
    agent_id: _Agents | None = None
    status: Status | None = None
    include_analysis: bool = False
    call_type: Direction = "outbound"
    bulk_list_id: UUID | None = None
    voicemail: bool | None = None
    from_number: str | None = None
    to_number: str | None = None
    call_id: UUID | None = None
    limit: _Rows = 1000
    offset: PageOffset = 0


@ROUTES.add("POST", "/calling/history/download", media_type="application/zip")
async def download_history(services: Services, principal: Principal, query: DownloadQuery) -> Response:
    """The matching calls, newest first, as a ZIP of CSV."""
    for field, number in (("from_number", query.from_number), ("to_number", query.to_number)):
        if number is not None:
            require_e164(number, field, None)
    wanted = CallFilter(
        start_at=instant_of(query.start_date, "start_date", time.min),
        end_at=instant_of(query.end_date, "end_date", time.max),
        agent_ids=None if query.agent_id is None else [AgentId(agent_id) for agent_id in query.agent_id],
        campaign_id=CampaignId(query.bulk_list_id) if query.bulk_list_id else None,
        status=query.status,
        call_id=CallId(query.call_id) if query.call_id else None,
        limit=query.limit,
        offset=query.offset,
    )
    insights.require_reachable(wanted.offset)
    also = ExportFilter(query.voicemail, query.to_number, query.from_number)
    pages = insights.export(services.store, principal, wanted, also)
    if query.call_type != "outbound" or query.status == "forwarded":
        pages = _nothing()
    # What the database refuses is an error still, before the first byte has left.
    first = await anext(pages, None) or ()
    streamed = zip_stream(FILE_NAME, services.clock.now(), _lines(first, pages, with_analysis=query.include_analysis))
    headers = {"Content-Disposition": 'attachment; filename="call_history.zip"'}
    return StreamingResponse(streamed, media_type="application/zip", headers=headers)


async def _nothing() -> AsyncIterator[Sequence[CallRow]]:
    no_pages: tuple[Sequence[CallRow], ...] = ()
    for page in no_pages:
        yield page


async def _lines(
    first: Sequence[CallRow], others: AsyncIterator[Sequence[CallRow]], *, with_analysis: bool
) -> AsyncIterator[str]:
    yield csv_lines([(*_COLUMNS, *_ANALYSIS_COLUMNS) if with_analysis else _COLUMNS])
    # Nobody reports an analysis, so its cells are empty.
    analysis = ("", "") if with_analysis else ()
    yield csv_lines([*_cells(call), *analysis] for call in first)
    async for page in others:
        yield csv_lines([*_cells(call), *analysis] for call in page)


def _cells(call: CallRow) -> tuple[str, ...]:
    cells = (
        str(call.call_id),
        call.called_number,
        call.callee_name,
        call.status,
        "[]",
        "",
        str(call.agent_id),
        instant(call.created_at),
        call.sub_status,
        call.agent_name,
        " ".join(call.calling_numbers),
        "" if call.talk_ms is None else str(call.talk_ms / 1000),
        instant_or_none(call.last_attempt_at) or "",
        "outbound",
        "" if call.is_individual else str(call.campaign_id),
        str(call.voicemail_detected).lower(),
    )
    return tuple(as_text(cell) for cell in cells)
