"""Somebody who has signed in to the dashboard: on behalf of an API key, and for as long as the key lives."""

from dataclasses import dataclass

from ringoff.domain.identifiers import ApiKeyId, SessionId, WorkspaceId
from ringoff.domain.workspace import Principal


@dataclass(frozen=True, slots=True)
class Session:
    """What a page needs to know of who looks at it."""

    workspace_id: WorkspaceId
    session_id: SessionId
    api_key_id: ApiKeyId
    reveals_numbers: bool
    """Whether called numbers are shown in full, instead of masked."""
    workspace_name: str
    api_key_name: str

    @property
    def principal(self) -> Principal:
        return Principal(self.workspace_id, self.api_key_id)
