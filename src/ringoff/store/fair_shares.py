"""Shares of campaigns in their trunk, against PostgreSQL."""

from collections.abc import Mapping, Sequence

import asyncpg

from ringoff.domain.fair_share import DEFAULT_SHARE, Share
from ringoff.domain.identifiers import CampaignId, TrunkId, WorkspaceId
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("fair_share")


class PostgresFairShares:
    """Implements ``fair_share_ports.FairShareStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def are_kept(self) -> bool:
        return bool(await self._connection.fetchval(_SQL["are_kept"]))

    async def ongoing(self) -> Mapping[CampaignId, Share]:
        return _by_campaign(await self._connection.fetch(_SQL["ongoing"]))

    async def shares(self, workspace_id: WorkspaceId, campaign_ids: list[CampaignId]) -> Mapping[CampaignId, Share]:
        return _by_campaign(await self._connection.fetch(_SQL["shares"], workspace_id, campaign_ids))

    async def change(
        self,
        workspace_id: WorkspaceId,
        campaign_id: CampaignId,
        weight: int | None,
        concurrency_percentage: float | None,
    ) -> Share:
        row = await self._connection.fetchrow(
            _SQL["change"],
            workspace_id,
            campaign_id,
            weight,
            concurrency_percentage,
            DEFAULT_SHARE.weight,
            DEFAULT_SHARE.concurrency_percentage,
        )
        assert row is not None, "an upsert returns its row"
        return Share(row["weight"], row["concurrency_percentage"])

    async def live(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> Mapping[CampaignId, int]:
        rows = await self._connection.fetch(_SQL["live"], workspace_id, trunk_id)
        return {row["campaign_id"]: row["live_count"] for row in rows}


def _by_campaign(rows: Sequence[asyncpg.Record]) -> Mapping[CampaignId, Share]:
    return {row["campaign_id"]: Share(row["weight"], row["concurrency_percentage"]) for row in rows}
