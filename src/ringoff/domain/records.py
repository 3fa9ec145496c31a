"""Rows that cross the store's boundary: campaigns, contacts, calls as people read them, fences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ringoff.domain.call_config import CallConfig
from ringoff.domain.identifiers import (
    AgentId,
    ApiKeyId,
    CallId,
    CampaignId,
    NumberPoolId,
    TerminationId,
    TrunkId,
    WorkspaceId,
)


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A campaign about to be stored: as a draft, or as one whose list is still to be verified."""

    workspace_id: WorkspaceId
    agent_id: AgentId
    name: str
    call_config: CallConfig
    variables_map: Mapping[str, str]
    start_at: datetime
    end_at: datetime | None
    is_verified: bool = True


@dataclass(frozen=True, slots=True)
class CampaignRow:
    campaign_id: CampaignId
    workspace_id: WorkspaceId
    agent_id: AgentId
    name: str
    status: str
    epoch: int
    trunk_id: TrunkId | None
    calling_numbers: Sequence[str]
    call_config: CallConfig
    start_at: datetime | None
    end_at: datetime | None
    created_at: datetime
    updated_at: datetime
    total_count: int
    """Rows registered by the upload."""
    number_pool_id: NumberPoolId | None = None
    """Whose numbers are shown; then there are no ``calling_numbers``."""


@dataclass(frozen=True, slots=True)
class CampaignCounts:
    """How many calls of a campaign have each effective status, at one instant."""

    registered: int = 0
    ongoing: int = 0
    retry: int = 0
    completed: int = 0
    failed: int = 0
    error: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.registered + self.ongoing + self.retry + self.completed + self.failed + self.error + self.cancelled


@dataclass(frozen=True, slots=True)
class NewCall:
    """An individual call about to be registered."""

    workspace_id: WorkspaceId
    campaign_id: CampaignId
    epoch: int
    called_number: str
    calling_number: str | None
    """None: whichever number of its campaign's pool has its turn."""
    callee_name: str
    custom_args: Mapping[str, Any]
    call_config: CallConfig
    next_attempt_at: datetime | None
    """None means at once, by the database's clock."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """A page of the history, newest first; ``None`` means no restriction.

    Instants are aware UTC, both inside, to the millisecond: the moment of the registration, which the id carries.
    """

    start_at: datetime | None = None
    end_at: datetime | None = None
    agent_ids: Sequence[AgentId] | None = None
    campaign_id: CampaignId | None = None
    status: str | None = None
    call_id: CallId | None = None
    """This call and no other."""
    below: CallId | None = None
    """Only calls that are older than this one: where the page before has ended."""
    limit: int = 10
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """How many calls a filter matches: exactly, or at least so many."""

    count: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class AnalyticsFilter:
    """Calls registered, and attempts made, from one instant (inside) to another (outside), both aware UTC."""

    start_at: datetime
    end_at: datetime
    agent_id: AgentId | None = None
    campaign_id: CampaignId | None = None
    voicemail_detected: bool | None = None


@dataclass(frozen=True, slots=True)
class AttemptTally:
    """Attempts of one calling number that ended alike: on the wire, answered, their seconds of talk."""

    calling_number: str
    disposition: str
    """``live`` for those that are not over."""
    bucket: int | None
    """Which of the given lengths of talk; None without an answer, or when it is not over."""
    attempt_count: int
    answered_count: int
    talk_s: float


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as the history shows it, with effective status."""

    call_id: CallId
    campaign_id: CampaignId
    is_individual: bool
    agent_id: AgentId
    agent_name: str
    called_number: str
    calling_numbers: Sequence[str]
    callee_name: str
    custom_args: Mapping[str, Any]
    status: str
    sub_status: str
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    ended_at: datetime | None
    talk_ms: int | None
    voicemail_detected: bool


@dataclass(frozen=True, slots=True)
class AttemptRow:
    attempt_no: int
    state: str
    calling_number: str
    originated_at: datetime | None
    rang_at: datetime | None
    answered_at: datetime | None
    released_at: datetime | None
    disposition: str | None
    sip_status: int | None
    q850_cause: int | None
    cause_text: str | None


@dataclass(frozen=True, slots=True)
class CallDetail:
    call: CallRow
    attempts: Sequence[AttemptRow]


@dataclass(frozen=True, slots=True)
class SweptCounts:
    """What one batch of the sweeper settled: calls cancelled, ongoing calls marked so that no retry follows, events."""

    cancelled_count: int
    retry_barred_count: int
    event_count: int
    is_dialling: bool
    """Some attempt is on the wire, of whatever tenant."""


@dataclass(frozen=True, slots=True)
class CoveredRows:
    """The open calls that an order names one by one, locked."""

    pending: Sequence[CallId]
    ongoing: Sequence[CallId]
    newly_barred: Sequence[CallId]
    """Of the ongoing ones, those whose retry no earlier order bars, neither by their row nor by a fence."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an order was and what it did. Counts are exact once ``state`` is ``settled``."""

    termination_id: TerminationId
    level: str
    selector: Mapping[str, Any]
    reason: str | None
    ongoing: str
    suppress: bool
    state: str
    created_at: datetime
    settled_at: datetime | None
    cancelled_count: int
    """Covered calls that were registered or in retry."""
    left_ongoing_count: int
    """Covered calls that were on the wire when the order was given, and were left to end by themselves."""
    retry_barred_count: int
    """Of the calls on the wire, those whose retry this order has barred."""
    hung_up_count: int
    """Covered calls that were on the wire and were released."""
    suppressed_count: int
    """Numbers that the order added to the suppression list."""
    api_key_id: ApiKeyId | None
    """None for what nobody ordered: a campaign that met its end time."""
    api_key_name: str | None
    api_key_prefix: str | None


@dataclass(frozen=True, slots=True)
class CoveredCall:
    """A call as receipts and previews show it, with effective status."""

    call_id: CallId
    campaign_id: CampaignId
    is_individual: bool
    agent_id: AgentId
    called_number: str
    status: str
    sub_status: str
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenCounts:
    """Calls of one campaign that an order would cover now."""

    campaign_id: CampaignId
    is_individual: bool
    campaign_name: str
    agent_id: AgentId
    agent_name: str
    registered_count: int
    retry_count: int
    ongoing_count: int


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What an Idempotency-Key remembers of the order that was given with it."""

    fingerprint: bytes
    termination_id: TerminationId
    answer: Any


@dataclass(frozen=True, slots=True)
class SuppressedNumber:
    mobile_number: str
    reason: str | None
    created_at: datetime
    termination_id: TerminationId | None
    """The order that added it, if one did."""
    api_key_id: ApiKeyId | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants to hear of an event type: one agent's calls, or (None) all of the workspace."""

    agent_id: AgentId | None
    event_type: str
    created_at: datetime
    subscription_id: UUID
    callback_url: str | None
    """None: its events are written, and sent to nobody."""
    method: str
    paused_at: datetime | None
    alarm: str | None
    """Why it is paused."""


@dataclass(frozen=True, slots=True)
class UnsettledFence:
    """A fence whose covered rows still carry an old status. Exactly one of campaign+epoch and number fences."""

    workspace_id: WorkspaceId
    termination_id: TerminationId
    campaign_id: CampaignId | None
    epoch: int | None
    sub_status: str
    is_early: bool
    """Nothing was found behind it a moment ago, and it is not its turn yet; nor is it that of any other."""
