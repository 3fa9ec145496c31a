"""What a campaign gets of its trunk beside the others: look at it, change it while it is dialled."""

from collections.abc import Mapping, Sequence
from typing import Final

from ringoff.domain.errors import Conflict, InvalidInput, NotFound
from ringoff.domain.fair_share import DEFAULT_SHARE, PERCENTAGE_MAX, WEIGHT_MAX, WEIGHT_MIN, Share
from ringoff.domain.identifiers import CampaignId, WorkspaceId
from ringoff.domain.workspace import Principal
from ringoff.ports import Store, Transaction

NOT_KEPT: Final = "this database has no place for shares yet: apply the migrations that wait (`ringoff migrate`)"


async def shares(store: Store, principal: Principal, campaign_ids: Sequence[CampaignId]) -> Mapping[CampaignId, Share]:
    """Of those among these that have one of their own; none where the database does not keep shares yet."""
    async with store.transaction() as tx:
        return await read_shares(tx, principal.workspace_id, campaign_ids)


async def read_shares(
    tx: Transaction, workspace_id: WorkspaceId, campaign_ids: Sequence[CampaignId]
) -> Mapping[CampaignId, Share]:
    """``shares`` in the caller's transaction."""
    if not campaign_ids or not await tx.fair_shares.are_kept():
        return {}
    return await tx.fair_shares.shares(workspace_id, list(campaign_ids))


async def change(
    store: Store,
    principal: Principal,
    campaign_id: CampaignId,
    *,
    weight: int | None = None,
    concurrency_percentage: float | None = None,
) -> Share:
    """Change what is given (None: stays); each dispatcher keeps to it from its next round on.

    ``InvalidInput`` for nothing or a value out of range, ``NotFound``, ``Conflict`` where the database has no place for
    shares yet.
    """
    if weight is None and concurrency_percentage is None:
        raise InvalidInput("give weight, concurrency_percentage or both", field="weight")
    if weight is not None and not WEIGHT_MIN <= weight <= WEIGHT_MAX:
        raise InvalidInput(f"weight must be a whole number from {WEIGHT_MIN} to {WEIGHT_MAX}", field="weight")
    if concurrency_percentage is not None and not 0 < concurrency_percentage <= PERCENTAGE_MAX:
        raise InvalidInput(
            f"concurrency_percentage must be above 0 and at most {PERCENTAGE_MAX:g}", field="concurrency_percentage"
        )
    async with store.transaction() as tx:
        if await tx.campaigns.campaign(principal.workspace_id, campaign_id) is None:
            raise NotFound("Campaign not found", field="campaign_id")
        return await set_share(tx, principal, campaign_id, weight, concurrency_percentage)


async def set_share(
    tx: Transaction,
    principal: Principal,
    campaign_id: CampaignId,
    weight: int | None,
    concurrency_percentage: float | None,
) -> Share:
    """In the caller's transaction, of a campaign that it has found. ``Conflict`` as ``change``."""
    if not await tx.fair_shares.are_kept():
        if weight is None and concurrency_percentage == PERCENTAGE_MAX:
            return DEFAULT_SHARE  # All of the trunk is what every campaign has there.
        raise Conflict(NOT_KEPT)
    return await tx.fair_shares.change(principal.workspace_id, campaign_id, weight, concurrency_percentage)
