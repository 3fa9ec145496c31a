"""The part of the seam that keeps what campaigns get of their trunk."""

from collections.abc import Mapping
from typing import Protocol

from ringoff.domain.fair_share import Share
from ringoff.domain.identifiers import CampaignId, TrunkId, WorkspaceId


class FairShareStore(Protocol):
    """Shares of campaigns. A schema without them (0012) gives every campaign the default."""

    async def are_kept(self) -> bool:
        """Whether this database has a place for shares; the others may be called only then."""

    async def ongoing(self) -> Mapping[CampaignId, Share]:
        """Of the campaigns of every workspace that are dialled and have a share of their own."""

    async def shares(self, workspace_id: WorkspaceId, campaign_ids: list[CampaignId]) -> Mapping[CampaignId, Share]:
        """Of those among these that have one of their own."""

    async def change(
        self,
        workspace_id: WorkspaceId,
        campaign_id: CampaignId,
        weight: int | None,
        concurrency_percentage: float | None,
    ) -> Share:
        """Of a campaign that the caller has found in its workspace; what is None stays. The share that it has now."""

    async def live(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> Mapping[CampaignId, int]:
        """Live attempts of the trunk by campaign. Exact under ``lock_trunk``, and needs no place for shares."""
