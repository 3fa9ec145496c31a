"""Receipts: searched, one as a page that settles while it is looked at, and the same as JSON and CSV."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import time
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from starlette.responses import Response, StreamingResponse

from ringoff.api.bodies import convert, require_storable
from ringoff.api.errors import located
from ringoff.api.fields import instant_of
from ringoff.api.native.terminations import ReceiptQuery, call_view, covered_lines, receipt_view
from ringoff.dashboard.places import query
from ringoff.dashboard.streams import stream
from ringoff.dashboard.table import PageTable
from ringoff.dashboard.visit import SECURITY_HEADERS, Visit
from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import CallId, CampaignId, TerminationId
from ringoff.domain.receipt_filter import ReceiptFilter
from ringoff.domain.records import CoveredCall, Receipt
from ringoff.domain.termination import Level
from ringoff.operations import campaign_life, receipts

PAGES = PageTable()
log = structlog.get_logger("ringoff.dashboard")
CALLS_SHOWN_MAX: Final = 50
PAGE_MAX: Final = 50
_DAY: Final = re.compile(r"(\d{4}-\d{2}-\d{2})?", re.ASCII)
_SEARCHED: Final = ("text", "state", "level", "given_from", "given_to", "cursor")


@PAGES.get("/receipts")
async def list_page(visit: Visit) -> Response:
    asked = {name: visit.asked(name) for name in _SEARCHED}
    try:
        # One more than is shown tells whether there is a next page.
        wanted = _wanted(asked, PAGE_MAX + 1)
        found: Sequence[Receipt] = await receipts.search_receipts(visit.store, visit.principal, wanted)
        complaint = None
    except InvalidInput as error:
        found, complaint = (), located(error)
    page = found[:PAGE_MAX]
    return visit.show(
        "receipts.html",
        status=200 if complaint is None else 400,
        receipts=page,
        names=await receipts.scope_names(visit.store, visit.principal, page),
        older=str(page[-1].termination_id) if len(found) > PAGE_MAX else None,
        newest=query(asked | {"cursor": ""}),
        asked=asked,
        # A field for days shows nothing of what is not a day, and the next search would be without it.
        has_days=all(_DAY.fullmatch(asked[name]) for name in ("given_from", "given_to")),
        complaint=complaint,
        levels=list(Level),
    )


# Before the page, whose path would take the suffix for a part of the id.
@PAGES.get("/receipts/{termination_id:uuid}.json")
async def receipt_json(visit: Visit) -> Response:
    """The API's answer with all calls that it covers on its one page, for an auditor's own programs."""
    await visit.take_place()
    receipt = await receipts.receipt(visit.store, visit.principal, _path_id(visit))
    pages = receipts.every_covered_call(visit.store, visit.principal, receipt.termination_id)
    return _attached(visit, _json(receipt, pages), "json", "application/json")


@PAGES.get("/receipts/{termination_id:uuid}.csv")
async def receipt_csv(visit: Visit) -> Response:
    """The calls that it covers, of which no cell is a formula."""
    await visit.take_place()
    pages = receipts.every_covered_call(visit.store, visit.principal, _path_id(visit))
    return _attached(visit, covered_lines(await anext(pages), pages), "csv", "text/csv")


@PAGES.get("/receipts/{termination_id}")
async def receipt_page(visit: Visit) -> Response:
    """One receipt, made to be printed as one page."""
    termination_id = asked_id(visit)
    after = _id(visit.asked("after"))
    receipt, calls = await receipts.receipt_with_calls(
        visit.store,
        visit.principal,
        termination_id,
        None if after is None else CallId(after),
        CALLS_SHOWN_MAX + 1,
    )
    return visit.show(
        "receipt.html",
        receipt=receipt,
        names=await receipts.scope_names(visit.store, visit.principal, [receipt]),
        calls=calls[:CALLS_SHOWN_MAX],
        more=str(calls[CALLS_SHOWN_MAX - 1].call_id) if len(calls) > CALLS_SHOWN_MAX else None,
        is_first=after is None,
        **await _campaign(visit, receipt),
    )


@PAGES.get("/events/receipts/{termination_id}")
async def receipt_events(visit: Visit) -> Response:
    termination_id = asked_id(visit)
    store, principal, rendering = visit.store, visit.principal, visit.dashboard.rendering
    await receipts.receipt(store, principal, termination_id)

    async def render() -> str:
        found = await receipts.receipt(store, principal, termination_id)
        return rendering.page("receipt_live.html", {"receipt": found})

    return await stream(visit, ("receipt", termination_id), render)


def asked_id(visit: Visit) -> TerminationId:
    """The receipt that the path names; ``NotFound`` for what cannot be an id."""
    termination_id = _id(visit.request.path_params["termination_id"])
    if termination_id is None:
        raise NotFound("Termination not found", field="termination_id")
    return termination_id


def _wanted(asked: dict[str, str], limit: int) -> ReceiptFilter:
    """What the form asks for, read as the API reads it; empty fields ask for nothing."""
    given = {name: value for name, value in asked.items() if value}
    require_storable(given)
    read: ReceiptQuery = convert(given, ReceiptQuery, strict=False)
    return ReceiptFilter(
        text=read.text,
        state=read.state,
        level=read.level,
        start_at=instant_of(read.given_from, "given_from", time.min),
        end_at=instant_of(read.given_to, "given_to", time.max),
        before=None if read.cursor is None else TerminationId(read.cursor),
        limit=limit,
    )


async def _campaign(visit: Visit, receipt: Receipt) -> dict[str, Any]:
    """Whether the campaign of a receipt has a page, and its zone."""
    if "campaign_id" in receipt.selector:
        campaign_id = CampaignId(UUID(receipt.selector["campaign_id"]))
        with suppress(NotFound):  # A list that was deleted has no page any more; its receipts stay.
            found = (await campaign_life.campaign(visit.store, visit.principal, campaign_id)).campaign
            return {"has_campaign": True, "zone": found.call_config.window.timezone}
    return {"has_campaign": False, "zone": None}


async def _json(receipt: Receipt, pages: AsyncIterator[Sequence[CoveredCall]]) -> AsyncIterator[bytes]:
    fields: dict[str, Any] = msgspec.to_builtins(receipt_view(receipt))
    yield msgspec.json.encode(fields)[:-1] + b',"calls":['
    is_first = True
    async for page in pages:
        rows = b",".join(msgspec.json.encode(call_view(call)) for call in page)
        if rows:
            yield rows if is_first else b"," + rows
            is_first = False
    yield b'],"next_cursor":null}'


def _attached(visit: Visit, content: AsyncIterator[Any], suffix: str, media_type: str) -> Response:
    name = f"receipt-{_path_id(visit)}.{suffix}"
    # Files have numbers in full, as the API has them.
    log.info("receipt_exported", api_key_id=str(visit.session.api_key_id), termination_id=str(_path_id(visit)))
    headers = {**SECURITY_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(content, media_type=media_type, headers=headers)


def _path_id(visit: Visit) -> TerminationId:
    termination_id: UUID = visit.request.path_params["termination_id"]
    return TerminationId(termination_id)


def _id(text: str) -> TerminationId | None:
    try:
        return TerminationId(UUID(text))
    except ValueError:
        return None
