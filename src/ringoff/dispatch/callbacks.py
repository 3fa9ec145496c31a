"""Hands over what carriers posted to our HTTP server: from the store to the driver of the process that dialled."""

import asyncio

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.carrier import CarrierCallback
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.identifiers import OwnerId
from ringoff.driver_port import CallDriver
from ringoff.ports import Clock, Store

log = structlog.get_logger()


class CallbackTaker:
    """``run`` may be cancelled at any time: a report that is lost then is one that the driver asks its carrier for."""

    def __init__(
        self, *, store: Store, driver: CallDriver, clock: Clock, limits: DispatchLimits, owner_id: OwnerId
    ) -> None:
        self.callbacks_waiting = asyncio.Event()
        self._store = store
        self._driver = driver
        self._clock = clock
        self._limits = limits
        self._owner_id = owner_id

    async def run(self) -> None:
        """Soon after a notification, and at each look in any case."""
        while True:
            try:
                taken = await self.take()
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("reports of carriers wait for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)
                continue
            if taken == self._limits.events_batch_max:
                continue
            try:
                async with asyncio.timeout(self._limits.poll_s):
                    await self.callbacks_waiting.wait()
            except TimeoutError:
                pass
            self.callbacks_waiting.clear()

    async def take(self) -> int:
        """One batch, handed over in the order in which it was received; how many."""
        async with self._store.dispatch_transaction() as tx:
            callbacks = await tx.callbacks.callbacks_of(self._owner_id, self._limits.events_batch_max)
        for callback in callbacks:
            await self._hand_over(callback)
        return len(callbacks)

    async def _hand_over(self, callback: CarrierCallback) -> None:
        """One that the driver cannot take must cost no other attempt its report, and none may hold up the rest."""
        try:
            async with asyncio.timeout(self._limits.originate_timeout_ms / 1_000):
                await self._driver.take_callback(callback)
        except TimeoutError:
            log.error("a driver did not take a report in time", attempt_id=str(callback.attempt_id))
        except Exception:
            log.exception("a report could not be taken", attempt_id=str(callback.attempt_id))
