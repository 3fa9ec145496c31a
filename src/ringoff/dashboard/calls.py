"""Calls: a table of them with filters and cursors, the search, and one call with everything that happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from ringoff.api.errors import located
from ringoff.dashboard.places import asked_call, asked_text, query, uuid_or_none
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import Visit
from ringoff.domain.call import CallStatus
from ringoff.domain.errors import RingoffError
from ringoff.domain.identifiers import CallId, CampaignId
from ringoff.domain.records import CallFilter, CallRow
from ringoff.domain.termination import parse_order
from ringoff.operations import insights, receipts

PAGES = PageTable()
PAGE_MAX: Final = 50
OPEN: Final = (CallStatus.REGISTERED, CallStatus.RETRY, CallStatus.ONGOING)


@dataclass(frozen=True, slots=True)
class CallsAsked:
    """What a table of calls shows."""

    campaign_id: CampaignId
    status: CallStatus | None = None
    below: CallId | None = None

    def query(self, below: CallId | None) -> str:
        return query({"status": self.status or "", "below": str(below or "")})


@dataclass(frozen=True, slots=True)
class CallsPage:
    """One page of calls, newest first."""

    asked: CallsAsked
    rows: Sequence[CallRow]
    older: str | None
    """The address of the next page."""
    statuses: Sequence[CallStatus] = tuple(CallStatus)


def asked_calls(visit: Visit, campaign_id: CampaignId) -> CallsAsked:
    """The filter and the cursor of a campaign's table."""
    status, below = visit.asked("status"), uuid_or_none(visit.asked("below"))
    return CallsAsked(
        campaign_id,
        CallStatus(status) if status in set(CallStatus) else None,
        None if below is None else CallId(below),
    )


async def calls_page(visit: Visit, asked: CallsAsked) -> CallsPage:
    """At the same cost however deep, and without counting."""
    wanted = CallFilter(
        campaign_id=asked.campaign_id,
        status=asked.status,
        below=asked.below,
        # One more than is shown tells whether there is a next page.
        limit=PAGE_MAX + 1,
    )
    found = await insights.list_calls(visit.store, visit.principal, wanted)
    rows = found[:PAGE_MAX]
    return CallsPage(asked, rows, asked.query(rows[-1].call_id) if len(found) > PAGE_MAX else None)


@PAGES.get("/calls")
async def search_page(visit: Visit) -> Response:
    """A call by its id, or the open calls to a number, in all campaigns."""
    wanted = asked_text(visit, "q")
    call_id = uuid_or_none(wanted)
    if call_id is not None:
        try:
            await insights.call_details(visit.store, visit.principal, CallId(call_id))
        except RingoffError as error:
            return visit.show("calls.html", status_of(error), wanted=wanted, found=None, complaint=located(error))
        return visit.go(f"/calls/{call_id}")
    if not wanted:
        return visit.show("calls.html", wanted="", found=None, complaint="")
    try:
        order = parse_order({"mobile_numbers": [wanted]})
        found = await receipts.preview(visit.store, visit.principal, order)
    except RingoffError as error:
        return visit.show("calls.html", status_of(error), wanted=wanted, found=None, complaint=located(error))
    return visit.show("calls.html", wanted=wanted, found=found, complaint="")


@PAGES.get("/calls/{call_id}")
async def call_page(visit: Visit) -> Response:
    detail = await insights.call_details(visit.store, visit.principal, asked_call(visit))
    return visit.show("call.html", call=detail.call, attempts=detail.attempts, open=OPEN)
