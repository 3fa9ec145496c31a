"""The seam of the dial path: what claims, permits, settles and rescues ask of the store."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ringoff.domain.attempt_records import (
    AttemptKey,
    ClaimedCall,
    ClosedCampaign,
    DialWork,
    ExpiredAttempt,
    PaceState,
    Reconciled,
    SettledCall,
    SettleEntry,
    WantedRelease,
)
from ringoff.domain.carrier import TrunkReport, TrunkSpec
from ringoff.domain.identifiers import (
    AgentId,
    AttemptId,
    CallId,
    CampaignId,
    OwnerId,
    TrunkId,
    WorkspaceId,
)


class DispatchStore(Protocol):
    """Claim, permit, settle, rescue: the only writers of a call on its way to the wire and back."""

    async def work(
        self,
        now: datetime | None,
        resting: Sequence[TrunkId] = (),
        campaigns_max: int = 1_000,
        closed: Sequence[ClosedCampaign] = (),
    ) -> Sequence[DialWork]:
        """Each ongoing campaign with a pending live call on an enabled trunk, and when its next call is due.

        Without those of the trunks that are ``resting``: their caller knows that they take nothing now; and without
        ``closed`` ones that have not been changed and do not open by now. Of a workspace that has more than
        ``campaigns_max``, these many: what is due first, then any.
        """

    async def lock_trunk(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> None:
        """Queue for the trunk's pace; held to the end of the (short) claim transaction."""

    async def pace_state(self, workspace_id: WorkspaceId, trunk_id: TrunkId, slot_ttl_s: float) -> PaceState:
        """Limits, live attempts and recent grants. Only after ``lock_trunk``."""

    async def claim(
        self,
        work: DialWork,
        owner_id: OwnerId,
        count_max: int,
        lease_s: float,
        rotation: int,
        now: datetime | None,
    ) -> Sequence[ClaimedCall]:
        """Write a prepared attempt for each of up to ``count_max`` due, live, unclaimed calls, and the pace grant."""

    async def lock_for_permit(self, workspace_id: WorkspaceId, agent_id: AgentId, campaign_id: CampaignId) -> None:
        """Take the shared locks in their one order: number fences of the workspace, agent, campaign."""

    async def permit(
        self,
        work: DialWork,
        owner_id: OwnerId,
        attempts: Sequence[tuple[AttemptId, CallId, datetime]],
        lease_s: float,
        now: datetime | None,
    ) -> Sequence[AttemptId]:
        """Re-check everything under the locks and mark what may be dialled; each attempt with its window's end."""

    async def lock_calls(self, workspace_id: WorkspaceId, call_ids: Sequence[CallId]) -> None:
        """Lock these calls' rows, by id: an order on call ids or numbers meets a permit there."""

    async def permit_again(
        self, work: DialWork, owner_id: OwnerId, attempts: Sequence[AttemptKey], lease_s: float
    ) -> Sequence[AttemptId]:
        """Which attempts that have not rung may send one more request. After ``lock_for_permit`` and ``lock_calls``."""

    async def skip_suppressed(self, work: DialWork, call_ids: Sequence[CallId]) -> Sequence[CallId]:
        """End those calls that the permit, in this transaction, refused because their number is suppressed."""

    async def give_back(self, workspace_id: WorkspaceId, owner_id: OwnerId, attempts: Sequence[AttemptKey]) -> None:
        """Undo claims (and permits of this very transaction) whose request has certainly not left."""

    async def defer(self, workspace_id: WorkspaceId, until_by_call: Mapping[CallId, datetime]) -> None:
        """Move the due time of pending calls (window closed, or permit refused): they stay queued."""

    async def record_progress(
        self,
        rang: Sequence[tuple[WorkspaceId, AttemptKey, datetime]],
        answered: Sequence[tuple[WorkspaceId, AttemptKey, datetime]],
    ) -> None: ...
    async def record_driver_ids(self, workspace_id: WorkspaceId, driver_ids: Mapping[AttemptKey, str]) -> None: ...
    async def settle(self, entries: Sequence[SettleEntry]) -> Sequence[SettledCall]:
        """Write outcomes; a termination beats a retry in the same statement. Events go to the outbox."""

    async def releases_wanted(self, owner_id: OwnerId, count_max: int) -> Sequence[WantedRelease]:
        """Attempts of this process that an order wants off the wire."""

    async def releases_done(self, wanted: Sequence[WantedRelease]) -> None: ...

    async def renew_leases(
        self, owner_id: OwnerId, attempts: Sequence[tuple[WorkspaceId, AttemptKey]], lease_s: float
    ) -> None: ...
    async def expired(self, count_max: int) -> Sequence[ExpiredAttempt]:
        """Attempts whose lease ran out: candidates, read without a lock."""

    async def reconcile(self, attempts: Sequence[ExpiredAttempt]) -> Reconciled:
        """Apply the crash rules to those that are still expired once locked, by the lease that was seen."""

    async def slow_trunk(self, workspace_id: WorkspaceId, trunk_id: TrunkId, hold_s: float) -> None:
        """Halve the trunk's present pace, unless that was done less than ``hold_s`` ago."""

    async def stop_trunk(self, workspace_id: WorkspaceId, trunk_id: TrunkId, alarm: str) -> None:
        """Disable the trunk until somebody enables it again."""

    async def trip_breaker(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> bool:
        """Let the trunk rest, longer each time; False when it rests already."""

    async def close_breaker(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> bool:
        """The trunk has answered; False when its breaker was closed."""

    async def enabled_trunks(self) -> Sequence[TrunkSpec]:
        """Of every workspace."""

    async def record_trunk_report(self, report: TrunkReport) -> None: ...
    async def leave_mark(self) -> None:
        """Write something, so that the synchronous standby, if there is one, confirms this transaction's commit."""

    async def prune(self, outbox_keep_h: int, count_max: int) -> int:
        """Delete up to ``count_max`` each of what has had its time: pace grants, events, answers; how many went."""
