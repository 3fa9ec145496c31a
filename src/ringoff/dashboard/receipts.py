"""Receipts: the list, and one as a page that settles while it is looked at."""

from uuid import UUID

from starlette.responses import Response

from ringoff.dashboard.streams import stream
from ringoff.dashboard.table import PageTable
from ringoff.dashboard.visit import Visit
from ringoff.domain.errors import NotFound
from ringoff.domain.identifiers import CallId, TerminationId
from ringoff.operations import receipts

PAGES = PageTable()
CALLS_SHOWN_MAX = 50
PAGE_MAX = 50


@PAGES.get("/receipts")
async def list_page(visit: Visit) -> Response:
    before = _id(visit.asked("before"))
    state = visit.asked("state") if visit.asked("state") in {"settling", "settled"} else None
    page = await receipts.list_receipts(visit.store, visit.principal, before, state, PAGE_MAX)
    older = str(page[-1].termination_id) if len(page) == PAGE_MAX else None
    return visit.show("receipts.html", receipts=page, older=older, state=state)


@PAGES.get("/receipts/{termination_id}")
async def receipt_page(visit: Visit) -> Response:
    """One receipt, made to be printed as one page."""
    termination_id = asked_id(visit)
    after = _id(visit.asked("after"))
    receipt, calls = await receipts.receipt_with_calls(
        visit.store, visit.principal, termination_id, None if after is None else CallId(after), CALLS_SHOWN_MAX
    )
    more = str(calls[-1].call_id) if len(calls) == CALLS_SHOWN_MAX else None
    return visit.show("receipt.html", receipt=receipt, calls=calls, more=more)


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


def _id(text: str) -> TerminationId | None:
    try:
        return TerminationId(UUID(text))
    except ValueError:
        return None
