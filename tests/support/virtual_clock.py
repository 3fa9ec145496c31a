"""A clock that moves only when a test says so."""

import asyncio
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

_LOOP_TURNS = 20
"""Turns of the event loop that let woken tasks run before the clock moves on."""


class VirtualClock:
    """Implements ``ports.Clock``. Sleepers wake in order of their time, each seeing exactly that time."""

    def __init__(self, start_at: datetime = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)) -> None:
        self._start_at = start_at
        self._elapsed_ns = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sleep_count = 0

    def now(self) -> datetime:
        return self._start_at + timedelta(microseconds=self._elapsed_ns // 1000)

    def monotonic(self) -> float:
        return self._elapsed_ns / 1e9

    def monotonic_ns(self) -> int:
        return self._elapsed_ns

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._sleep_count += 1
        woken = asyncio.get_running_loop().create_future()
        # Rounded up: who sleeps until a time must not wake just before it.
        heappush(self._sleepers, (self._elapsed_ns + int(seconds * 1e9) + 1, self._sleep_count, woken))
        await woken

    def skip(self, seconds: float) -> None:
        """Move the time without letting anybody run."""
        self._elapsed_ns += round(seconds * 1e9)

    async def advance(self, seconds: float) -> None:
        """Move the time, waking each sleeper at its own instant and letting it run."""
        target_ns = self._elapsed_ns + round(seconds * 1e9)
        await self._let_others_run()
        while self._sleepers and self._sleepers[0][0] <= target_ns:
            due_ns, _, woken = heappop(self._sleepers)
            self._elapsed_ns = max(self._elapsed_ns, due_ns)
            if not woken.done():
                woken.set_result(None)
                await self._let_others_run()
        self._elapsed_ns = max(self._elapsed_ns, target_ns)
        await self._let_others_run()

    async def _let_others_run(self) -> None:
        for _ in range(_LOOP_TURNS):
            await asyncio.sleep(0)
