"""The suppression list against PostgreSQL."""

from collections.abc import AsyncIterator, Sequence

from ringoff.domain.errors import Conflict
from ringoff.domain.identifiers import ApiKeyId, TerminationId, WorkspaceId
from ringoff.domain.records import SuppressedNumber
from ringoff.store.campaigns import CONTACT_COLUMNS
from ringoff.store.connection import Connection, asyncpg, row_count
from ringoff.store.sql_loader import load

_SQL = load("suppressions")
_MARK = load("postgres")["mark"]
_STAGE = "suppression_stage"
_ADD_WAIT_MS = "1000"
"""An import of millions holds its numbers for minutes: whoever adds one of them must not keep a connection so long that
other people's orders need."""


class PostgresSuppressions:
    """Implements ``ports.SuppressionStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(
        self,
        workspace_id: WorkspaceId,
        numbers: Sequence[str],
        *,
        reason: str | None,
        api_key_id: ApiKeyId | None,
        termination_id: TerminationId | None = None,
    ) -> int:
        await self._connection.execute(_SQL["limit_lock_wait"], _ADD_WAIT_MS)
        try:
            added = await self._connection.execute(
                _SQL["add"], workspace_id, list(numbers), reason, api_key_id, termination_id
            )
        except asyncpg.LockNotAvailableError:
            raise Conflict(
                "One of the numbers is in a list that is being imported at this moment; nothing was changed",
                field="mobile_numbers",
            ) from None
        await self._connection.execute(_SQL["limit_lock_wait"], "0")
        return row_count(added)

    async def lock(self, workspace_id: WorkspaceId) -> None:
        await self._connection.fetch(_SQL["lock"], workspace_id)
        # Numbers that were there already are acknowledged as well: that, too, has to be on the synchronous standby.
        await self._connection.fetchval(_MARK)

    async def import_contacts(
        self, workspace_id: WorkspaceId, rows: AsyncIterator[bytes], *, reason: str | None, api_key_id: ApiKeyId | None
    ) -> int:
        await self._stage(rows)
        return row_count(await self._connection.execute(_SQL["add_staged"], workspace_id, reason, api_key_id))

    async def count_among(self, workspace_id: WorkspaceId, rows: AsyncIterator[bytes]) -> int:
        await self._stage(rows)
        return int(await self._connection.fetchval(_SQL["count_staged"], workspace_id))

    async def _stage(self, rows: AsyncIterator[bytes]) -> None:
        await self._connection.execute(_SQL["make_stage"])
        await self._connection.execute(_SQL["drop_identity"])
        await self._connection.copy_to_table(_STAGE, source=rows, columns=CONTACT_COLUMNS, format="binary")

    async def page(
        self, workspace_id: WorkspaceId, after: str, lowest: str, highest: str, limit: int
    ) -> Sequence[SuppressedNumber]:
        rows = await self._connection.fetch(_SQL["page"], workspace_id, after, lowest, highest, limit)
        return [SuppressedNumber(**dict(row)) for row in rows]

    async def count(self, workspace_id: WorkspaceId) -> int:
        return int(await self._connection.fetchval(_SQL["count"], workspace_id))

    async def count_up_to(self, workspace_id: WorkspaceId, count_max: int) -> int:
        return int(await self._connection.fetchval(_SQL["count_up_to"], workspace_id, count_max))

    async def remove(self, workspace_id: WorkspaceId, number: str) -> bool:
        return row_count(await self._connection.execute(_SQL["remove"], workspace_id, number)) > 0
