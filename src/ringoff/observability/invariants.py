"""The rules that hold at every commit: tests and ``ringoff doctor`` check all of history, a timer what is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.observability.metrics import Metrics
from ringoff.ports import Clock, Store

log = structlog.get_logger()

_SHOWN_MAX: Final = 10
_OVERLAP_S: Final = 30.0
"""Each look goes this much further back than the last one: what was still uncommitted then is seen now."""
_CATCH_UP_MAX_S: Final = 3_600.0
"""After a longer outage the rest is for `ringoff doctor`: a look may not grow until the database ends it each time."""


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
        self._began_at = clock.now() - timedelta(seconds=every_s)
        # By rule: what happened while the database was away is looked at when it answers again.
        self._answered_at: dict[str, datetime] = {}

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
        """One look at each rule. A rule that is broken is an error in the log, with ids to look for.

        A rule that the database did not answer costs no other its turn; the last such error is raised at the end.
        """
        broken = []
        failure: DatabaseUnavailable | SerializationConflict | None = None
        for name in await self._names():
            try:
                ids = await self._broken_ids(name)
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("an invariant was not checked", rule=name, reason=error.message)
                failure = error
                continue
            self._metrics.invariant_broken.labels(rule=name).set(len(ids))
            if ids:
                broken.append(BrokenInvariant(name, ids))
                log.error("an invariant is broken", rule=name, ids=list(ids))
        if failure is not None:
            raise failure
        self._metrics.invariants_checked_at.set(self._clock.now().timestamp())
        return broken

    async def _broken_ids(self, name: str) -> Sequence[str]:
        """In a transaction of its own: it may take so long that the database ends it."""
        now = self._clock.now()
        oldest = now - timedelta(seconds=self._every_s + _CATCH_UP_MAX_S)
        since = max(oldest, self._answered_at.get(name, self._began_at))
        async with self._store.dispatch_transaction() as tx:
            ids = await tx.invariants.broken(name, _SHOWN_MAX, since - timedelta(seconds=_OVERLAP_S))
        self._answered_at[name] = now
        return ids

    async def _names(self) -> Sequence[str]:
        async with self._store.dispatch_transaction() as tx:
            return tx.invariants.watched()
