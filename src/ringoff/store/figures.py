"""Figures for dashboards against PostgreSQL; ``sql/figures.sql`` says what they cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ringoff.domain.campaign_figures import (
    CampaignProgress,
    OutcomeBucket,
    Outcomes,
    OutcomeSum,
    bucket_width_min,
)
from ringoff.domain.identifiers import CampaignId, WorkspaceId
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
_LAST_DUE = load("campaign_clock")["last_due"]
_MINUTE, _HOUR = 1, 60
_AN_HOUR = timedelta(hours=1)
_MEASURED_MIN_S = 60.0


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

    async def progress(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, recent_min: int
    ) -> CampaignProgress | None:
        of = (workspace_id, campaign_id)
        row = await self._connection.fetchrow(_SQL["progress_of_campaign"], *of)
        if row is None:
            return None
        recent = await self._connection.fetchrow(_SQL["recent_attempts"], *of, recent_min)
        assert recent is not None, "a sum is always one row"
        is_measured = recent["attempt_count"] > 0 and recent["span_s"] >= _MEASURED_MIN_S
        return CampaignProgress(
            at=row["now"],
            has_outcomes=row["has_outcomes"],
            sharing_count=row["sharing_count"],
            measured_per_s=recent["attempt_count"] / recent["span_s"] if is_measured else None,
            last_due_at=await self._connection.fetchval(_LAST_DUE, *of),
        )

    async def outcome_sums(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> Sequence[OutcomeSum]:
        rows = await self._connection.fetch(_SQL["outcome_sums"], workspace_id, campaign_id)
        return [OutcomeSum(**dict(row)) for row in rows]

    async def outcomes(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> Outcomes:
        of = (workspace_id, campaign_id)
        sums = await self.outcome_sums(workspace_id, campaign_id)
        span = await self._connection.fetchrow(_SQL["outcome_span"], *of)
        assert span is not None, "a minimum is always one row"
        hours = await self._connection.fetchrow(_SQL["outcome_hours"], *of)
        assert hours is not None, "a minimum is always one row"
        first_at, last_at, narrowest_min = span["first_at"], span["last_at"], _MINUTE
        if hours["first_at"] is not None and (first_at is None or hours["first_at"] + _AN_HOUR <= first_at):
            first_at, last_at, narrowest_min = hours["first_at"], last_at or hours["last_at"], _HOUR
        if first_at is None:
            return Outcomes(sums, _MINUTE, [])
        width_min = max(bucket_width_min(first_at, last_at), narrowest_min)
        read_min = _MINUTE if width_min < _HOUR else _HOUR
        buckets: defaultdict[datetime, dict[str, int]] = defaultdict(dict)
        for row in await self._connection.fetch(_SQL["outcome_buckets"], *of, read_min, width_min):
            buckets[row["from_at"]][row["disposition"]] = row["attempt_count"]
        return Outcomes(sums, width_min, [OutcomeBucket(from_at, counts) for from_at, counts in buckets.items()])

    async def webhook_health(self, workspace_id: WorkspaceId) -> WebhookHealth:
        paused = await self._connection.fetch(_SQL["paused_subscriptions"], workspace_id)
        age_s = await self._connection.fetchval(_SQL["oldest_undelivered_s"], workspace_id)
        return WebhookHealth([StoppedSubscription(**dict(row)) for row in paused], age_s)

    async def server(self) -> tuple[str, bool]:
        row = await self._connection.fetchrow(_SQL["server"])
        assert row is not None, "settings are always there"
        return row["version"], row["cluster_name"] == EMBEDDED_CLUSTER_NAME
