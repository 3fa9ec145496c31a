"""The named rules over the store, run against PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from ringoff.store.connection import Connection
from ringoff.store.kept import kept_from
from ringoff.store.sql_loader import load

_WATCHED = load("invariants")
_AUDITS = load("audits")
_SQL = {**_WATCHED, **_AUDITS}


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
        more = (await kept_from(self._connection),) if "$3" in statement else ()
        return [row["broken_id"] for row in await self._connection.fetch(statement, count_max, since, *more)]
