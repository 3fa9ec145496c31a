"""``/api/v1/terminations``: orders with a reason, a preview that writes nothing, and receipts."""

from collections.abc import AsyncIterator, Sequence
from datetime import time
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from starlette.responses import Response, StreamingResponse

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import E164Text, Instant, UuidText, instant, instant_of, instant_or_none
from ringoff.api.orders import ANSWER_HEADERS, OrderHeaders, order_answer
from ringoff.api.routing import Answer, RouteTable
from ringoff.api.services import Services
from ringoff.api.tables import as_text, csv_lines
from ringoff.domain.identifiers import CallId, TerminationId
from ringoff.domain.receipt_filter import ReceiptFilter
from ringoff.domain.records import CallRow, CoveredCall, OpenCounts, Receipt
from ringoff.domain.termination import CALL_IDS_MAX, MOBILE_NUMBERS_MAX, REASON_LENGTH_MAX, parse_order
from ringoff.domain.workspace import Principal
from ringoff.operations import receipts, terminations
from ringoff.operations.receipts import Counts

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "terminations")

FAMILY: Final = "native"
CAMPAIGNS_SHOWN_MAX: Final = 100
_COVERED_COLUMNS: Final = (
    *("call_id", "mobile_number", "status", "sub_status"),
    *("campaign_id", "agent_id", "registered_at", "ended_at"),
)

Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class OrderRequest(msgspec.Struct, forbid_unknown_fields=True):
    """For the document only: orders and previews are read by the domain, which is stricter than a schema can say."""

    agent_id: UuidText | None = None
    call_ids: Annotated[list[UuidText], msgspec.Meta(max_length=CALL_IDS_MAX)] | None = None
    campaign_id: UuidText | None = None
    mobile_numbers: Annotated[list[E164Text], msgspec.Meta(max_length=MOBILE_NUMBERS_MAX)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX)] | None = None
    ongoing: Literal["finish", "hangup"] | None = None
    suppress: bool | None = None


class ReceiptCounts(msgspec.Struct):
    """Exact once the receipt is settled."""

    cancelled: int
    """Covered calls that were registered or in retry."""
    left_ongoing: int
    """Covered calls that were on the wire, and were left to end by themselves."""
    retry_barred: int
    """Of the calls on the wire, those whose retry this order has barred."""
    hung_up: int
    """Covered calls that were on the wire and were released."""
    suppressed: int
    """Numbers that were added to the suppression list."""


class ReceiptKey(msgspec.Struct):
    api_key_id: str
    name: str
    prefix: str


class ReceiptView(msgspec.Struct, kw_only=True):
    termination_id: str
    level: str
    selector: dict[str, Any]
    reason: str | None
    ongoing: str
    suppress: bool
    state: str
    """``settling`` or ``settled``; covered calls are cancelled for every reader in both."""
    counts: ReceiptCounts
    api_key: ReceiptKey | None
    """None for a campaign that met its end time: nobody ordered that."""
    created_at: Instant
    settled_at: Instant | None


class CallView(msgspec.Struct):
    call_id: str
    campaign_id: str | None
    """None for an individual call."""
    agent_id: str
    mobile_number: str
    status: str
    sub_status: str
    registered_at: Instant
    ended_at: Instant | None


class ReceiptDetail(ReceiptView, kw_only=True):
    calls: list[CallView]
    next_cursor: str | None
    """For ``cursor`` of the next page; None on the last one."""


class ReceiptList(msgspec.Struct):
    terminations: list[ReceiptView]
    next_cursor: str | None


class ReceiptQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: UUID | None = None
    state: Literal["settling", "settled"] | None = None
    level: Literal["agent", "calls", "campaign", "campaign_numbers", "numbers", "mixed"] | None = None
    text: str | None = None
    """The beginning of an id (of the receipt, its campaign or agent), a whole number or call id that the order names,
    or a part of its reason, of its key's name, or of its campaign's or agent's name."""
    given_from: str | None = None
    given_to: str | None = None
    """Both inside: ISO 8601, UTC without a zone; a bare date is its first or last moment."""


class CallsQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: UUID | None = None


class OpenCountsView(msgspec.Struct):
    registered: int
    retry: int
    ongoing: int


class CampaignCountsView(msgspec.Struct):
    campaign_id: str | None
    """None for individual calls."""
    name: str
    agent_id: str
    counts: OpenCountsView


class AgentCountsView(msgspec.Struct):
    agent_id: str
    name: str
    counts: OpenCountsView


class PreviewView(msgspec.Struct, kw_only=True):
    level: str
    terminable_count: int
    """Calls that the order would end if it were given now; with 0 it would be refused, unless ``is_verifying``."""
    is_verifying: bool
    """A large list in the order's scope is still verified: the order would hold for calls that are not counted."""
    counts: OpenCountsView
    campaign_count: int
    by_campaign: list[CampaignCountsView]
    """The 100 with the most pending calls."""
    by_agent: list[AgentCountsView]
    sample: list[CallView]
    """At most 20 of the calls."""


@ROUTES.add(
    "POST", "/terminations", status=202, errors=(409,), documented_body=OrderRequest, answer_headers=ANSWER_HEADERS
)
async def give_order(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any]
) -> Answer[ReceiptView]:
    """End every covered call now; the receipt says what was done, and settles in the background."""
    order = parse_order(body)
    key = headers.idempotency(FAMILY, lambda receipt: msgspec.to_builtins(receipt_view(receipt)))
    given = await terminations.terminate(services.store, principal, order, idempotency=key, observer=services.observer)
    if given.answer is not None:
        return order_answer(msgspec.convert(given.answer, ReceiptView), given)
    return order_answer(receipt_view(await receipts.receipt(services.store, principal, given.termination_id)), given)


@ROUTES.add("POST", "/terminations/preview", documented_body=OrderRequest)
async def preview_order(services: Services, principal: Principal, body: dict[str, Any]) -> PreviewView:
    """Say what the same order would cover now; nothing is written."""
    preview = await receipts.preview(services.store, principal, parse_order(body))
    return PreviewView(
        level=preview.order.selector.level,
        terminable_count=preview.terminable_count,
        is_verifying=preview.is_verifying,
        counts=_counts(preview.counts),
        campaign_count=len(preview.by_campaign),
        by_campaign=[_campaign(row) for row in preview.by_campaign[:CAMPAIGNS_SHOWN_MAX]],
        by_agent=[
            AgentCountsView(str(agent.agent_id), agent.agent_name, _counts(agent.counts)) for agent in preview.by_agent
        ],
        sample=[call_view(call) for call in preview.sample],
    )


@ROUTES.add("GET", "/terminations")
async def list_receipts(services: Services, principal: Principal, query: ReceiptQuery) -> ReceiptList:
    """Receipts, newest first."""
    wanted = ReceiptFilter(
        text=query.text,
        state=query.state,
        level=query.level,
        start_at=instant_of(query.given_from, "given_from", time.min),
        end_at=instant_of(query.given_to, "given_to", time.max),
        before=None if query.cursor is None else TerminationId(query.cursor),
        limit=query.limit,
    )
    page = await receipts.search_receipts(services.store, principal, wanted)
    next_cursor = str(page[-1].termination_id) if len(page) == query.limit else None
    return ReceiptList([receipt_view(receipt) for receipt in page], next_cursor)


@ROUTES.add("GET", "/terminations/{termination_id}/export", errors=(404,), media_type="text/csv")
async def export_covered_calls(services: Services, principal: Principal, termination_id: UUID) -> Response:
    """All calls that the order covers as CSV, by call id. A settling order may cover more in a moment."""
    pages = receipts.every_covered_call(services.store, principal, TerminationId(termination_id))
    # That there is no such order is an error still, before the first byte has left.
    first = await anext(pages)
    headers = {"Content-Disposition": f'attachment; filename="termination-{termination_id}.csv"'}
    return StreamingResponse(covered_lines(first, pages), media_type="text/csv", headers=headers)


async def covered_lines(
    first: Sequence[CoveredCall], others: AsyncIterator[Sequence[CoveredCall]]
) -> AsyncIterator[str]:
    """The text of that CSV, page by page."""
    yield csv_lines([_COVERED_COLUMNS])
    yield csv_lines(_covered_cells(call) for call in first)
    async for page in others:
        yield csv_lines(_covered_cells(call) for call in page)


def _covered_cells(call: CoveredCall) -> tuple[str, ...]:
    cells = (
        str(call.call_id),
        call.called_number,
        call.status,
        call.sub_status,
        "" if call.is_individual else str(call.campaign_id),
        str(call.agent_id),
        instant(call.created_at),
        instant_or_none(call.ended_at) or "",
    )
    return tuple(as_text(cell) for cell in cells)


@ROUTES.add("GET", "/terminations/{termination_id}", errors=(404,))
async def read_receipt(
    services: Services, principal: Principal, termination_id: UUID, query: CallsQuery
) -> ReceiptDetail:
    """One receipt, with a page of the calls that it covers."""
    after = None if query.cursor is None else CallId(query.cursor)
    receipt, calls = await receipts.receipt_with_calls(
        services.store, principal, TerminationId(termination_id), after, query.limit
    )
    return ReceiptDetail(
        **msgspec.structs.asdict(receipt_view(receipt)),
        calls=[call_view(call) for call in calls],
        next_cursor=str(calls[-1].call_id) if len(calls) == query.limit else None,
    )


def receipt_view(receipt: Receipt) -> ReceiptView:
    """A receipt as every native route shows it."""
    key = None
    if receipt.api_key_id is not None:
        key = ReceiptKey(str(receipt.api_key_id), receipt.api_key_name or "", receipt.api_key_prefix or "")
    return ReceiptView(
        termination_id=str(receipt.termination_id),
        level=receipt.level,
        selector=dict(receipt.selector),
        reason=receipt.reason,
        ongoing=receipt.ongoing,
        suppress=receipt.suppress,
        state=receipt.state,
        counts=ReceiptCounts(
            cancelled=receipt.cancelled_count,
            left_ongoing=receipt.left_ongoing_count,
            retry_barred=receipt.retry_barred_count,
            hung_up=receipt.hung_up_count,
            suppressed=receipt.suppressed_count,
        ),
        api_key=key,
        created_at=instant(receipt.created_at),
        settled_at=instant_or_none(receipt.settled_at),
    )


def call_view(call: CoveredCall | CallRow) -> CallView:
    """A call as every native route shows it."""
    return CallView(
        call_id=str(call.call_id),
        campaign_id=None if call.is_individual else str(call.campaign_id),
        agent_id=str(call.agent_id),
        mobile_number=call.called_number,
        status=call.status,
        sub_status=call.sub_status,
        registered_at=instant(call.created_at),
        ended_at=instant_or_none(call.ended_at),
    )


def _counts(counts: Counts) -> OpenCountsView:
    return OpenCountsView(counts.registered, counts.retry, counts.ongoing)


def _campaign(row: OpenCounts) -> CampaignCountsView:
    return CampaignCountsView(
        campaign_id=None if row.is_individual else str(row.campaign_id),
        name=row.campaign_name,
        agent_id=str(row.agent_id),
        counts=OpenCountsView(row.registered_count, row.retry_count, row.ongoing_count),
    )
