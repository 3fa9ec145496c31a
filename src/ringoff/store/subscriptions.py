"""Event subscriptions against PostgreSQL."""

from collections.abc import Sequence

from ringoff.domain.identifiers import AgentId, WorkspaceId
from ringoff.domain.records import Subscription
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("subscriptions")


class PostgresSubscriptions:
    """Implements ``ports.SubscriptionStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def replace(self, workspace_id: WorkspaceId, agent_id: AgentId | None, event_types: Sequence[str]) -> None:
        await self._connection.execute(_SQL["replace"], workspace_id, agent_id, list(event_types))

    async def all(self, workspace_id: WorkspaceId) -> Sequence[Subscription]:
        return [Subscription(**dict(row)) for row in await self._connection.fetch(_SQL["all"], workspace_id)]
