"""The part of the seam that keeps campaigns: their contacts, their life, and what the passing of time does to them.

As on the first page (``ports``), a store method never commits, and every write of a status names the status that it
expects.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ringoff.domain.call_config import CallConfig
from ringoff.domain.identifiers import AgentId, CampaignId, NumberPoolId, OwnerId, TrunkId, WorkspaceId
from ringoff.domain.list_upload import ClaimedUpload, Progress, UploadRow, VerifiedUpload
from ringoff.domain.records import CampaignCounts, CampaignRow, NewCampaign


class CampaignStore(Protocol):
    """Campaigns, their contacts, and the epoch that a termination raises."""

    async def add_campaign(self, campaign: NewCampaign) -> CampaignId: ...
    async def copy_contacts(self, rows: AsyncIterator[bytes]) -> int:
        """Stream PostgreSQL binary COPY bytes, made by the upload's reader, into contact; return the number of rows."""

    async def register_contacts(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> int:
        """Register one call for each contact of a new campaign; return how many."""

    async def campaign(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> CampaignRow | None: ...
    async def reschedule(
        self,
        workspace_id: WorkspaceId,
        campaign_id: CampaignId,
        call_config: CallConfig,
        start_at: datetime,
        end_at: datetime | None,
    ) -> CampaignRow | None:
        """Give a draft, or a terminated campaign, another configuration and other times; None for any other."""

    async def start(
        self,
        workspace_id: WorkspaceId,
        campaign_id: CampaignId,
        trunk_id: TrunkId,
        calling_numbers: Sequence[str],
        now: datetime | None,
        number_pool_id: NumberPoolId | None = None,
    ) -> CampaignRow | None:
        """Move a draft to scheduled or ongoing; None when it is no draft any more. With a pool there are no numbers."""

    async def pause(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> CampaignRow | None:
        """scheduled or ongoing -> paused; None from any other status. Only under the campaign's exclusive lock."""

    async def resume(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, now: datetime | None
    ) -> CampaignRow | None:
        """paused -> ongoing, or scheduled before its start time; None from any other status."""

    async def campaigns_below(
        self,
        workspace_id: WorkspaceId,
        below: CampaignId | None,
        limit: int,
        status: str | None = None,
        name_part: str | None = None,
    ) -> Sequence[CampaignRow]:
        """List campaigns, newest first, older than ``below``; in a status, with a part of their name in any case."""

    async def campaigns(self, workspace_id: WorkspaceId, limit: int, offset: int) -> tuple[Sequence[CampaignRow], int]:
        """One page of list campaigns, newest first, and how many there are in all."""

    async def counts(
        self, workspace_id: WorkspaceId, campaign_ids: Sequence[CampaignId]
    ) -> Mapping[CampaignId, CampaignCounts]:
        """Calls of each of these by effective status, at a cost that does not grow with them. Only in a snapshot."""

    async def fold_tallies(self, count_max: int) -> int:
        """Add up to ``count_max`` small rows of what has happened to the sums that ``counts`` reads; how many."""

    async def running_campaigns(self, workspace_id: WorkspaceId, limit: int) -> Sequence[CampaignRow]:
        """List campaigns that are started and not done, newest first."""

    async def delete_list(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> bool:
        """Take a draft, or what has ended, out of the lists; False for anything else."""

    async def has_ongoing_calls(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> bool: ...
    async def calling_numbers_in_contacts(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, numbers: Sequence[str]
    ) -> Sequence[tuple[str, int]]:
        """Which of these numbers are called by the campaign, with the line of the upload."""

    async def register_terminated(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, epoch: int, start_at: datetime
    ) -> int:
        """Register a new call, due at ``start_at``, for each contact whose last call an order cancelled.

        Suppressed numbers and those that are being erased are left out, and contacts of whom a later call may have
        been dropped.
        """

    async def restart(
        self,
        workspace_id: WorkspaceId,
        campaign_id: CampaignId,
        epoch: int,
        trunk_id: TrunkId,
        calling_numbers: Sequence[str],
        new_count: int,
        now: datetime | None,
        number_pool_id: NumberPoolId | None = None,
    ) -> CampaignRow | None:
        """Let a terminated campaign be dialled again; None when it is not terminated at this epoch any more."""

    async def individual_campaign(
        self,
        workspace_id: WorkspaceId,
        agent_id: AgentId,
        trunk_id: TrunkId,
        number_pool_id: NumberPoolId | None = None,
    ) -> tuple[CampaignId, int]:
        """The hidden campaign of individual calls of this agent on this trunk (made on demand) and its epoch.

        Call it only under the shared lock of the agent, so that a termination never splits epoch and insert.
        """

    async def open_due(self, now: datetime | None) -> Sequence[CampaignId]:
        """scheduled -> ongoing for each campaign whose start has come."""

    async def finish_done(self) -> Sequence[CampaignId]:
        """ongoing -> completed for each list campaign with no call pending or on the wire."""

    async def past_end(self, now: datetime | None) -> Sequence[tuple[WorkspaceId, CampaignId]]:
        """Started campaigns whose end time has passed and that still have pending calls."""


class ListStore(Protocol):
    """Lists that are verified after their upload was answered."""

    async def add_upload(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, country_code: str, file_bytes: int
    ) -> None:
        """Of a campaign that this transaction has added. To orders, its calls are registered from here on."""

    async def add_chunk(self, workspace_id: WorkspaceId, campaign_id: CampaignId, chunk_no: int, chunk: bytes) -> None:
        """The file's bytes, in chunks numbered from 0."""

    async def chunk(self, workspace_id: WorkspaceId, campaign_id: CampaignId, chunk_no: int) -> bytes | None: ...
    async def drop_chunks(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> None: ...
    async def upload(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> UploadRow | None: ...
    async def is_verifying(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> bool:
        """Whether calls of the campaign are still to be registered, whatever orders have come since."""

    async def claim(self, owner_id: OwnerId, lease_s: float) -> ClaimedUpload | None:
        """The list that has waited longest for somebody to verify it; None when all are in good hands."""

    async def renew(self, claimed: ClaimedUpload, owner_id: OwnerId, progress: Progress, lease_s: float) -> bool:
        """Keep the lease and say how far it is; False when the list is not this owner's any more."""

    async def put_off(self, claimed: ClaimedUpload, owner_id: OwnerId, pause_s: float) -> int | None:
        """Leave it to whoever comes after a pause that grows; how often it was left, None when it is another's."""

    async def allow_long_statements(self) -> None:
        """For the rest of the transaction."""

    async def register_slice(self, claimed: ClaimedUpload, after: int, count_max: int) -> tuple[int, int]:
        """Register a call for each of the next contacts above the id ``after``; how many, and the last id."""

    async def publish_started(self, claimed: ClaimedUpload) -> None:
        """Tell who asked for it of each call that was registered. Before ``finish``."""

    async def analyze(self, registered_count: int) -> None:
        """Let the planner know of that many new rows, if it matters."""

    async def finish(self, claimed: ClaimedUpload, owner_id: OwnerId, verified: VerifiedUpload) -> bool:
        """End the verification, under the agent's shared lock; False when the list is not this owner's any more."""
