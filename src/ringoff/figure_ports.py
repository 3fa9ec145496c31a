"""The part of the seam that dashboards look through: figures at a cost that does not grow with the calls."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ringoff.domain.campaign_figures import CampaignProgress, Outcomes, OutcomeSum
from ringoff.domain.identifiers import CampaignId, WorkspaceId
from ringoff.domain.overview_records import Rates, StartedCampaign, TrunkLoad, WebhookHealth


class FigureStore(Protocol):
    """Sums of what the dial path has noted, and small looks at what is going on."""

    async def fold_steps(self, count_max: int) -> int:
        """Add up to ``count_max`` small rows of what has happened to attempts to the sums that are read; how many."""

    async def rates(self, workspace_id: WorkspaceId, since: datetime | None, seconds_max: int) -> Rates:
        """The seconds from that of ``since`` on, ``seconds_max`` at most, up to the one that is running."""

    async def trunk_loads(self, workspace_id: WorkspaceId) -> Sequence[TrunkLoad]: ...
    async def campaigns_by_status(self, workspace_id: WorkspaceId) -> Mapping[str, int]: ...
    async def started(self, workspace_id: WorkspaceId) -> Sequence[StartedCampaign]:
        """In no order."""

    async def progress(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, recent_min: int
    ) -> CampaignProgress | None:
        """How fast a list campaign has gone in the last minutes, and beside whom; None when there is none."""

    async def outcome_sums(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> Sequence[OutcomeSum]:
        """What has become of its attempts, without when."""

    async def outcomes(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> Outcomes:
        """What has become of its attempts, as far as that was noted. Only in a snapshot."""

    async def webhook_health(self, workspace_id: WorkspaceId) -> WebhookHealth: ...
    async def server(self) -> tuple[str, bool]:
        """The database's version, and whether it is the one that Ringoff runs itself."""
