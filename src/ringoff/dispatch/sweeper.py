"""Settles the rows behind the fences, in bounded batches and at leisure: readers already see them as cancelled."""

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.ports import Clock, Gate, Store

log = structlog.get_logger()

_IDLE_S = 0.2
_REST_SHARE = 0.5
"""A batch is followed by a rest of this share of its time, so that dialling keeps its share of the database."""


class Sweeper:
    """Any number may run: a fence being swept is skipped by the others."""

    def __init__(self, *, store: Store, clock: Clock, limits: DispatchLimits, gate: Gate) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._gate = gate

    async def run(self) -> None:
        while True:
            started = self._clock.monotonic()
            try:
                swept = await self.sweep()
            except SerializationConflict:
                continue
            except DatabaseUnavailable as error:
                log.warning("sweeping waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)
                continue
            if swept is None:
                await self._clock.sleep(_IDLE_S)
            elif swept:
                await self._clock.sleep((self._clock.monotonic() - started) * _REST_SHARE)
            else:
                await self._clock.sleep(0.01)

    async def sweep(self) -> int | None:
        """One batch behind one fence: how many calls it settled, or None when no fence is unsettled."""
        async with self._store.dispatch_transaction() as tx:
            fence = await tx.terminations.next_unsettled()
            if fence is None:
                return None
            await self._gate("sweep.found")
            counts = await tx.terminations.sweep(fence, self._limits.sweep_batch_max)
            if counts.cancelled_count < self._limits.sweep_batch_max and await tx.terminations.close_fence(fence):
                log.info("fence settled", termination_id=str(fence.termination_id))
            await self._gate("sweep.before_commit")
            return counts.cancelled_count
