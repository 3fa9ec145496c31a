"""What dashboards read of Ringoff's own routes: a workspace, a campaign, a list before it is uploaded."""

from typing import Any

import msgspec

from ringoff.client.native_answers import CampaignCounts, Receipt


class Second(msgspec.Struct, kw_only=True):
    """One second of attempts, from ``at`` on."""

    at: str
    dialled: int = 0
    answered: int = 0
    failed: int = 0


class Rates(msgspec.Struct, kw_only=True):
    """Seconds without a gap, oldest first; the last one is not over."""

    at: str
    rates: list[Second] = []


class TrunkLoad(msgspec.Struct, kw_only=True):
    trunk_id: str
    name: str
    driver: str
    is_enabled: bool = True
    is_up: bool | None = None
    alarm: str | None = None
    alarm_at: str | None = None
    channels_in_use: int = 0
    channels_max: int = 0
    cps_now: float = 0.0
    cps_limit: float = 0.0
    cps_max: float = 0.0
    is_reduced: bool = False
    is_silent: bool = False
    silent_until: str | None = None


class StartedCampaign(msgspec.Struct, kw_only=True):
    campaign_id: str
    agent_id: str
    name: str
    status: str
    starts_at: str | None = None
    ends_at: str | None = None
    counts: CampaignCounts | None = None


class CampaignsAtWork(msgspec.Struct, kw_only=True):
    by_status: dict[str, int] = {}
    started_count: int = 0
    counts: CampaignCounts = msgspec.field(default_factory=CampaignCounts)
    started: list[StartedCampaign] = []


class StoppedSubscription(msgspec.Struct, kw_only=True):
    subscription_id: str
    event_type: str
    agent_id: str | None = None
    paused_at: str | None = None
    alarm: str | None = None


class WebhookHealth(msgspec.Struct, kw_only=True):
    paused: list[StoppedSubscription] = []
    oldest_undelivered_s: float | None = None


class DatabaseHealth(msgspec.Struct, kw_only=True):
    round_trip_ms: float | None = None
    version: str | None = None
    is_embedded: bool | None = None


class Overview(Rates, kw_only=True):
    """What goes on, what may go on, and what is wrong."""

    trunks: list[TrunkLoad] = []
    campaigns: CampaignsAtWork = msgspec.field(default_factory=CampaignsAtWork)
    terminations: list[Receipt] = []
    """The last five orders."""
    webhooks: WebhookHealth = msgspec.field(default_factory=WebhookHealth)
    database: DatabaseHealth = msgspec.field(default_factory=DatabaseHealth)


class DispositionSum(msgspec.Struct, kw_only=True):
    """Attempts that ended with one disposition."""

    disposition: str
    attempts: int = 0
    answered: int = 0
    talk_s: float = 0.0


class OutcomeBucket(msgspec.Struct, kw_only=True):
    """Attempts by disposition, from ``at`` on for ``bucket_s``."""

    at: str
    attempts: dict[str, int] = {}


class Outcomes(msgspec.Struct, kw_only=True):
    attempts: int = 0
    answered: int = 0
    talk_s: float = 0.0
    asr: float | None = None
    acd_s: float | None = None
    by_disposition: list[DispositionSum] = []
    bucket_s: int = 60
    buckets: list[OutcomeBucket] = []


class Eta(msgspec.Struct, kw_only=True):
    """A guess from averages; ``state`` says what the campaign waits for, or why there is none."""

    state: str
    done_about_at: str | None = None
    opens_at: str | None = None
    is_cut_off: bool = False
    attempts_left: int = 0
    attempts_per_s: float | None = None


class CampaignFigures(msgspec.Struct, kw_only=True):
    campaign_id: str
    name: str
    status: str
    at: str
    counts: CampaignCounts
    outcomes: Outcomes | None = None
    """None for a campaign that an older version has begun."""
    eta: Eta


class RowFault(msgspec.Struct, kw_only=True):
    """Why one row of a list would be refused."""

    line: int
    column: str | None = None
    rule: str
    value: str | None = None


class ListPreview(msgspec.Struct, kw_only=True):
    """What an upload would make of a CSV; nothing of it is stored."""

    columns: list[str] = []
    sample: list[dict[str, Any]] = []
    faults: list[RowFault] = []
    total_rows: int = 0
    valid_rows: int = 0
    invalid_rows: int = 0
    duplicate_rows: int = 0
    suppressed_rows: int = 0


class TableCall(msgspec.Struct, kw_only=True):
    """A call as the table of its campaign shows it."""

    call_id: str
    mobile_number: str
    name: str = ""
    status: str
    sub_status: str | None = None
    registered_at: str | None = None
    last_attempt_at: str | None = None
    next_attempt_at: str | None = None
    ended_at: str | None = None
    talk_s: float | None = None
