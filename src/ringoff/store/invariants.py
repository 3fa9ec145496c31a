"""The named rules over the store, run against PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_WATCHED = load("invariants")
_AUDITS = load("audits")
_SQL = {**_WATCHED, **_AUDITS}
_KEPT = load("kept")
_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before any call was registered."""


class PostgresInvariants:
    """Implements ``ports.InvariantStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def watched(self) -> Sequence[str]:
        return tuple(_WATCHED)

    def audits(self) -> Sequence[str]:
        return tuple(_AUDITS)

    async def broken(self, name: str, count_max: int, since: datetime | None = None) -> Sequence[str]:
        statement = _SQL[name]
        # Of what was registered or ordered before, some may have been dropped with its period.
        kept_from = (await self._kept_from(),) if "$3" in statement else ()
        return [row["broken_id"] for row in await self._connection.fetch(statement, count_max, since, *kept_from)]

    async def _kept_from(self) -> datetime:
        if not await self._connection.fetchval(_KEPT["has_table"]):
            return _ALWAYS
        kept_from: datetime = await self._connection.fetchval(_KEPT["kept_from"], _ALWAYS)
        return kept_from
