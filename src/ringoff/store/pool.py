"""A named pool of connections that knows how many are taken and who waits for one."""

import asyncio
from typing import TypeAlias

import asyncpg

from ringoff.domain.readings import PoolUse
from ringoff.store.connection import Connection, PoolConnectionProxy

Connections: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Proxy: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

_ACQUIRE_TIMEOUT_S = 10.0
_SESSIONS_REMEMBERED_MAX = 1_000


class Pool:
    """Around asyncpg's pool, which does not say how many wait."""

    def __init__(self, name: str, connections: Connections, plans_kept_s: float | None = None) -> None:
        self._name = name
        self._plans_kept_s = plans_kept_s
        self._planned_at: dict[int, float] = {}
        """By the session's process: when it last began to plan anew."""
        self._connections = connections
        self._size_max = connections.get_max_size()
        self._taken = 0
        self._waiting = 0
        self._wait_count = 0

    async def acquire(self) -> Proxy:
        """Raises ``TimeoutError`` when none is free for 10 s, and whatever connecting raises."""
        if self._taken >= self._size_max:
            self._wait_count += 1
        self._waiting += 1
        try:
            connection: Proxy = await self._connections.acquire(timeout=_ACQUIRE_TIMEOUT_S)
        finally:
            self._waiting -= 1
        self._taken += 1
        return connection

    async def release(self, connection: Proxy) -> None:
        self._taken -= 1
        await self._connections.release(connection)

    async def plan_anew(self, connection: Connection) -> None:
        """Let the session forget its kept plans when they are old.

        A plan that was kept while a table, or a new partition of one, was empty may read whole indexes once it has
        grown, until somebody analyses the table; planned again it sees how big the table is. Outside a transaction.
        """
        if self._plans_kept_s is None:
            return
        session, now = connection.get_server_pid(), asyncio.get_running_loop().time()
        planned_at = self._planned_at.get(session)
        if planned_at is not None and now - planned_at < self._plans_kept_s:
            return
        if planned_at is not None:
            await connection.execute("DISCARD PLANS")
        elif len(self._planned_at) >= _SESSIONS_REMEMBERED_MAX:
            self._planned_at.clear()
        self._planned_at[session] = now

    def use(self) -> PoolUse:
        """Now."""
        return PoolUse(self._name, self._taken, self._size_max, self._waiting, self._wait_count)

    async def close(self) -> None:
        """Waits for those who hold a connection."""
        await self._connections.close()

    def terminate(self) -> None:
        self._connections.terminate()
