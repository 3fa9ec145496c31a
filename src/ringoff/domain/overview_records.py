"""What is seen of a workspace at one glance: rates, trunks, campaigns, orders, webhooks, the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ringoff.domain.attempt_records import PaceState
from ringoff.domain.identifiers import AgentId, CampaignId, TrunkId
from ringoff.domain.pacing import effective_pace
from ringoff.domain.records import CampaignCounts, Receipt


@dataclass(frozen=True, slots=True)
class SecondOfDials:
    """What happened to a workspace's attempts in the second that begins at ``from_at``."""

    from_at: datetime
    dialled_count: int
    """Requests to ring that were permitted."""
    answered_count: int
    """Attempts that were picked up."""
    failed_count: int
    """Attempts that ended without an answer, other than by an order."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds without a gap, oldest first; the last one is not over at ``at``, the database's clock."""

    at: datetime
    seconds: Sequence[SecondOfDials]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkLoad:
    """What a trunk carries now, what it may carry, and what is wrong with it. Paces are originates per second."""

    trunk_id: TrunkId
    name: str
    driver: str
    is_enabled: bool
    is_up: bool | None
    alarm: str | None
    alarm_at: datetime | None
    channels_in_use: int
    channels_max: int
    cps_now: float
    """Granted in the last second."""
    cps_max: float
    reduced_cps: float | None
    reduced_age_s: float
    silent_count: int
    is_silent: bool
    silent_until: datetime | None

    @property
    def cps_limit(self) -> float:
        """What it may do now: less than ``cps_max`` after congestion, nothing while it is disabled or silent."""
        if not self.is_enabled or self.is_silent:
            return 0.0
        return effective_pace(self._pace_state()).cps_max

    @property
    def is_reduced(self) -> bool:
        """Congestion has left it less than its pace."""
        return effective_pace(self._pace_state()).cps_max < self.cps_max

    def _pace_state(self) -> PaceState:
        return PaceState(
            cps_max=self.cps_max,
            channels_max=self.channels_max,
            is_enabled=self.is_enabled,
            reduced_cps=self.reduced_cps,
            reduced_age_s=self.reduced_age_s,
            silent_count=self.silent_count,
            is_silent=self.is_silent,
            live_count=self.channels_in_use,
            grants=(),
        )


@dataclass(frozen=True, slots=True)
class StartedCampaign:
    """A list campaign that is scheduled, ongoing or paused."""

    campaign_id: CampaignId
    agent_id: AgentId
    name: str
    status: str
    start_at: datetime | None
    end_at: datetime | None
    is_tallied: bool
    """False when an older version has registered its calls: only counting them one by one would tell how many."""


@dataclass(frozen=True, slots=True)
class CampaignsAtWork:
    by_status: Mapping[str, int]
    """List campaigns that are not deleted."""
    started_count: int
    counts: CampaignCounts
    """Of all started ones together, as far as they are known."""
    started: Sequence[tuple[StartedCampaign, CampaignCounts | None]]
    """Those with the most pending calls."""


@dataclass(frozen=True, slots=True)
class StoppedSubscription:
    """Nothing is sent there until somebody resumes it."""

    subscription_id: UUID
    event_type: str
    agent_id: AgentId | None
    paused_at: datetime
    alarm: str


@dataclass(frozen=True, slots=True)
class WebhookHealth:
    paused: Sequence[StoppedSubscription]
    oldest_undelivered_s: float | None
    """The age of the oldest event that waits for some subscriber; None when none does."""


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    round_trip_ms: float
    version: str
    is_embedded: bool


@dataclass(frozen=True, slots=True)
class Overview:
    rates: Rates
    trunks: Sequence[TrunkLoad]
    campaigns: CampaignsAtWork
    receipts: Sequence[Receipt]
    """The last orders, newest first."""
    webhooks: WebhookHealth
    database: DatabaseHealth
