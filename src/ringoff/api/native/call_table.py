"""``GET /api/v1/campaigns/{campaign_id}/calls``: one campaign's calls as a table that is turned over both ways."""

from datetime import time
from typing import Final
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, PageSize, instant, instant_of, instant_or_none
from ringoff.api.native.calls import Status
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.call import SubStatus
from ringoff.domain.call_table import CallTableFilter
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import CallId, CampaignId
from ringoff.domain.records import CallRow
from ringoff.domain.workspace import Principal
from ringoff.operations import call_table

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "campaigns")

_SUB_STATUSES: Final = tuple(word.value for word in SubStatus)


class TableQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: PageSize = 50
    cursor: UUID | None = None
    """``next_cursor``: the calls that are older."""
    previous_cursor: UUID | None = None
    """``previous_cursor``: the calls that are newer."""
    status: Status | None = None
    sub_status: str | None = None
    mobile_number: str | None = None
    registered_from: str | None = None
    registered_to: str | None = None
    """Both inside: ISO 8601, UTC without a zone; a bare date is its first or last moment."""


class TableCallView(msgspec.Struct, kw_only=True):
    call_id: str
    mobile_number: str
    name: str
    status: str
    sub_status: str
    registered_at: Instant
    last_attempt_at: Instant | None
    next_attempt_at: Instant | None
    ended_at: Instant | None
    talk_s: float | None


class CallTable(msgspec.Struct):
    calls: list[TableCallView]
    """Newest first. With ``sub_status`` or ``mobile_number`` 20,000 calls are looked at for each page: it may have few
    rows, or none, and still go on."""
    next_cursor: str | None
    """For ``cursor`` of the next page; None on the last one."""
    previous_cursor: str | None
    """For ``previous_cursor`` of the page before; None on the first one."""


@ROUTES.add("GET", "/campaigns/{campaign_id}/calls", errors=(404,))
async def list_campaign_calls(
    services: Services, principal: Principal, campaign_id: UUID, query: TableQuery
) -> CallTable:
    """A page of the campaign's calls, newest first."""
    if query.cursor is not None and query.previous_cursor is not None:
        raise InvalidInput("Provide only one of: cursor, previous_cursor", field="previous_cursor")
    if query.sub_status is not None and query.sub_status not in _SUB_STATUSES:
        raise InvalidInput(f"sub_status must be one of {', '.join(_SUB_STATUSES)}", field="sub_status")
    wanted = CallTableFilter(
        campaign_id=CampaignId(campaign_id),
        status=query.status,
        sub_status=query.sub_status,
        called_number=query.mobile_number,
        start_at=instant_of(query.registered_from, "registered_from", time.min),
        end_at=instant_of(query.registered_to, "registered_to", time.max),
        below=None if query.cursor is None else CallId(query.cursor),
        above=None if query.previous_cursor is None else CallId(query.previous_cursor),
        limit=query.limit,
    )
    page = await call_table.call_table(services.store, principal, wanted)
    return CallTable(
        [_shown(call) for call in page.calls],
        None if page.older is None else str(page.older),
        None if page.newer is None else str(page.newer),
    )


def _shown(call: CallRow) -> TableCallView:
    return TableCallView(
        call_id=str(call.call_id),
        mobile_number=call.called_number,
        name=call.callee_name,
        status=call.status,
        sub_status=call.sub_status,
        registered_at=instant(call.created_at),
        last_attempt_at=instant_or_none(call.last_attempt_at),
        next_attempt_at=instant_or_none(call.next_attempt_at),
        ended_at=instant_or_none(call.ended_at),
        talk_s=None if call.talk_ms is None else call.talk_ms / 1_000,
    )
