"""Figures for dashboards against PostgreSQL; ``sql/figures.sql`` says what they cost."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ringoff.domain.identifiers import WorkspaceId
from ringoff.domain.overview_records import (
    Rates,
    SecondOfDials,
    StartedCampaign,
    StoppedSubscription,
    TrunkLoad,
    WebhookHealth,
)
from ringoff.store.connection import EMBEDDED_CLUSTER_NAME, Connection
from ringoff.store.sql_loader import load

_SQL = load("figures")


class PostgresFigures:
    """Implements ``figure_ports.FigureStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fold_steps(self, count_max: int) -> int:
        return int(await self._connection.fetchval(_SQL["fold_steps"], count_max))

    async def rates(self, workspace_id: WorkspaceId, since: datetime | None, seconds_max: int) -> Rates:
        rows = await self._connection.fetch(_SQL["rates"], workspace_id, since, float(seconds_max))
        seconds = [
            SecondOfDials(row["from_at"], row["dialled_count"], row["answered_count"], row["failed_count"])
            for row in rows
        ]
        return Rates(rows[0]["now"], seconds)

    async def trunk_loads(self, workspace_id: WorkspaceId) -> Sequence[TrunkLoad]:
        return [TrunkLoad(**dict(row)) for row in await self._connection.fetch(_SQL["trunk_loads"], workspace_id)]

    async def campaigns_by_status(self, workspace_id: WorkspaceId) -> Mapping[str, int]:
        rows = await self._connection.fetch(_SQL["campaigns_by_status"], workspace_id)
        return {row["status"]: row["campaign_count"] for row in rows}

    async def started(self, workspace_id: WorkspaceId) -> Sequence[StartedCampaign]:
        return [StartedCampaign(**dict(row)) for row in await self._connection.fetch(_SQL["started"], workspace_id)]

    async def webhook_health(self, workspace_id: WorkspaceId) -> WebhookHealth:
        paused = await self._connection.fetch(_SQL["paused_subscriptions"], workspace_id)
        age_s = await self._connection.fetchval(_SQL["oldest_undelivered_s"], workspace_id)
        return WebhookHealth([StoppedSubscription(**dict(row)) for row in paused], age_s)

    async def server(self) -> tuple[str, bool]:
        row = await self._connection.fetchrow(_SQL["server"])
        assert row is not None, "settings are always there"
        return row["version"], row["cluster_name"] == EMBEDDED_CLUSTER_NAME
