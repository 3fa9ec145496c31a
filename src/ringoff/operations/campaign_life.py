"""A campaign after its start: look at it, pause it, resume it, end it for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.domain.call import SubStatus
from ringoff.domain.campaign import STARTED, CampaignStatus
from ringoff.domain.errors import Conflict, NotFound
from ringoff.domain.fair_share import DEFAULT_SHARE, Share
from ringoff.domain.identifiers import CampaignId, TerminationId
from ringoff.domain.records import CampaignCounts, CampaignRow
from ringoff.domain.termination import Level, Selector, TerminationOrder
from ringoff.domain.workspace import Principal
from ringoff.observer_port import NOBODY, Observer, OrderNotes, OrderOutcome
from ringoff.operations.campaign_shares import read_shares
from ringoff.ports import Gate, Store, Transaction, open_gate

END_REASON: Final = "the campaign was ended by hand"


@dataclass(frozen=True, slots=True)
class CountedCampaign:
    campaign: CampaignRow
    counts: CampaignCounts
    share: Share
    """What it gets of its trunk beside the others."""


async def list_campaigns(
    store: Store,
    principal: Principal,
    below: CampaignId | None,
    limit: int,
    *,
    status: CampaignStatus | None = None,
    name_part: str | None = None,
) -> Sequence[CountedCampaign]:
    """List campaigns, newest first, older than ``below``; those in a status, those with a part of their name."""
    async with store.snapshot() as tx:
        page = await tx.campaigns.campaigns_below(principal.workspace_id, below, limit, status, name_part)
        counts = await tx.campaigns.counts(principal.workspace_id, [campaign.campaign_id for campaign in page])
        shares = await read_shares(tx, principal.workspace_id, [campaign.campaign_id for campaign in page])
    return [CountedCampaign(c, counts[c.campaign_id], shares.get(c.campaign_id, DEFAULT_SHARE)) for c in page]


async def campaign(store: Store, principal: Principal, campaign_id: CampaignId) -> CountedCampaign:
    """One campaign and its counts, at one instant; ``NotFound`` when there is none."""
    async with store.snapshot() as tx:
        found = await _found(tx, principal, campaign_id)
        counts = await tx.campaigns.counts(principal.workspace_id, [campaign_id])
        shares = await read_shares(tx, principal.workspace_id, [campaign_id])
    return CountedCampaign(found, counts[campaign_id], shares.get(campaign_id, DEFAULT_SHARE))


async def pause(store: Store, principal: Principal, campaign_id: CampaignId, *, gate: Gate = open_gate) -> CampaignRow:
    """Once this returns, no call of the campaign is dialled until ``resume``; what is on the wire goes on.

    The lock is that of an order, and so is the cost: one row. ``Conflict`` unless it is scheduled or ongoing.
    """
    await gate("pause.begun")
    async with store.order_transaction() as tx:
        found = await _found(tx, principal, campaign_id)
        await tx.terminations.lock_campaign(principal.workspace_id, campaign_id)
        await gate("pause.locked")
        paused = await tx.campaigns.pause(principal.workspace_id, campaign_id)
        if paused is None:
            raise await _refused(tx, found, "only a scheduled or ongoing campaign can be paused")
        await gate("pause.before_commit")
    return paused


async def resume(store: Store, principal: Principal, campaign_id: CampaignId) -> CampaignRow:
    """Let a paused campaign be dialled again, from its start time on. ``Conflict`` unless it is paused."""
    async with store.order_transaction() as tx:
        found = await _found(tx, principal, campaign_id)
        resumed = await tx.campaigns.resume(principal.workspace_id, campaign_id, None)
        if resumed is None:
            raise await _refused(tx, found, "only a paused campaign can be resumed")
        await tx.calls.wake_dispatchers()
    return resumed


async def end(
    store: Store,
    principal: Principal,
    campaign_id: CampaignId,
    *,
    gate: Gate = open_gate,
    observer: Observer = NOBODY,
) -> tuple[CampaignRow, TerminationId]:
    """End a started campaign for good: what waits is cancelled, what is on the wire ends without a retry.

    It leaves a receipt, whose id is returned. Unlike after an order the campaign is completed: it cannot be started
    again. ``Conflict`` unless it is scheduled, ongoing or paused.
    """
    with observer.order(OrderNotes(Level.CAMPAIGN)) as notes:
        try:
            ended = await _end(store, principal, campaign_id, gate)
        except (Conflict, NotFound):
            notes.outcome = OrderOutcome.REFUSED
            raise
        notes.outcome = OrderOutcome.GIVEN
    return ended


async def _end(
    store: Store, principal: Principal, campaign_id: CampaignId, gate: Gate
) -> tuple[CampaignRow, TerminationId]:
    workspace_id = principal.workspace_id
    await gate("end.begun")
    async with store.order_transaction() as tx:
        orders = tx.terminations
        found = await _found(tx, principal, campaign_id)
        await orders.lock_campaign(workspace_id, campaign_id)
        await gate("end.locked")
        if (await _found(tx, principal, campaign_id)).status not in STARTED:
            raise await _refused(tx, found, _ENDABLE)
        order = TerminationOrder(Selector(campaign_id=campaign_id), reason=END_REASON)
        termination_id = await orders.add_termination(workspace_id, order, api_key_id=principal.api_key_id)
        # Counted before the fence is raised: under the lock nothing gets on the wire.
        await orders.record_ongoing(workspace_id, termination_id, order)
        if not await orders.end_campaign(workspace_id, termination_id, campaign_id, SubStatus.USER_TERMINATED):
            raise await _refused(tx, found, _ENDABLE)
        ended = await _found(tx, principal, campaign_id)
        await gate("end.before_commit")
    return ended, termination_id


_ENDABLE: Final = "only a scheduled, ongoing or paused campaign can be ended"


async def _found(tx: Transaction, principal: Principal, campaign_id: CampaignId) -> CampaignRow:
    found = await tx.campaigns.campaign(principal.workspace_id, campaign_id)
    if found is None:
        raise NotFound("Campaign not found", field="campaign_id")
    return found


async def _refused(tx: Transaction, seen: CampaignRow, rule: str) -> Conflict:
    """Says what the campaign is now: it may have moved since it was looked at."""
    now = await tx.campaigns.campaign(seen.workspace_id, seen.campaign_id)
    status = CampaignStatus(seen.status if now is None else now.status)
    return Conflict(f"the campaign is {status}: {rule}", field="campaign_id")
