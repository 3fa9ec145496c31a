"""The one place that reads the machine's clocks."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

# Linux's CLOCK_MONOTONIC stands still while a machine is suspended, and a permit must not outlive a suspend.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _machine_time() -> datetime:
    return datetime.now(UTC)


class SystemClock:
    """Wall time in UTC, steady seconds that also pass while the machine sleeps, CLOCK_MONOTONIC, and real sleep."""

    def __init__(self) -> None:
        self._wall: Callable[[], datetime] = _machine_time

    def now(self) -> datetime:
        return self._wall()

    def follow(self, wall: Callable[[], datetime]) -> None:
        """Take the wall time from there: what several hosts write down and compare must be of one clock."""
        self._wall = wall

    def monotonic(self) -> float:
        return time.clock_gettime(_STEADY)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
