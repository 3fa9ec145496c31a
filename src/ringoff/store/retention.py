"""Dropping periods in PostgreSQL. What the functions of the migration do under locks is bounded by what is kept."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ringoff.domain.retention import Period
from ringoff.store.connection import Connection, row_count
from ringoff.store.kept import try_hold_rest
from ringoff.store.sql_loader import load

_SQL = load("retention")
_IN_BATCHES = (_SQL["delete_callbacks"], _SQL["delete_minutes"], _SQL["forget_faults"])


class PostgresRetention:
    """Implements ``retention_ports.RetentionStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def is_ready(self) -> bool:
        return bool(await self._connection.fetchval(_SQL["is_ready"]))

    async def try_lock(self) -> bool:
        # A look at a period of millions of calls takes minutes, beside everybody.
        await self._connection.execute(_SQL["allow_long_statements"])
        return bool(await self._connection.fetchval(_SQL["try_lock"]))

    async def bound(self, keep_days: int) -> datetime:
        at: datetime = await self._connection.fetchval(_SQL["bound"], keep_days)
        return at

    async def periods(self) -> Sequence[Period]:
        return [Period(**dict(row)) for row in await self._connection.fetch(_SQL["periods"])]

    async def find_kept(self, period: Period, bound_at: datetime, kept_max: int) -> Mapping[str, int]:
        await self._connection.execute(
            _SQL["find_kept"], period.of_table, period.name, period.low_key, period.high_key, bound_at, kept_max
        )
        return {row["why"]: row["row_count"] for row in await self._connection.fetch(_SQL["kept"])}

    async def drop(self, period: Period, bound_at: datetime, kept_max: int, lock_wait_ms: int) -> bool:
        is_dropped = await self._connection.fetchval(
            _SQL["drop_period"], period.of_table, period.name, bound_at, kept_max, lock_wait_ms
        )
        return bool(is_dropped)

    async def delete_rest(self, bound_at: datetime, rows_max: int) -> int:
        deleted_count = 0
        if await try_hold_rest(self._connection):
            deleted_count += int(await self._connection.fetchval(_SQL["delete_calls"], bound_at, rows_max))
        for statement in _IN_BATCHES:
            deleted_count += row_count(await self._connection.execute(statement, bound_at, rows_max))
        return deleted_count

    async def delete_contacts(self, bound_at: datetime) -> int:
        return row_count(await self._connection.execute(_SQL["delete_contacts"], bound_at))
