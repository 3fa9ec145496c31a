"""Uploads and exports hold a database connection for as long as they take: one workspace must not hold them all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ringoff.domain.errors import Busy
from ringoff.domain.identifiers import WorkspaceId

HEAVY_MAX = 4
"""Of one workspace in one process, of the ten connections that its requests share. Orders have their own."""
HEAVY_WAIT_S = 10.0
"""As long as any request waits for a connection."""


@dataclass(slots=True)
class _Places:
    free: asyncio.Semaphore
    user_count: int = field(default=0)
    """Who holds a place or waits for one: with nobody it is forgotten."""


class HeavyRequests:
    """Places by workspace, given in the order in which they were asked for."""

    def __init__(self, count_max: int = HEAVY_MAX, wait_s: float = HEAVY_WAIT_S) -> None:
        self._count_max = count_max
        self._wait_s = wait_s
        self._places: dict[WorkspaceId, _Places] = {}

    @property
    def known_count(self) -> int:
        """Workspaces that hold a place or wait for one."""
        return len(self._places)

    @asynccontextmanager
    async def place(self, workspace_id: WorkspaceId) -> AsyncIterator[None]:
        """``Busy`` when none becomes free in time."""
        places = self._places.setdefault(workspace_id, _Places(asyncio.Semaphore(self._count_max)))
        places.user_count += 1
        try:
            await self._take(places)
            try:
                yield
            finally:
                places.free.release()
        finally:
            places.user_count -= 1
            if places.user_count == 0:
                del self._places[workspace_id]

    async def _take(self, places: _Places) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await places.free.acquire()
        except TimeoutError:
            raise Busy(
                f"the workspace has {self._count_max} uploads and exports in hand, as many as it may; try again later"
            ) from None
