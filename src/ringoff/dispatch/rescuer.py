"""Applies the crash rules to attempts whose lease ran out: unknown fate, never dialled again by itself."""

import asyncio
from collections.abc import Container, Sequence
from datetime import datetime

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.attempt_records import ExpiredAttempt
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.identifiers import AttemptId
from ringoff.driver_port import CallDriver
from ringoff.observer_port import NOBODY, Observer
from ringoff.ports import Clock, Gate, Store

log = structlog.get_logger()


class Rescuer:
    """Any number may run; each looks again under the locks before it decides."""

    def __init__(
        self,
        *,
        store: Store,
        driver: CallDriver,
        clock: Clock,
        limits: DispatchLimits,
        gate: Gate,
        ours: Container[AttemptId] = (),
        observer: Observer = NOBODY,
    ) -> None:
        self._store = store
        self._driver = driver
        self._clock = clock
        self._limits = limits
        self._gate = gate
        self._observer = observer
        self._ours = ours
        """Held by this process: after an outage of the database their leases ran out, but their fate is known."""
        self._suspects: dict[AttemptId, tuple[datetime, float]] = {}
        """Of the last look: the lease that had run out, and since when that has been seen."""

    async def run(self) -> None:
        # Began perhaps in the middle of an outage, which it has not seen: the living may come back later than we.
        young_until = self._clock.monotonic() + self._limits.lease_s
        while True:
            patience_s = self._limits.rescue_patience_s
            if self._clock.monotonic() < young_until:
                patience_s += self._limits.lease_s / 3
            try:
                found = await self.rescue(patience_s)
            except SerializationConflict:
                continue
            except DatabaseUnavailable as error:
                # While it was away nobody could renew a lease: the living get one lease's time to do so.
                log.warning("rescuing waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.lease_s)
                continue
            if found < self._limits.rescue_batch_max:
                await self._clock.sleep(min(self._limits.lease_s / 5, self._limits.rescue_patience_s))

    async def rescue(self, patience_s: float = 0.0) -> int:
        """One batch, of what has been expired and not renewed for so long; how many attempts it was."""
        async with self._store.dispatch_transaction() as tx:
            found = await tx.dispatch.expired(self._limits.suspects_max)
            expired = self._unmoved([attempt for attempt in found if attempt.attempt_id not in self._ours], patience_s)
            if not expired:
                return 0
            await self._gate("rescue.found")
            # No fence may rise between judging a pending call and commit: the order would be acknowledged, and its call
            # end as an error all the same. Sorted, so that nobody who takes several can cross another.
            for campaign in sorted({(a.workspace_id, a.agent_id, a.campaign_id) for a in expired}):
                await tx.dispatch.lock_for_permit(*campaign)
            reconciled = await tx.dispatch.reconcile(expired)
            await self._gate("rescue.before_commit")
        closed = [attempt for attempt in expired if attempt.attempt_id in reconciled.attempt_ids]
        settled = {call.call_id for call in reconciled.calls}
        self._observer.rescued([attempt for attempt in closed if attempt.call_id in settled])
        if closed:
            # The others live: their processes renewed them meanwhile, and somebody may be talking.
            await self._release_what_is_up(closed)
            log.warning("attempts of unknown fate were closed", attempts=len(closed), calls=len(settled))
        return len(expired)

    def _unmoved(self, suspects: Sequence[ExpiredAttempt], patience_s: float) -> Sequence[ExpiredAttempt]:
        """One batch of those that were seen with the same lease ``patience_s`` ago already."""
        now = self._clock.monotonic()
        before, self._suspects = self._suspects, {}
        for attempt in suspects:
            lease_until, since = before.get(attempt.attempt_id, (attempt.lease_until, now))
            self._suspects[attempt.attempt_id] = (
                attempt.lease_until,
                since if lease_until == attempt.lease_until else now,
            )
        ripe = [attempt for attempt in suspects if now - self._suspects[attempt.attempt_id][1] >= patience_s]
        return ripe[: self._limits.rescue_batch_max]

    async def _release_what_is_up(self, rescued: Sequence[ExpiredAttempt]) -> None:
        """What the carrier says is up although its process is gone: nobody must talk to nobody."""
        wait_s = self._limits.originate_timeout_ms / 1_000
        try:
            async with asyncio.timeout(wait_s):
                await self._driver.adopt(rescued)
                live = await self._driver.live()
        except Exception:
            # Their calls are closed in any case; the next rescue has other attempts.
            log.exception("the carrier could not be asked what is up")
            return
        for attempt_id in [attempt.attempt_id for attempt in rescued if attempt.attempt_id in live]:
            log.warning("a stranded attempt is released", attempt_id=str(attempt_id))
            try:
                async with asyncio.timeout(wait_s):
                    await self._driver.release(attempt_id)
            except Exception:
                # One that raises or hangs must cost no other attempt its release.
                log.exception("a release failed", attempt_id=str(attempt_id))
