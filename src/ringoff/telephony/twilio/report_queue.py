"""What a driver has to tell, in order, until it is fetched."""

import asyncio
from collections import deque
from collections.abc import Sequence

from ringoff.domain.carrier import TrunkReport
from ringoff.domain.events import CarrierEvent


class ReportQueue:
    """Bounded by the channels: at most four events a call, and one report a change of a trunk's state."""

    def __init__(self) -> None:
        self._reports: deque[CarrierEvent | TrunkReport] = deque()
        self._woken = asyncio.Event()
        self._is_closed = False

    def put(self, *reports: CarrierEvent | TrunkReport) -> None:
        self._reports.extend(reports)
        self._woken.set()

    def open(self) -> None:
        self._is_closed = False

    def close(self) -> None:
        """Whoever waits gets an empty sequence, now and later."""
        self._is_closed = True
        self._reports.clear()
        self._woken.set()

    async def take(self, count_max: int) -> Sequence[CarrierEvent | TrunkReport]:
        """Wait for at least one."""
        while not self._is_closed:
            if self._reports:
                return [self._reports.popleft() for _ in range(min(count_max, len(self._reports)))]
            self._woken.clear()
            await self._woken.wait()
        return []
