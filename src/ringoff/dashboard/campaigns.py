"""The list of campaigns: how far each is, live, with the buttons that pause and resume it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from ringoff.dashboard.places import asked_campaign, asked_text, query, uuid_or_none
from ringoff.dashboard.streams import stream
from ringoff.dashboard.table import PageTable
from ringoff.dashboard.visit import Visit, own_path
from ringoff.domain.call_window import next_opening
from ringoff.domain.campaign import STARTED, CampaignStatus
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.records import CampaignCounts, CampaignRow
from ringoff.domain.workspace import Principal
from ringoff.operations import campaign_life
from ringoff.ports import Store

PAGES = PageTable()
PAGE_MAX: Final = 25


@dataclass(frozen=True, slots=True)
class CampaignFilter:
    """What a list shows; each tab with the same one is told the same."""

    status: CampaignStatus | None = None
    name_part: str = ""
    below: CampaignId | None = None

    def query(self, below: CampaignId | None) -> str:
        """The address of the page below an id with this filter."""
        return query({"status": self.status or "", "name": self.name_part, "below": str(below or "")})


@dataclass(frozen=True, slots=True)
class ListedCampaign:
    """One row."""

    campaign: CampaignRow
    counts: CampaignCounts
    opens_at: datetime | None
    """When it may dial again; None when it may, or is not started."""


@PAGES.get("/campaigns")
async def list_page(visit: Visit) -> Response:
    wanted = _asked(visit)
    return visit.show(
        "campaigns.html",
        wanted=wanted,
        statuses=list(CampaignStatus),
        **await _listed(visit.store, visit.principal, wanted, visit.dashboard.services.clock.now()),
    )


@PAGES.get("/events/campaigns")
async def list_events(visit: Visit) -> Response:
    store, principal, dashboard, wanted = visit.store, visit.principal, visit.dashboard, _asked(visit)

    async def render() -> str:
        listed = await _listed(store, principal, wanted, dashboard.services.clock.now())
        return dashboard.rendering.page("campaigns_live.html", listed)

    return await stream(visit, ("campaigns", wanted), render)


@PAGES.post("/campaigns/{campaign_id}/pause")
async def pause(visit: Visit) -> Response:
    return await _changed(visit, campaign_life.pause)


@PAGES.post("/campaigns/{campaign_id}/resume")
async def resume(visit: Visit) -> Response:
    return await _changed(visit, campaign_life.resume)


@PAGES.post("/campaigns/{campaign_id}/end")
async def end(visit: Visit) -> Response:
    """End a campaign for good; what it did is a receipt."""
    await visit.fields()
    _ended, termination_id = await campaign_life.end(visit.store, visit.principal, asked_campaign(visit))
    return visit.go(f"/receipts/{termination_id}")


def opens_at(campaign: CampaignRow, now: datetime) -> datetime | None:
    """When a started campaign may dial next; None when that is now, or when it is not started."""
    if campaign.status not in STARTED:
        return None
    opening = next_opening(campaign.call_config.window, max(now, campaign.start_at or now))
    return opening if opening > now else None


async def _changed(visit: Visit, change: Callable[[Store, Principal, CampaignId], Awaitable[CampaignRow]]) -> Response:
    fields = await visit.fields()
    campaign_id = asked_campaign(visit)
    await change(visit.store, visit.principal, campaign_id)
    return visit.go(own_path(fields.text("next")) if fields.text("next") else f"/campaigns/{campaign_id}")


async def _listed(store: Store, principal: Principal, wanted: CampaignFilter, now: datetime) -> dict[str, Any]:
    # One more than is shown tells whether there is a next page.
    found = await campaign_life.list_campaigns(
        store,
        principal,
        wanted.below,
        PAGE_MAX + 1,
        status=wanted.status,
        name_part=wanted.name_part or None,
    )
    rows: Sequence[ListedCampaign] = [
        ListedCampaign(one.campaign, one.counts, opens_at(one.campaign, now)) for one in found[:PAGE_MAX]
    ]
    older = wanted.query(rows[-1].campaign.campaign_id) if len(found) > PAGE_MAX else None
    return {"rows": rows, "older": older, "is_filtered": bool(wanted.status or wanted.name_part or wanted.below)}


def _asked(visit: Visit) -> CampaignFilter:
    status, below = visit.asked("status"), uuid_or_none(visit.asked("below"))
    return CampaignFilter(
        status=CampaignStatus(status) if status in set(CampaignStatus) else None,
        name_part=asked_text(visit, "name"),
        below=None if below is None else CampaignId(below),
    )
