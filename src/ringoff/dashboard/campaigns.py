"""The list of campaigns: how far each is, live, with the buttons that pause and resume it."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from ringoff.dashboard.order_form import typed_complaint
from ringoff.dashboard.places import asked_campaign, asked_text, query, uuid_or_none
from ringoff.dashboard.streams import stream
from ringoff.dashboard.table import PageTable
from ringoff.dashboard.visit import Visit, own_path
from ringoff.domain.campaign import CampaignStatus
from ringoff.domain.campaign_eta import Eta
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.records import CampaignRow
from ringoff.domain.workspace import Principal
from ringoff.operations import campaign_life
from ringoff.operations.campaign_figures import etas
from ringoff.ports import Clock, Store

PAGES = PageTable()
PAGE_MAX: Final = 25
GUESS_S: Final = 10.0
"""How old a guess of when a campaign will be done may be on a page that is live."""


@dataclass(frozen=True, slots=True)
class CampaignFilter:
    """What a list shows; each tab with the same one is told the same."""

    status: CampaignStatus | None = None
    name_part: str = ""
    below: CampaignId | None = None

    def query(self, below: CampaignId | None) -> str:
        """The address of the page below an id with this filter."""
        return query({"status": self.status or "", "name": self.name_part, "below": str(below or "")})


@PAGES.get("/campaigns")
async def list_page(visit: Visit) -> Response:
    wanted = _asked(visit)
    return visit.show(
        "campaigns.html",
        wanted=wanted,
        statuses=list(CampaignStatus),
        **await _Listing(visit.store, visit.principal, wanted, visit.dashboard.services.clock).context(),
    )


@PAGES.get("/events/campaigns")
async def list_events(visit: Visit) -> Response:
    dashboard, wanted = visit.dashboard, _asked(visit)
    listing = _Listing(visit.store, visit.principal, wanted, dashboard.services.clock)

    async def render() -> str:
        return dashboard.rendering.page("campaigns_live.html", await listing.context())

    return await stream(visit, ("campaigns", wanted), render)


@PAGES.post("/campaigns/{campaign_id}/pause")
async def pause(visit: Visit) -> Response:
    return await _changed(visit, campaign_life.pause)


@PAGES.post("/campaigns/{campaign_id}/resume")
async def resume(visit: Visit) -> Response:
    return await _changed(visit, campaign_life.resume)


@PAGES.post("/campaigns/{campaign_id}/end")
async def end(visit: Visit) -> Response:
    """End a campaign for good; what it did is a receipt. A large one wants its count typed, as an order does."""
    fields = await visit.fields()
    found = await campaign_life.campaign(visit.store, visit.principal, asked_campaign(visit))
    complaint = typed_complaint(fields.text("typed_count"), found.counts.registered + found.counts.retry)
    if complaint is not None:
        raise InvalidInput(complaint, field="typed_count")
    _ended, termination_id = await campaign_life.end(
        visit.store, visit.principal, asked_campaign(visit), observer=visit.dashboard.services.observer
    )
    return visit.go(f"/receipts/{termination_id}")


async def _changed(visit: Visit, change: Callable[[Store, Principal, CampaignId], Awaitable[CampaignRow]]) -> Response:
    fields = await visit.fields()
    campaign_id = asked_campaign(visit)
    await change(visit.store, visit.principal, campaign_id)
    return visit.go(own_path(fields.text("next")) if fields.text("next") else f"/campaigns/{campaign_id}")


class _Listing:
    """What a list shows: counts as they are, and guesses of a moment ago, which cost more and move slowly."""

    def __init__(self, store: Store, principal: Principal, wanted: CampaignFilter, clock: Clock) -> None:
        self._store = store
        self._principal = principal
        self._wanted = wanted
        self._clock = clock
        self._etas: Mapping[CampaignId, Eta] = {}
        self._guessed_s = -math.inf

    async def context(self) -> dict[str, Any]:
        """For the templates."""
        wanted = self._wanted
        found = await campaign_life.list_campaigns(
            self._store,
            self._principal,
            wanted.below,
            # One more than is shown tells whether there is a next page.
            PAGE_MAX + 1,
            status=wanted.status,
            name_part=wanted.name_part or None,
        )
        rows = found[:PAGE_MAX]
        if self._clock.monotonic() - self._guessed_s >= GUESS_S:
            self._etas = await etas(self._store, self._principal, rows)
            self._guessed_s = self._clock.monotonic()
        return {
            "rows": rows,
            "etas": self._etas,
            "older": wanted.query(rows[-1].campaign.campaign_id) if len(found) > PAGE_MAX else None,
            "is_filtered": bool(wanted.status or wanted.name_part or wanted.below),
        }


def _asked(visit: Visit) -> CampaignFilter:
    status, below = visit.asked("status"), uuid_or_none(visit.asked("below"))
    return CampaignFilter(
        status=CampaignStatus(status) if status in set(CampaignStatus) else None,
        name_part=asked_text(visit, "name"),
        below=None if below is None else CampaignId(below),
    )
