"""Applies the crash rules to attempts whose lease ran out: unknown fate, never dialled again by itself."""

import asyncio
from collections.abc import Container, Sequence

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

    async def run(self) -> None:
        while True:
            try:
                found = await self.rescue()
            except SerializationConflict:
                continue
            except DatabaseUnavailable as error:
                # While it was away nobody could renew a lease: the living get one lease's time to do so.
                log.warning("rescuing waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.lease_s)
                continue
            if found < self._limits.rescue_batch_max:
                await self._clock.sleep(self._limits.lease_s / 5)

    async def rescue(self) -> int:
        """One batch; how many expired attempts were found."""
        async with self._store.dispatch_transaction() as tx:
            expired = [
                attempt
                for attempt in await tx.dispatch.expired(self._limits.rescue_batch_max)
                if attempt.attempt_id not in self._ours
            ]
            if not expired:
                return 0
            await self._gate("rescue.found")
            # No fence may rise between judging a pending call and commit: the order would be acknowledged, and its call
            # end as an error all the same. Sorted, so that nobody who takes several can cross another.
            for campaign in sorted({(a.workspace_id, a.agent_id, a.campaign_id) for a in expired}):
                await tx.dispatch.lock_for_permit(*campaign)
            settled = await tx.dispatch.reconcile(expired)
            await self._gate("rescue.before_commit")
        closed = {call.call_id for call in settled}
        self._observer.rescued([attempt for attempt in expired if attempt.call_id in closed])
        await self._release_what_is_up(expired)
        log.warning("attempts of unknown fate were closed", attempts=len(expired), calls=len(settled))
        return len(expired)

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
