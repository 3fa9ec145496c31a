"""Rows that cross the store's boundary: campaigns, contacts, calls as people read them, fences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ringoff.domain.call_config import CallConfig
from ringoff.domain.identifiers import (
    AgentId,
    CallId,
    CampaignId,
    TerminationId,
    TrunkId,
    WorkspaceId,
)


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A campaign about to be stored as a draft."""

    workspace_id: WorkspaceId
    agent_id: AgentId
    name: str
    call_config: CallConfig
    variables_map: Mapping[str, str]
    start_at: datetime
    end_at: datetime


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
    registered_count: int | None = None
    completed_count: int | None = None
    """Both only when asked for: effective ``registered``/``retry`` and ``completed``."""


@dataclass(frozen=True, slots=True)
class NewCall:
    """An individual call about to be registered."""

    workspace_id: WorkspaceId
    campaign_id: CampaignId
    epoch: int
    called_number: str
    calling_number: str
    callee_name: str
    custom_args: Mapping[str, Any]
    call_config: CallConfig
    next_attempt_at: datetime | None
    """None means at once, by the database's clock."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """A page of the history; ``None`` means no restriction. Instants are aware UTC, start inclusive, end inclusive."""

    start_at: datetime | None = None
    end_at: datetime | None = None
    agent_id: AgentId | None = None
    campaign_id: CampaignId | None = None
    status: str | None = None
    limit: int = 10
    offset: int = 0


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
class TerminationCounts:
    """Calls that a termination touched: cancelled, and ongoing calls whose retry it barred."""

    cancelled_count: int = 0
    retry_barred_count: int = 0


@dataclass(frozen=True, slots=True)
class UnsettledFence:
    """A fence whose covered rows still carry an old status. Exactly one of campaign+epoch and number fences."""

    workspace_id: WorkspaceId
    termination_id: TerminationId
    campaign_id: CampaignId | None
    epoch: int | None
    sub_status: str
