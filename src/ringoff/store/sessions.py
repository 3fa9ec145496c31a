"""Sessions of the dashboard against PostgreSQL."""

from ringoff.domain.identifiers import SessionId, WorkspaceId
from ringoff.domain.session import Session
from ringoff.domain.workspace import Principal
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("sessions")


class PostgresSessions:
    """Implements ``session_ports.SessionStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, principal: Principal, token_hash: bytes, valid_h: int) -> None:
        await self._connection.execute(_SQL["add"], principal.workspace_id, principal.api_key_id, token_hash, valid_h)

    async def by_token(self, token_hash: bytes) -> Session | None:
        row = await self._connection.fetchrow(_SQL["by_token"], token_hash)
        return None if row is None else Session(**dict(row))

    async def reveal(self, workspace_id: WorkspaceId, session_id: SessionId, *, reveals_numbers: bool) -> None:
        await self._connection.execute(_SQL["reveal"], workspace_id, session_id, reveals_numbers)

    async def remove(self, workspace_id: WorkspaceId, session_id: SessionId) -> None:
        await self._connection.execute(_SQL["remove"], workspace_id, session_id)

    async def remove_ended(self, workspace_id: WorkspaceId) -> None:
        await self._connection.execute(_SQL["remove_ended"], workspace_id)
