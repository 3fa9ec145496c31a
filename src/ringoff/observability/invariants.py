"""The rules that hold at every commit: tests and ``ringoff doctor`` check all of history, a timer what is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.observability.metrics import Metrics
from ringoff.ports import Clock, Store

log = structlog.get_logger()

_SHOWN_MAX: Final = 10
_OVERLAP_S: Final = 30.0
"""Each look goes this much further back than the last one: what was still uncommitted then is seen now."""


@dataclass(frozen=True, slots=True)
class BrokenInvariant:
    """A rule by its name, and up to ten of the ids that break it."""

    name: str
    broken_ids: Sequence[str]


async def broken_invariants(store: Store) -> Sequence[BrokenInvariant]:
    """Check every rule on everything, on one snapshot; an empty answer is health."""
    async with store.snapshot() as tx:
        names = (*tx.invariants.watched(), *tx.invariants.audits())
        checked = [BrokenInvariant(name, await tx.invariants.broken(name, _SHOWN_MAX)) for name in names]
    return [rule for rule in checked if rule.broken_ids]


class InvariantWatch:
    """Looks at what has changed, every ``every_s`` seconds, and says so in metrics and in the log."""

    def __init__(self, *, store: Store, clock: Clock, metrics: Metrics, every_s: float) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._every_s = every_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._every_s)
            try:
                await self.look()
            except (DatabaseUnavailable, SerializationConflict) as error:
                self._metrics.invariant_failures.inc()
                log.warning("invariants were not checked", reason=error.message)

    async def look(self) -> Sequence[BrokenInvariant]:
        """One look at each rule. A rule that is broken is an error in the log, with ids to look for."""
        since = self._clock.now() - timedelta(seconds=self._every_s + _OVERLAP_S)
        broken = []
        for name in await self._names():
            # A transaction each: one rule that takes too long (the database ends it) costs no other its turn.
            async with self._store.dispatch_transaction() as tx:
                ids = await tx.invariants.broken(name, _SHOWN_MAX, since)
            self._metrics.invariant_broken.labels(rule=name).set(len(ids))
            if ids:
                broken.append(BrokenInvariant(name, ids))
                log.error("an invariant is broken", rule=name, ids=list(ids))
        self._metrics.invariants_checked_at.set(self._clock.now().timestamp())
        async with self._store.dispatch_transaction() as tx:
            backlog = await tx.terminations.backlog()
        self._metrics.settling.set(backlog)
        return broken

    async def _names(self) -> Sequence[str]:
        async with self._store.dispatch_transaction() as tx:
            return tx.invariants.watched()
