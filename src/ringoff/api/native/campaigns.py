"""``/api/v1/campaigns``: campaigns with their counts, and pause, resume, end and share."""

from typing import Annotated
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, PageSize, instant, instant_or_none
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.fair_share import PERCENTAGE_MAX, WEIGHT_MAX, WEIGHT_MIN
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.records import CampaignCounts, CampaignRow
from ringoff.domain.workspace import Principal
from ringoff.operations import campaign_life, campaign_shares
from ringoff.operations.campaign_life import CountedCampaign

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "campaigns")


class CampaignView(msgspec.Struct, kw_only=True):
    campaign_id: str
    agent_id: str
    name: str
    status: str
    """verifying, draft, scheduled, ongoing, paused, completed, terminated or failed."""
    calling_numbers: list[str]
    number_pool_id: str | None
    starts_at: Instant | None
    ends_at: Instant | None
    created_at: Instant
    updated_at: Instant


class CampaignCountsView(msgspec.Struct):
    """Calls by effective status; ``total`` is their sum."""

    total: int
    registered: int
    ongoing: int
    retry: int
    completed: int
    failed: int
    error: int
    cancelled: int


class CountedCampaignView(CampaignView, kw_only=True):
    counts: CampaignCountsView
    weight: int
    """What it gets of its trunk beside the others that have calls due."""
    concurrency_percentage: float
    """Of its trunk's channels, how many it may use at a time."""


class CampaignShareRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays."""

    weight: Annotated[int, msgspec.Meta(ge=WEIGHT_MIN, le=WEIGHT_MAX)] | None = None
    concurrency_percentage: Annotated[float, msgspec.Meta(gt=0, le=PERCENTAGE_MAX)] | None = None


class CampaignList(msgspec.Struct):
    campaigns: list[CountedCampaignView]
    """Newest first."""
    next_cursor: str | None
    """For ``cursor`` of the next page; None on the last one."""


class EndedCampaignView(CampaignView, kw_only=True):
    termination_id: str
    """The receipt: what was cancelled, once it has settled, and what was left on the wire."""


class CampaignListQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: PageSize = 50
    cursor: UUID | None = None


@ROUTES.add("GET", "/campaigns")
async def list_counted_campaigns(services: Services, principal: Principal, query: CampaignListQuery) -> CampaignList:
    """Campaigns, newest first."""
    below = CampaignId(query.cursor) if query.cursor else None
    # One more than is shown tells whether there is a next page.
    found = await campaign_life.list_campaigns(services.store, principal, below, query.limit + 1)
    shown = found[: query.limit]
    next_cursor = str(shown[-1].campaign.campaign_id) if len(found) > query.limit else None
    return CampaignList([_counted(campaign) for campaign in shown], next_cursor)


@ROUTES.add("GET", "/campaigns/{campaign_id}", errors=(404,))
async def read_campaign(services: Services, principal: Principal, campaign_id: UUID) -> CountedCampaignView:
    """One campaign with its counts."""
    return _counted(await campaign_life.campaign(services.store, principal, CampaignId(campaign_id)))


@ROUTES.add("PATCH", "/campaigns/{campaign_id}", errors=(404, 409))
async def share_campaign(
    services: Services, principal: Principal, campaign_id: UUID, body: CampaignShareRequest
) -> CountedCampaignView:
    """Give it another weight, or another share of its trunk's channels, also while it is dialled."""
    await campaign_shares.change(
        services.store,
        principal,
        CampaignId(campaign_id),
        weight=body.weight,
        concurrency_percentage=body.concurrency_percentage,
    )
    return _counted(await campaign_life.campaign(services.store, principal, CampaignId(campaign_id)))


@ROUTES.add("POST", "/campaigns/{campaign_id}/pause", errors=(404, 409))
async def pause_campaign(services: Services, principal: Principal, campaign_id: UUID) -> CampaignView:
    """After the answer no call of the campaign is dialled until it is resumed; calls on the wire go on."""
    return _shown(await campaign_life.pause(services.store, principal, CampaignId(campaign_id)))


@ROUTES.add("POST", "/campaigns/{campaign_id}/resume", errors=(404, 409))
async def resume_campaign(services: Services, principal: Principal, campaign_id: UUID) -> CampaignView:
    """Let a paused campaign be dialled again."""
    return _shown(await campaign_life.resume(services.store, principal, CampaignId(campaign_id)))


@ROUTES.add("POST", "/campaigns/{campaign_id}/end", errors=(404, 409))
async def end_campaign(services: Services, principal: Principal, campaign_id: UUID) -> EndedCampaignView:
    """End a started campaign for good: what waits is cancelled, what is on the wire ends without a retry."""
    ended, termination_id = await campaign_life.end(
        services.store, principal, CampaignId(campaign_id), observer=services.observer
    )
    return EndedCampaignView(**msgspec.structs.asdict(_shown(ended)), termination_id=str(termination_id))


def _shown(campaign: CampaignRow) -> CampaignView:
    return CampaignView(
        campaign_id=str(campaign.campaign_id),
        agent_id=str(campaign.agent_id),
        name=campaign.name,
        status=campaign.status,
        calling_numbers=list(campaign.calling_numbers),
        number_pool_id=None if campaign.number_pool_id is None else str(campaign.number_pool_id),
        starts_at=instant_or_none(campaign.start_at),
        ends_at=instant_or_none(campaign.end_at),
        created_at=instant(campaign.created_at),
        updated_at=instant(campaign.updated_at),
    )


def _counted(counted: CountedCampaign) -> CountedCampaignView:
    return CountedCampaignView(
        **msgspec.structs.asdict(_shown(counted.campaign)),
        counts=counts_view(counted.counts),
        weight=counted.share.weight,
        concurrency_percentage=counted.share.concurrency_percentage,
    )


def counts_view(counts: CampaignCounts) -> CampaignCountsView:
    """Counts as every native route shows them."""
    return CampaignCountsView(
        total=counts.total,
        registered=counts.registered,
        ongoing=counts.ongoing,
        retry=counts.retry,
        completed=counts.completed,
        failed=counts.failed,
        error=counts.error,
        cancelled=counts.cancelled,
    )
