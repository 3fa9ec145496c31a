"""Reports of carriers over HTTP against PostgreSQL."""

from collections.abc import Mapping, Sequence

from ringoff.domain.carrier import CarrierCallback, TrunkSpec
from ringoff.domain.identifiers import AttemptId, OwnerId, TrunkId, WorkspaceId
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("callbacks")


class PostgresCallbacks:
    """Implements ``callback_ports.CallbackStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def trunk(self, trunk_id: TrunkId) -> TrunkSpec | None:
        row = await self._connection.fetchrow(_SQL["trunk"], trunk_id)
        return None if row is None else TrunkSpec(**dict(row))

    async def add_callback(
        self,
        workspace_id: WorkspaceId,
        trunk_id: TrunkId,
        attempt_id: AttemptId,
        *,
        sequence_number: int | None,
        fields: Mapping[str, str],
        fingerprint: bytes,
    ) -> bool:
        row = await self._connection.fetchrow(
            _SQL["add"], workspace_id, trunk_id, attempt_id, sequence_number, dict(fields), fingerprint
        )
        return row is not None and bool(row["is_known"])

    async def callbacks_of(self, owner_id: OwnerId, count_max: int) -> Sequence[CarrierCallback]:
        rows = await self._connection.fetch(_SQL["callbacks_of"], owner_id, count_max)
        return [CarrierCallback(**dict(row)) for row in rows]
