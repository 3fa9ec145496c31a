"""``/api/v1/overview``: a workspace at one glance, for dashboards that ask every second."""

from datetime import time
from typing import Final

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant, instant_of, instant_or_none
from ringoff.api.native.campaigns import CampaignCountsView, counts_view
from ringoff.api.native.terminations import ReceiptView, receipt_view
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.overview_records import (
    CampaignsAtWork,
    Rates,
    StartedCampaign,
    TrunkLoad,
    WebhookHealth,
)
from ringoff.domain.records import CampaignCounts
from ringoff.domain.workspace import Principal
from ringoff.operations import overview

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "overview")

_MIDNIGHT: Final = time()


class SecondView(msgspec.Struct):
    """One second of the workspace's attempts."""

    at: Instant
    """Where it begins."""
    dialled: int
    """Requests to ring that were permitted."""
    answered: int
    failed: int
    """Ended without an answer, other than by an order."""


class RatesView(msgspec.Struct):
    at: Instant
    """The database's clock."""
    rates: list[SecondView]
    """Without a gap, oldest first; the last second is not over."""


class TrunkLoadView(msgspec.Struct, kw_only=True):
    """A trunk's load; paces are originates per second."""

    trunk_id: str
    name: str
    driver: str
    is_enabled: bool
    is_up: bool | None
    alarm: str | None
    alarm_at: Instant | None
    channels_in_use: int
    channels_max: int
    cps_now: float
    """Granted in the last second."""
    cps_limit: float
    """What it may do now: less than ``cps_max`` after congestion, nothing while it is disabled or silent."""
    cps_max: float
    is_reduced: bool
    is_silent: bool
    silent_until: Instant | None


class StartedCampaignView(msgspec.Struct, kw_only=True):
    campaign_id: str
    agent_id: str
    name: str
    status: str
    """scheduled, ongoing or paused."""
    starts_at: Instant | None
    ends_at: Instant | None
    counts: CampaignCountsView | None
    """None for a list that an old version has registered: ``GET /api/v1/campaigns/{campaign_id}`` counts its calls."""


class CampaignsView(msgspec.Struct, kw_only=True):
    by_status: dict[str, int]
    started_count: int
    counts: CampaignCountsView
    """Of all started campaigns together."""
    started: list[StartedCampaignView]
    """The 50 with the most pending calls."""


class PausedView(msgspec.Struct, kw_only=True):
    subscription_id: str
    event_type: str
    agent_id: str | None
    paused_at: Instant
    alarm: str


class WebhookHealthView(msgspec.Struct):
    paused: list[PausedView]
    oldest_undelivered_s: float | None
    """The age of the oldest event that waits for some subscriber."""


class DatabaseHealthView(msgspec.Struct):
    round_trip_ms: float
    version: str
    is_embedded: bool


class OverviewView(RatesView, kw_only=True):
    trunks: list[TrunkLoadView]
    campaigns: CampaignsView
    terminations: list[ReceiptView]
    """The last five."""
    webhooks: WebhookHealthView
    database: DatabaseHealthView


class RatesQuery(msgspec.Struct, forbid_unknown_fields=True):
    since: str | None = None
    """The first second wanted: ISO 8601, UTC without a zone. Never more than the last 60."""


@ROUTES.add("GET", "/overview")
async def read_overview(services: Services, principal: Principal) -> OverviewView:
    """Rates, trunks, campaigns, the last orders, webhooks and the database at one instant."""
    seen = await overview.overview(services.store, principal, clock=services.clock)
    return OverviewView(
        at=instant(seen.rates.at),
        rates=_seconds(seen.rates),
        trunks=[_trunk(trunk) for trunk in seen.trunks],
        campaigns=_campaigns(seen.campaigns),
        terminations=[receipt_view(receipt) for receipt in seen.receipts],
        webhooks=_webhooks(seen.webhooks),
        database=DatabaseHealthView(
            round(seen.database.round_trip_ms, 3), seen.database.version, seen.database.is_embedded
        ),
    )


@ROUTES.add("GET", "/overview/rates")
async def read_rates(services: Services, principal: Principal, query: RatesQuery) -> RatesView:
    """Only the rates, from a second on. The last few seconds may still grow: ask for them once more."""
    since = instant_of(query.since, "since", _MIDNIGHT)
    rates = await overview.rates_since(services.store, principal, since)
    return RatesView(instant(rates.at), _seconds(rates))


def _seconds(rates: Rates) -> list[SecondView]:
    return [
        SecondView(instant(second.from_at), second.dialled_count, second.answered_count, second.failed_count)
        for second in rates.seconds
    ]


def _trunk(trunk: TrunkLoad) -> TrunkLoadView:
    return TrunkLoadView(
        trunk_id=str(trunk.trunk_id),
        name=trunk.name,
        driver=trunk.driver,
        is_enabled=trunk.is_enabled,
        is_up=trunk.is_up,
        alarm=trunk.alarm,
        alarm_at=instant_or_none(trunk.alarm_at),
        channels_in_use=trunk.channels_in_use,
        channels_max=trunk.channels_max,
        cps_now=trunk.cps_now,
        cps_limit=trunk.cps_limit,
        cps_max=trunk.cps_max,
        is_reduced=trunk.is_reduced,
        is_silent=trunk.is_silent,
        silent_until=instant_or_none(trunk.silent_until),
    )


def _campaigns(campaigns: CampaignsAtWork) -> CampaignsView:
    return CampaignsView(
        by_status=dict(campaigns.by_status),
        started_count=campaigns.started_count,
        counts=counts_view(campaigns.counts),
        started=[_started(campaign, counts) for campaign, counts in campaigns.started],
    )


def _started(campaign: StartedCampaign, counts: CampaignCounts | None) -> StartedCampaignView:
    return StartedCampaignView(
        campaign_id=str(campaign.campaign_id),
        agent_id=str(campaign.agent_id),
        name=campaign.name,
        status=campaign.status,
        starts_at=instant_or_none(campaign.start_at),
        ends_at=instant_or_none(campaign.end_at),
        counts=None if counts is None else counts_view(counts),
    )


def _webhooks(health: WebhookHealth) -> WebhookHealthView:
    paused = [
        PausedView(
            subscription_id=str(each.subscription_id),
            event_type=each.event_type,
            agent_id=None if each.agent_id is None else str(each.agent_id),
            paused_at=instant(each.paused_at),
            alarm=each.alarm,
        )
        for each in health.paused
    ]
    return WebhookHealthView(paused, health.oldest_undelivered_s)
