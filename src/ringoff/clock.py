"""The one place that reads the machine's clocks."""

import asyncio
import time
from datetime import UTC, datetime

# Linux's CLOCK_MONOTONIC stands still while a machine is suspended, and a permit must not outlive a suspend.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """Wall time in UTC, steady seconds that also pass while the machine sleeps, CLOCK_MONOTONIC, and real sleep."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(_STEADY)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
