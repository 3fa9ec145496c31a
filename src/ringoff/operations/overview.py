"""A workspace at one glance, at a cost that does not grow with its calls: for dashboards that ask every second."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Final

from ringoff.domain.overview_records import (
    CampaignsAtWork,
    DatabaseHealth,
    Overview,
    Rates,
    StartedCampaign,
)
from ringoff.domain.receipt_filter import ReceiptFilter
from ringoff.domain.records import CampaignCounts
from ringoff.domain.workspace import Principal
from ringoff.ports import Clock, Store, Transaction

SECONDS_MAX: Final = 60
CAMPAIGNS_SHOWN_MAX: Final = 50
RECEIPTS_SHOWN: Final = 5


async def overview(store: Store, principal: Principal, *, clock: Clock) -> Overview:
    """All of it at one instant; ``clock`` measures the round trip to the database."""
    workspace_id = principal.workspace_id
    async with store.snapshot() as tx:
        began = clock.monotonic()
        version, is_embedded = await tx.figures.server()
        round_trip_ms = (clock.monotonic() - began) * 1_000
        return Overview(
            rates=await tx.figures.rates(workspace_id, None, SECONDS_MAX),
            trunks=await tx.figures.trunk_loads(workspace_id),
            campaigns=await _campaigns(tx, principal),
            receipts=await tx.receipts.receipts(workspace_id, ReceiptFilter(limit=RECEIPTS_SHOWN)),
            webhooks=await tx.figures.webhook_health(workspace_id),
            database=DatabaseHealth(round_trip_ms, version, is_embedded),
        )


async def rates_since(store: Store, principal: Principal, since: datetime | None) -> Rates:
    """The seconds from that of ``since`` on, 60 at most: what a live view asks for again and again.

    A second may still grow while transactions that began in it commit; whoever shows it asks for the last few again.
    """
    async with store.single_read() as tx:
        return await tx.figures.rates(principal.workspace_id, since, SECONDS_MAX)


async def _campaigns(tx: Transaction, principal: Principal) -> CampaignsAtWork:
    started = await tx.figures.started(principal.workspace_id)
    # Those of an older version could only be counted call by call, which no dashboard may ask for every second.
    tallied = [campaign.campaign_id for campaign in started if campaign.is_tallied]
    counts = await tx.campaigns.counts(principal.workspace_id, tallied)
    by_pending = sorted(
        ((campaign, counts.get(campaign.campaign_id)) for campaign in started), key=_pending, reverse=True
    )
    return CampaignsAtWork(
        by_status=await tx.figures.campaigns_by_status(principal.workspace_id),
        started_count=len(started),
        counts=_summed(list(counts.values())),
        started=by_pending[:CAMPAIGNS_SHOWN_MAX],
    )


def _pending(row: tuple[StartedCampaign, CampaignCounts | None]) -> tuple[int, int]:
    """Most pending calls first, the newest of equals; what nobody has counted last."""
    campaign, counts = row
    return (-1 if counts is None else counts.registered + counts.retry, campaign.campaign_id.int)


def _summed(counts: Sequence[CampaignCounts]) -> CampaignCounts:
    return CampaignCounts(*(sum(column) for column in zip(*map(astuple, counts), strict=True)))
