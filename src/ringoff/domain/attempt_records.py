"""What passes between claim, permit, originate and settle."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ringoff.domain.call import CallStatus, SubStatus
from ringoff.domain.call_config import CallConfig
from ringoff.domain.carrier import AnswerHandling, TrunkSpec
from ringoff.domain.identifiers import (
    AgentId,
    AttemptId,
    CallId,
    CampaignId,
    NumberPoolId,
    OwnerId,
    TerminationId,
    TrunkId,
    WorkspaceId,
)
from ringoff.domain.release_cause import Outcome


class AttemptKey(NamedTuple):
    """An attempt with its call: what names both is looked for in one partition."""

    attempt_id: AttemptId
    call_id: CallId


@dataclass(frozen=True, slots=True)
class DialWork:
    """A campaign that has something to dial, as read outside any lock; the permit re-checks all of it."""

    workspace_id: WorkspaceId
    campaign_id: CampaignId
    agent_id: AgentId
    trunk_id: TrunkId
    epoch: int
    is_individual: bool
    call_config: CallConfig
    calling_numbers: Sequence[str]
    number_pool_id: NumberPoolId | None
    """Numbers that take turns; then there are no ``calling_numbers``."""
    trunk: TrunkSpec
    handling: AnswerHandling
    agent_changed_at: datetime
    campaign_changed_at: datetime
    next_due_at: datetime
    now: datetime
    """The database's clock at the time of reading (or the caller's ``now``)."""


@dataclass(frozen=True, slots=True)
class ClosedCampaign:
    """A campaign as it was last changed, whose window then opens at ``opens_at`` and not before."""

    campaign_id: CampaignId
    changed_at: datetime
    opens_at: datetime


@dataclass(frozen=True, slots=True)
class PaceState:
    """What the pace decision needs, read under the trunk's lock."""

    cps_max: float
    channels_max: int
    is_enabled: bool
    reduced_cps: float | None
    """What congestion left of the pace, ``reduced_age_s`` ago."""
    reduced_age_s: float
    silent_count: int
    """How often in a row the trunk was found silent."""
    is_silent: bool
    """The breaker is open: nobody tries."""
    live_count: int
    grants: Sequence[tuple[float, int]]
    """(age in seconds, count) of the recent grants, newest first."""


@dataclass(frozen=True, slots=True)
class ClaimedCall:
    """One call with its prepared attempt."""

    attempt_id: AttemptId
    call_id: CallId
    called_number: str
    calling_number: str
    callee_name: str
    custom_args: Mapping[str, Any]
    retries_used: int
    congestion_count: int
    call_config: CallConfig | None
    """Individual calls carry their own; None means the campaign's."""
    has_place: bool = True
    """In the pace. A call that was suppressed or behind a fence when it was claimed has none, and may not be sent."""

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.attempt_id, self.call_id)


@dataclass(frozen=True, slots=True)
class OriginateRequest:
    """All that a driver needs to ring one number and to hand the answered call to the agent."""

    attempt_id: AttemptId
    call_id: CallId
    agent_id: AgentId
    trunk: TrunkSpec
    called_number: str
    calling_number: str
    handling: AnswerHandling
    parameters: Mapping[str, str]
    """What goes along to the agent: the call's ids, the contact's variables, the rendered prompt."""
    ring_timeout_s: float
    talk_max_s: float
    send_until: float
    """On ``Clock.monotonic``: the request may not leave later."""


class OriginateRefused(Exception):
    """The carrier refused before anything could ring."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.cause.text)
        self.outcome = outcome


class OriginateTooLate(Exception):
    """``send_until`` had passed before the request left; it did not leave."""


class OriginateUnknown(Exception):
    """The request may or may not have reached the carrier."""


@dataclass(frozen=True, slots=True)
class SettleEntry:
    """The outcome of one attempt and the next step that the domain proposes; the statement has the last word."""

    workspace_id: WorkspaceId
    campaign_id: CampaignId
    attempt_id: AttemptId
    call_id: CallId
    outcome: Outcome
    rang_at: datetime | None
    answered_at: datetime | None
    released_at: datetime
    status: CallStatus
    sub_status: SubStatus
    next_attempt_at: datetime | None
    spends_retry: bool
    hung_up_by: TerminationId | None = None
    """The order that asked for the release."""
    is_answer_new: bool = False
    """It was answered, and nobody has written that down before."""


@dataclass(frozen=True, slots=True)
class WantedRelease:
    """An attempt that an order wants off the wire."""

    workspace_id: WorkspaceId
    attempt_id: AttemptId
    termination_id: TerminationId


@dataclass(frozen=True, slots=True)
class SettledCall:
    """What the call became."""

    call_id: CallId
    status: CallStatus
    sub_status: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the crash rules closed."""

    attempt_ids: Container[AttemptId]
    calls: Sequence[SettledCall]
    """Without pending calls that an order has ended: those are settled behind its fence."""


@dataclass(frozen=True, slots=True)
class ExpiredAttempt:
    """An attempt of unknown fate, with what its carrier may know it by."""

    workspace_id: WorkspaceId
    agent_id: AgentId
    campaign_id: CampaignId
    attempt_id: AttemptId
    call_id: CallId
    owner_id: OwnerId
    state: str
    trunk: TrunkSpec
    driver_call_id: str | None
    called_number: str
    calling_number: str
    sent_at: datetime
    """When it was prepared, if nobody wrote down that it left."""
    lease_until: datetime
    """What was seen: whoever renews it lives."""
