"""A named pool of connections that knows how many are taken and who waits for one."""

from typing import TypeAlias

import asyncpg

from ringoff.domain.readings import PoolUse
from ringoff.store.connection import PoolConnectionProxy

Connections: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Proxy: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

_ACQUIRE_TIMEOUT_S = 10.0


class Pool:
    """Around asyncpg's pool, which does not say how many wait."""

    def __init__(self, name: str, connections: Connections) -> None:
        self._name = name
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

    def use(self) -> PoolUse:
        """Now."""
        return PoolUse(self._name, self._taken, self._size_max, self._waiting, self._wait_count)

    async def close(self) -> None:
        """Waits for those who hold a connection."""
        await self._connections.close()

    def terminate(self) -> None:
        self._connections.terminate()
