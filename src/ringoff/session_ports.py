"""The part of the seam that keeps the dashboard's sessions."""

from typing import Protocol

from ringoff.domain.identifiers import SessionId, WorkspaceId
from ringoff.domain.session import Session
from ringoff.domain.workspace import Principal


class SessionStore(Protocol):
    """Sessions are found by the hash of their token, and are worth nothing without their key."""

    async def add(self, principal: Principal, token_hash: bytes, valid_h: int) -> None: ...
    async def by_token(self, token_hash: bytes) -> Session | None:
        """None when it has ended, or when its key was revoked."""

    async def reveal(self, workspace_id: WorkspaceId, session_id: SessionId, *, reveals_numbers: bool) -> None: ...
    async def remove(self, workspace_id: WorkspaceId, session_id: SessionId) -> None: ...
    async def remove_ended(self, workspace_id: WorkspaceId) -> None: ...
