"""Keeps the garbage collector's long pauses away from calls: old objects are looked at seldom, best when nothing rings.

Python's collector goes through all old objects whenever they have grown by a quarter, in one step: at 300 calls a
second on a SIP trunk those are 350,000 objects, and each step stopped everything for 300 ms, every few seconds. Calls
leave no cycles behind (a test counts them), so that reference counting frees them; the full look is for what nobody
thought of.
"""

import gc
from collections.abc import Callable
from typing import Final

from ringoff.ports import Clock

LOOK_S: Final = 10.0
IDLE_S: Final = 60.0
"""With nothing on the wire, a full collection is due so long after the last one ..."""
BUSY_S: Final = 900.0
"""... and with calls on the wire only so long after it."""
_NEVER: Final = 1_000_000_000


class Collector:
    """One loop, ``run``; while it runs, nobody else collects old objects. ``is_idle``: whether nothing would notice."""

    def __init__(self, clock: Clock, is_idle: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_idle = is_idle

    async def run(self) -> None:
        before = gc.get_threshold()
        # What was imported lives as long as the process: it need not be looked at again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(before[0], before[1], _NEVER)
        try:
            await self._look_until_cancelled()
        finally:
            gc.set_threshold(*before)

    async def _look_until_cancelled(self) -> None:
        collected_s = self._clock.monotonic()
        while True:
            await self._clock.sleep(LOOK_S)
            age_s = self._clock.monotonic() - collected_s
            if age_s >= BUSY_S or (age_s >= IDLE_S and self._is_idle()):
                gc.collect()
                collected_s = self._clock.monotonic()
