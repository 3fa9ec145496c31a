"""Pools of calling numbers against PostgreSQL."""

from collections.abc import Sequence

import asyncpg

from ringoff.domain.identifiers import NumberId, NumberPoolId, TrunkId, WorkspaceId
from ringoff.domain.workspace import CallingNumber, NumberPool
from ringoff.store.connection import Connection, row_count
from ringoff.store.sql_loader import load

_SQL = load("number_pools")
_SHOWS = load("coverage")["pool_shows"]


class PostgresNumberPools:
    """Implements ``number_pool_ports.NumberPoolStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, workspace_id: WorkspaceId, name: str, trunk_id: TrunkId) -> NumberPoolId | None:
        number_pool_id: NumberPoolId | None = await self._connection.fetchval(_SQL["add"], workspace_id, name, trunk_id)
        return number_pool_id

    async def pools(self, workspace_id: WorkspaceId) -> Sequence[NumberPool]:
        return [_pool(row) for row in await self._connection.fetch(_SQL["pools"], workspace_id, None)]

    async def pool(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> NumberPool | None:
        row = await self._connection.fetchrow(_SQL["pools"], workspace_id, number_pool_id)
        return None if row is None else _pool(row)

    async def lock(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> TrunkId | None:
        return await self._trunk_id("lock_pool", workspace_id, number_pool_id)

    async def hold(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> TrunkId | None:
        return await self._trunk_id("hold_pool", workspace_id, number_pool_id)

    async def _trunk_id(
        self, statement: str, workspace_id: WorkspaceId, number_pool_id: NumberPoolId
    ) -> TrunkId | None:
        trunk_id: TrunkId | None = await self._connection.fetchval(_SQL[statement], workspace_id, number_pool_id)
        return trunk_id

    async def set_numbers(
        self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId, number_ids: Sequence[NumberId]
    ) -> int:
        ids = list(number_ids)
        await self._connection.execute(_SQL["release_numbers"], workspace_id, number_pool_id, ids)
        return row_count(await self._connection.execute(_SQL["take_numbers"], workspace_id, number_pool_id, ids))

    async def remove(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> None:
        await self._connection.execute(_SQL["release_numbers"], workspace_id, number_pool_id, [])
        await self._connection.execute(_SQL["remove"], workspace_id, number_pool_id)

    async def showing(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> str | None:
        who: str | None = await self._connection.fetchval(_SHOWS, workspace_id, number_pool_id)
        return who

    async def change_pace(
        self, workspace_id: WorkspaceId, number_id: NumberId, cps_max: float | None
    ) -> CallingNumber | None:
        row = await self._connection.fetchrow(_SQL["change_pace"], workspace_id, number_id, cps_max)
        return None if row is None else CallingNumber(**dict(row))

    async def turns(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId, count_max: int) -> Sequence[str]:
        rows = await self._connection.fetch(_SQL["turns"], workspace_id, number_pool_id, count_max)
        return [row["number"] for row in rows]

    async def take_turns(self, workspace_id: WorkspaceId, numbers: Sequence[str]) -> None:
        await self._connection.execute(_SQL["take_turns"], workspace_id, list(numbers))

    async def wait_s(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> float | None:
        seconds: float | None = await self._connection.fetchval(_SQL["wait_s"], workspace_id, number_pool_id)
        return seconds


def _pool(row: asyncpg.Record) -> NumberPool:
    return NumberPool(
        number_pool_id=row["number_pool_id"],
        name=row["name"],
        trunk_id=row["trunk_id"],
        numbers=tuple(row["numbers"]),
        created_at=row["created_at"],
    )
