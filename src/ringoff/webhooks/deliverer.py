"""Delivers events at least once, in order within a call; a slow subscriber fills only its own slots."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.webhook_records import OpenSubscription
from ringoff.observer_port import NOBODY, Observer
from ringoff.ports import Clock, Gate, Store, open_gate
from ringoff.webhooks.lane import Lane, WebhookLimits
from ringoff.webhooks.sender import Sender

log = structlog.get_logger()


class Deliverer:
    """Any number may run: a claimed delivery is skipped by the others until its lease has run out."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sender: Sender,
        limits: WebhookLimits,
        gate: Gate = open_gate,
        observer: Observer = NOBODY,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._limits = limits
        self._gate = gate
        self._observer = observer
        self._lanes: dict[UUID, Lane] = {}
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """No new tries; those on their way have ``drain_s`` to end, and the rest is given back. May be repeated."""
        self._stop.set()
        for lane in self._lanes.values():
            lane.stop()

    async def run(self) -> None:
        """Returns after ``stop``. When it is cancelled, what was on its way waits for the end of its lease."""
        async with asyncio.TaskGroup() as tasks:
            while not self._stop.is_set():
                try:
                    for subscription in await self._open():
                        if subscription.subscription_id not in self._lanes:
                            tasks.create_task(self.drain(subscription))
                    for lane in self._lanes.values():
                        lane.look_again()
                except (DatabaseUnavailable, SerializationConflict) as error:
                    log.warning("delivering waits for the database", reason=error.message)
                await self._rest()

    async def drain(self, subscription: OpenSubscription) -> int:
        """Everything that is due for one subscriber; how many tries that took."""
        lane = Lane(
            subscription,
            store=self._store,
            clock=self._clock,
            sender=self._sender,
            limits=self._limits,
            gate=self._gate,
            observer=self._observer,
        )
        self._lanes[subscription.subscription_id] = lane
        if self._stop.is_set():
            lane.stop()
        try:
            return await lane.run()
        except Exception:
            log.exception("a subscription's deliveries failed", subscription=str(subscription.subscription_id))
            return 0
        finally:
            del self._lanes[subscription.subscription_id]

    async def _rest(self) -> None:
        pause = asyncio.ensure_future(self._clock.sleep(self._limits.poll_s))
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((pause, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            stop.cancel()

    async def _open(self) -> Sequence[OpenSubscription]:
        async with self._store.transaction() as tx:
            return await tx.webhooks.open()
