"""``GET /api/v1/calls``: the calls of the workspace page by page, each page at the same cost however deep."""

from datetime import time
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import PageSize, instant_of
from ringoff.api.native.terminations import CallView, call_view
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.identifiers import AgentId, CallId, CampaignId
from ringoff.domain.records import CallFilter
from ringoff.domain.workspace import Principal
from ringoff.operations import insights

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "calls")

AGENTS_MAX: Final = 100

Status = Literal["registered", "ongoing", "retry", "completed", "failed", "error", "cancelled"]
_Agents = Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=AGENTS_MAX)]


class CallListQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: PageSize = 50
    cursor: UUID | None = None
    agent_id: _Agents | None = None
    campaign_id: UUID | None = None
    status: Status | None = None
    registered_from: str | None = None
    registered_to: str | None = None
    """Both inside: ISO 8601, UTC without a zone; a bare date is its first or last moment."""


class CallList(msgspec.Struct):
    calls: list[CallView]
    """Newest first."""
    next_cursor: str | None
    """For ``cursor`` of the next page; None on the last one."""


@ROUTES.add("GET", "/calls")
async def list_calls(services: Services, principal: Principal, query: CallListQuery) -> CallList:
    """Calls, newest first."""
    wanted = CallFilter(
        start_at=instant_of(query.registered_from, "registered_from", time.min),
        end_at=instant_of(query.registered_to, "registered_to", time.max),
        agent_ids=None if query.agent_id is None else [AgentId(agent_id) for agent_id in query.agent_id],
        campaign_id=CampaignId(query.campaign_id) if query.campaign_id else None,
        status=query.status,
        below=CallId(query.cursor) if query.cursor else None,
        # One more than is shown tells whether there is a next page.
        limit=query.limit + 1,
    )
    found = await insights.list_calls(services.store, principal, wanted)
    shown = found[: query.limit]
    next_cursor = str(shown[-1].call_id) if len(found) > query.limit else None
    return CallList([call_view(call) for call in shown], next_cursor)
