"""Settles the rows behind the fences, in bounded batches and at leisure: readers already see them as cancelled."""

import math

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.ports import Clock, Gate, Store

log = structlog.get_logger()

_IDLE_S = 0.2
_REST_SHARE = 0.3
"""A batch that nobody slowed down is followed by a rest of this share of its time."""
_REST_SHARE_MAX = 2.0
_FORGET = 1.002
"""The pace of an undisturbed batch is remembered, and forgotten slowly: machines change."""


class Pace:
    """How long to rest after a batch, so that dialling keeps its share of the database, on whatever host it dials.

    The sweeper's own batches tell: one that takes twice the time for a row is in somebody's way, and rests twice as
    long for its time.
    """

    def __init__(self) -> None:
        self._undisturbed_s = math.inf
        """A row's time in the quickest batch."""

    def rest_s(self, took_s: float, row_count: int) -> float:
        """The rest after a batch of this many rows that took so long."""
        row_s = took_s / row_count
        self._undisturbed_s = min(self._undisturbed_s * _FORGET, row_s)
        slowdown = row_s / self._undisturbed_s if self._undisturbed_s else 1.0
        return took_s * min(_REST_SHARE * slowdown, _REST_SHARE_MAX)


class Sweeper:
    """Any number may run: a fence being swept is skipped by the others."""

    def __init__(self, *, store: Store, clock: Clock, limits: DispatchLimits, gate: Gate) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._gate = gate
        self._pace = Pace()

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
                await self._clock.sleep(self._rest_s(self._clock.monotonic() - started, swept))
            else:
                await self._clock.sleep(0.01)

    def _rest_s(self, took_s: float, row_count: int) -> float:
        """A small batch says little about the machine: it is mostly round trips."""
        if row_count < self._limits.sweep_batch_max:
            return took_s * _REST_SHARE
        return self._pace.rest_s(took_s, row_count)

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
