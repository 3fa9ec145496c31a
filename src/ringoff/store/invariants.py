"""The named rules over the store, run against PostgreSQL."""

from collections.abc import Sequence

from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("invariants")


class PostgresInvariants:
    """Implements ``ports.InvariantStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def names(self) -> Sequence[str]:
        return tuple(_SQL)

    async def broken(self, name: str, count_max: int) -> Sequence[str]:
        return [row["broken_id"] for row in await self._connection.fetch(_SQL[name], count_max)]
