"""Adds up what the statements of the dial path have noted, so that counts and figures are a few rows to read."""

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.ports import Clock, Store

log = structlog.get_logger()

_EVERY_S = 1.0
_BATCH_MAX = 5_000


class TallyFolder:
    """Any number may run: a row that is being folded is skipped by the others. The sums are exact without it, too."""

    def __init__(self, *, store: Store, clock: Clock, limits: DispatchLimits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def run(self) -> None:
        while True:
            try:
                folded_count = await self.fold()
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("folding of counts waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)
                continue
            if folded_count < _BATCH_MAX:
                await self._clock.sleep(_EVERY_S)

    async def fold(self) -> int:
        """One batch of counts of calls, and one of outcomes of attempts; how many rows the larger one took."""
        async with self._store.dispatch_transaction() as tx:
            tally_count = await tx.campaigns.fold_tallies(_BATCH_MAX)
        async with self._store.dispatch_transaction() as tx:
            return max(tally_count, await tx.figures.fold_steps(_BATCH_MAX))
