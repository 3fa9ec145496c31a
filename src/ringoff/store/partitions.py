"""Partitions of the big tables: what a statement says so that it opens few of them, and their making ahead of time."""

from collections.abc import Iterable, Sequence

from ringoff.domain.errors import SerializationConflict
from ringoff.domain.identifiers import FIRST_ID, CallId
from ringoff.partition_ports import Period
from ringoff.store.connection import Connection, asyncpg
from ringoff.store.sql_loader import load

_SQL = load("partitions")
# The role that dials may be another one than the one that owns the tables: then somebody has to see it in the log.
_NOT_NOW = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.InsufficientPrivilegeError)


def span_of(call_ids: Iterable[CallId]) -> tuple[CallId, CallId]:
    """The lowest and the highest: also a plan that does not know the ids opens only the partitions between them."""
    ids = list(call_ids)
    return (min(ids), max(ids)) if ids else (CallId(FIRST_ID), CallId(FIRST_ID))


class PostgresPartitions:
    """Implements ``partition_ports.PartitionStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def let_go_of_bounds(self) -> None:
        try:
            await self._connection.execute(_SQL["let_go_of_bounds"])
        except _NOT_NOW as error:
            raise SerializationConflict(f"a bound was not let go of: {error}") from error

    async def missing(self, ahead_days: int) -> Sequence[Period]:
        if not await self._connection.fetchval(_SQL["are_there"]):
            return []
        rows = await self._connection.fetch(_SQL["missing"], ahead_days)
        return [Period(row["of_table"], row["from_at"], row["to_at"]) for row in rows]

    async def make(self, period: Period, lock_wait_ms: int) -> bool:
        is_alone = await self._connection.fetchval(_SQL["alone"], str(lock_wait_ms))
        if not is_alone:
            return False
        try:
            made: bool = await self._connection.fetchval(_SQL["make"], period.of_table, period.from_at, period.to_at)
        except _NOT_NOW as error:
            raise SerializationConflict(f"a partition of {period.of_table} was not made: {error}") from error
        return made

    async def advance_ids(self) -> None:
        if await self._connection.fetchval(_SQL["are_there"]):
            await self._connection.execute(_SQL["advance_ids"])
