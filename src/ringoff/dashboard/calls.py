"""Calls: a table of them with filters and cursors, the search, and one call with everything that happened to it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final

from starlette.responses import Response

from ringoff.api.errors import located
from ringoff.api.fields import date_of
from ringoff.dashboard.places import asked_call, asked_text, query, uuid_or_none
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import Visit
from ringoff.domain.call import CallStatus, SubStatus
from ringoff.domain.call_table import CallTableFilter
from ringoff.domain.call_timeline import Moment
from ringoff.domain.call_window import local_to_utc
from ringoff.domain.errors import InvalidInput, NotFound, RingoffError
from ringoff.domain.identifiers import CallId
from ringoff.domain.records import CallRow, CampaignRow
from ringoff.domain.termination import parse_order
from ringoff.operations import campaign_life, insights, receipts
from ringoff.operations.call_table import LOOKED_MAX, call_table
from ringoff.operations.call_timeline import call_timeline
from ringoff.operations.csv_columns import ALWAYS_THERE

PAGES = PageTable()
PAGE_MAX: Final = 50
OPEN: Final = (CallStatus.REGISTERED, CallStatus.RETRY, CallStatus.ONGOING)


@dataclass(frozen=True, slots=True)
class CallsAsked:
    """What a table of calls shows, as it was typed and picked."""

    status: CallStatus | None = None
    sub_status: SubStatus | None = None
    number: str = ""
    first_day: str = ""
    """Of the registration, both days inside, in the campaign's zone."""
    last_day: str = ""

    def query(self, **cursor: CallId | None) -> str:
        """The address of a page with this filter."""
        return query(
            {
                "status": self.status or "",
                "sub_status": self.sub_status or "",
                "number": self.number,
                "from": self.first_day,
                "to": self.last_day,
                **{name: str(call_id or "") for name, call_id in cursor.items()},
            }
        )


@dataclass(frozen=True, slots=True)
class CallsPage:
    """One page of calls, newest first, and the addresses of the pages beside it."""

    asked: CallsAsked
    rows: Sequence[CallRow] = ()
    newer: str | None = None
    older: str | None = None
    complaint: str = ""
    statuses: Sequence[CallStatus] = tuple(CallStatus)
    sub_statuses: Sequence[SubStatus] = tuple(SubStatus)
    looked_max: int = LOOKED_MAX


async def calls_page(visit: Visit, campaign: CampaignRow) -> CallsPage:
    """The calls of a campaign that the address asks for, at the same cost however deep, and without counting."""
    status, sub_status = visit.asked("status"), visit.asked("sub_status")
    asked = CallsAsked(
        CallStatus(status) if status in set(CallStatus) else None,
        SubStatus(sub_status) if sub_status in set(SubStatus) else None,
        asked_text(visit, "number"),
        asked_text(visit, "from"),
        asked_text(visit, "to"),
    )
    below, above = uuid_or_none(visit.asked("below")), uuid_or_none(visit.asked("above"))
    try:
        start_at, end_at = _days(campaign, asked)
        wanted = CallTableFilter(
            campaign_id=campaign.campaign_id,
            status=asked.status,
            sub_status=asked.sub_status,
            called_number=asked.number or None,
            start_at=start_at,
            end_at=end_at,
            below=None if below is None else CallId(below),
            above=None if above is None else CallId(above),
            limit=PAGE_MAX,
        )
        page = await call_table(visit.store, visit.principal, wanted)
    except InvalidInput as error:
        return CallsPage(asked, complaint=located(error))
    return CallsPage(
        asked,
        page.calls,
        None if page.newer is None else asked.query(above=page.newer),
        None if page.older is None else asked.query(below=page.older),
    )


def _days(campaign: CampaignRow, asked: CallsAsked) -> tuple[datetime | None, datetime | None]:
    """The first moment of the first day and the last of the last, in the campaign's zone."""
    zone = campaign.call_config.window.timezone
    first, last = date_of(asked.first_day or None, "from"), date_of(asked.last_day or None, "to")
    return (
        None if first is None else local_to_utc(datetime.combine(first, time.min), zone),
        None if last is None else local_to_utc(datetime.combine(last, time.max), zone),
    )


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
    """One call with everything that is known of it."""
    told = await call_timeline(visit.store, visit.principal, asked_call(visit))
    campaign = None
    if not told.call.is_individual:
        with suppress(NotFound):  # A list that was deleted has no page any more; its calls stay.
            campaign = (await campaign_life.campaign(visit.store, visit.principal, told.call.campaign_id)).campaign
    return visit.show(
        "call.html",
        told=told,
        call=told.call,
        campaign=campaign,
        zone=None if campaign is None else campaign.call_config.window.timezone,
        open=OPEN,
        words=MOMENT_WORDS,
        variables={name: text for name, text in told.call.custom_args.items() if name not in ALWAYS_THERE},
    )


MOMENT_WORDS: Final[Mapping[Moment, str]] = {
    Moment.REGISTERED: "registered",
    Moment.PREPARED: "attempt prepared",
    Moment.ORIGINATED: "request to ring sent",
    Moment.RANG: "rang",
    Moment.ANSWERED: "answered",
    Moment.RELEASED: "released",
    Moment.ORDERED: "an order to end it was given",
    Moment.ENDED: "the call ended",
    Moment.EVENT: "event",
    Moment.TRIED: "webhook delivery tried",
    Moment.NEXT_ATTEMPT: "next attempt is due",
}
