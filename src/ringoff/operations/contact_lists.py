"""Uploaded lists as older clients know them: all of them, those that are dialled, and their deletion."""

from collections.abc import Sequence
from typing import Final

from ringoff.domain.campaign import CampaignStatus
from ringoff.domain.errors import Conflict, NotFound, NothingTerminable
from ringoff.domain.identifiers import CampaignId, TerminationId
from ringoff.domain.records import CampaignRow
from ringoff.domain.termination import Selector
from ringoff.domain.workspace import Principal
from ringoff.observer_port import NOBODY, Observer
from ringoff.operations import terminations
from ringoff.ports import Gate, Store, open_gate

RUNNING: Final = "Campaign is scheduled, ongoing or paused: terminate it first"
_RESTING: Final = (
    CampaignStatus.VERIFYING,
    CampaignStatus.DRAFT,
    CampaignStatus.COMPLETED,
    CampaignStatus.TERMINATED,
    CampaignStatus.FAILED,
)
"""Not dialled. What is still verified is ended first, as a draft is."""


async def running(store: Store, principal: Principal, limit: int) -> Sequence[CampaignRow]:
    """Lists that are started and not done, newest first."""
    async with store.transaction() as tx:
        return await tx.campaigns.running_campaigns(principal.workspace_id, limit)


async def delete(
    store: Store,
    principal: Principal,
    campaign_id: CampaignId,
    *,
    gate: Gate = open_gate,
    observer: Observer = NOBODY,
) -> TerminationId | None:
    """End what of a list waits, by an order with a receipt, then take it out of the lists. The history stays.

    Returns the order, None when nothing waited. ``Conflict`` while the list is scheduled or dialled: what is on the
    wire could come back as a retry, and nothing that was deleted may ring.
    """
    async with store.transaction() as tx:
        campaign = await tx.campaigns.campaign(principal.workspace_id, campaign_id)
    if campaign is None:
        raise NotFound("Bulk list not found", field="list_id")
    if campaign.status not in _RESTING:
        raise Conflict(RUNNING, field="list_id")
    try:
        selector = Selector(campaign_id=campaign_id)
        order = await terminations.terminate(store, principal, selector, observer=observer)
        termination_id = order.termination_id
    except NothingTerminable:
        termination_id = None
    await gate("delete.ended")
    async with store.transaction() as tx:
        if not await tx.campaigns.delete_list(principal.workspace_id, campaign_id):
            # Somebody started it again, or deleted it, in between.
            raise Conflict(RUNNING, field="list_id")
    return termination_id
