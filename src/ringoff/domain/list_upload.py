"""A list whose upload is answered before it is verified: what is kept of it, and how far its verification has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ringoff.domain.identifiers import AgentId, CampaignId, WorkspaceId


class UploadState(StrEnum):
    VERIFYING = "verifying"
    VERIFIED = "verified"
    """Its calls are registered, all of them in one transaction."""
    FAILED = "failed"
    """Nothing of it is registered, and nothing will be."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a verification: first the whole file is read, then its calls are registered."""

    bytes_read: int = 0
    rows_read: int = 0
    invalid_count: int = 0
    registered_count: int = 0


@dataclass(slots=True)
class ProgressBoard:
    """Where the one who verifies writes how far it is, for the one who renews the lease."""

    latest: Progress = Progress()


@dataclass(frozen=True, slots=True)
class ClaimedUpload:
    """A list that this process verifies, for as long as it renews its lease."""

    workspace_id: WorkspaceId
    campaign_id: CampaignId
    agent_id: AgentId
    country_code: str
    variables_map: Mapping[str, str]
    file_bytes: int


@dataclass(frozen=True, slots=True)
class VerifiedUpload:
    """How a verification ended."""

    state: UploadState
    rows_read: int = 0
    invalid_count: int = 0
    registered_count: int = 0
    faults: Sequence[Mapping[str, Any]] = ()
    """The first rows that were skipped: line, column, rule, value."""
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class UploadRow:
    """An upload as its owner sees it."""

    campaign_id: CampaignId
    campaign_name: str
    campaign_status: str
    total_count: int
    state: UploadState
    file_bytes: int
    progress: Progress
    faults: Sequence[Mapping[str, Any]]
    failure: str | None

    @property
    def valid_count(self) -> int:
        return self.progress.rows_read - self.progress.invalid_count

    @property
    def percent(self) -> int:
        """0 to 100. Reading is one half, registering the other; 100 only when it is over."""
        if self.state is not UploadState.VERIFYING:
            return 100
        read = min(self.progress.bytes_read / self.file_bytes, 1.0)
        registered = self.progress.registered_count / self.valid_count if self.valid_count > 0 else 0.0
        return min(int(50 * read + 50 * registered), 99)
