"""Settles the rows behind the fences, in bounded batches and at leisure: readers already see them as cancelled."""

from typing import NamedTuple

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.observer_port import NOBODY, Observer
from ringoff.ports import Clock, Gate, Store

log = structlog.get_logger()

_IDLE_S = 0.2
_REST_SHARE = 0.3
"""A batch that nobody slowed down is followed by a rest of this share of its time."""
_REST_SHARE_OF_DELAY = 4.0
_REST_SHARE_MAX = 3.0
"""However slow the machine is, a quarter of the sweeper's time is work."""
_FORGET = 1.0002
"""The time of an undisturbed batch is remembered, and forgotten slowly: machines change, and a long order must not take
its own crowd for the machine's nature."""


class BatchKind(NamedTuple):
    """What decides the work of a row: how it was found, and whether an event is written for it."""

    is_by_number: bool
    has_events: bool


class Swept(NamedTuple):
    """One batch that was settled."""

    row_count: int
    kind: BatchKind
    is_dialling: bool
    """Somebody is on the wire, anywhere."""
    is_early: bool = False
    """It was looked at a moment ago, as all others were, and nothing was found behind any of them."""


class Pace:
    """How long to rest after a batch, so that dialling keeps its share of the database, on whatever host it dials.

    While somebody is on the wire, the sweeper's own batches tell: one that takes longer for a row than the quickest of
    its kind met somebody, who was slowed down as well; it rests four times what it was delayed.
    """

    def __init__(self) -> None:
        self._undisturbed_s: dict[BatchKind, float] = {}
        """A row's time in the quickest batch of each kind."""

    def rest_s(self, took_s: float, swept: Swept) -> float:
        """The rest after a batch that took so long."""
        row_s, kind = took_s / swept.row_count, swept.kind
        quickest_s = min(self._undisturbed_s.get(kind, row_s) * _FORGET, row_s)
        self._undisturbed_s[kind] = quickest_s
        if not swept.is_dialling:
            return took_s * _REST_SHARE
        delay = row_s / quickest_s - 1.0 if quickest_s else 0.0
        return took_s * min(_REST_SHARE + _REST_SHARE_OF_DELAY * delay, _REST_SHARE_MAX)


class Sweeper:
    """Any number may run: a fence being swept is skipped by the others."""

    def __init__(
        self, *, store: Store, clock: Clock, limits: DispatchLimits, gate: Gate, observer: Observer = NOBODY
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._gate = gate
        self._observer = observer
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
            elif swept.row_count:
                await self._clock.sleep(self._rest_s(self._clock.monotonic() - started, swept))
            else:
                # For minutes there may be nothing: the rows of a list that is verified are still to come.
                await self._clock.sleep(_IDLE_S if swept.is_early else 0.01)

    def _rest_s(self, took_s: float, swept: Swept) -> float:
        """A small batch says little about the machine: it is mostly round trips."""
        if swept.row_count < self._limits.sweep_batch_max:
            return took_s * _REST_SHARE
        return self._pace.rest_s(took_s, swept)

    async def sweep(self) -> Swept | None:
        """One batch behind one fence: how many calls it settled, or None when no fence is unsettled."""
        async with self._store.dispatch_transaction() as tx:
            fence = await tx.terminations.next_unsettled()
            if fence is None:
                return None
            await self._gate("sweep.found")
            counts = await tx.terminations.sweep(fence, self._limits.sweep_batch_max)
            may_be_last = counts.cancelled_count < self._limits.sweep_batch_max
            if may_be_last and await tx.terminations.close_fence(fence):
                log.info("fence settled", termination_id=str(fence.termination_id))
            await self._gate("sweep.before_commit")
            kind = BatchKind(fence.campaign_id is None, counts.event_count > 0)
        self._observer.swept(counts.cancelled_count)
        return Swept(counts.cancelled_count, kind, counts.is_dialling, fence.is_early)
