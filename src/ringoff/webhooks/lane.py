"""The slots of one subscription: each is free again as soon as its own answer is there."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.webhook_records import Delivery, OpenSubscription, TryOutcome
from ringoff.observer_port import NOBODY, DeliveryNotes, Observer
from ringoff.order_ports import WebhookStore
from ringoff.ports import Clock, Gate, Store, open_gate
from ringoff.webhooks.bodies import body_of
from ringoff.webhooks.sender import Sender, Try
from ringoff.webhooks.signing import key_of, signed_headers

log = structlog.get_logger()

_LEASE_SPARE_S: Final = 30.0
"""A lease outlasts its try by this much: what is left to do is one short transaction."""
_GROUP_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """Each is a setting, with the documented timing as its default."""

    timeout_s: float = 30.0
    backoff_s: tuple[float, ...] = (10.0, 60.0, 120.0)
    """The waits between tries; after the last one an event is dropped, and kept for a redelivery."""
    callback_backoff_s: tuple[float, ...] = (60.0, 300.0, 900.0)
    """The same for callbacks of requests."""
    in_flight_max: int = 50
    """Of one subscription, in one process."""
    failures_max: int = 20
    failing_s: float = 300.0
    """So many failures in a row over at least so long pause a subscription."""
    poll_s: float = 0.2
    drain_s: float = 5.0
    """How long a stop waits for answers that are on their way."""


class Lane:
    """Claims as slots become free; outcomes are written together with the next claim, as many as are there by then."""

    def __init__(
        self,
        of: OpenSubscription,
        *,
        store: Store,
        clock: Clock,
        sender: Sender,
        limits: WebhookLimits,
        gate: Gate = open_gate,
        observer: Observer = NOBODY,
    ) -> None:
        self._of = of
        self._store = store
        self._clock = clock
        self._sender = sender
        self._limits = limits
        self._gate = gate
        self._observer = observer
        self._taken_count = 0
        """Slots whose try is on its way, or has an outcome that is not written yet."""
        self._ended: list[TryOutcome] = []
        self._wake = asyncio.Event()
        self._on_their_way: dict[asyncio.Task[None], Delivery] = {}
        self._drain_until: float | None = None
        """A monotonic instant: set when this lane stops."""

    def stop(self) -> None:
        """No new claims; ``run`` returns when what is on its way has ended, or has been given back."""
        if self._drain_until is None:
            self._drain_until = self._clock.monotonic() + self._limits.drain_s
        self._wake.set()

    def look_again(self) -> None:
        """Something has become due, or the database may answer again."""
        self._wake.set()

    async def run(self) -> int:
        """Until nothing is due and nothing is on its way, or until ``stop``; how many tries that took."""
        tried_count = 0
        async with asyncio.TaskGroup() as tries:
            while True:
                self._wake.clear()
                claimed = await self._turn()
                tried_count += len(claimed)
                for delivery in claimed:
                    task = tries.create_task(self._try(delivery))
                    self._on_their_way[task] = delivery
                    task.add_done_callback(self._on_their_way.pop)
                if not self._taken_count:
                    return tried_count
                if not await self._woken():
                    await self._give_back()
                    return tried_count
                if self._ended:
                    # The answers right behind this one are written with it: a commit for each would be the whole cost.
                    await self._clock.sleep(_GROUP_S)

    async def _woken(self) -> bool:
        """False when this lane stops and its time is over."""
        if self._drain_until is None:
            await self._wake.wait()
            return True
        try:
            async with asyncio.timeout(self._drain_until - self._clock.monotonic()):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _give_back(self) -> None:
        """Whoever goes on need not wait for the leases. A subscriber may be told twice, as after a crash."""
        cut_off = list(self._on_their_way.items())
        for task, _delivery in cut_off:
            task.cancel()
        ended, self._ended = self._ended, []
        try:
            async with self._store.transaction() as tx:
                if ended:
                    await self._write(tx.webhooks, ended)
                await tx.webhooks.give_back(self._of, [delivery for _task, delivery in cut_off])
        except (DatabaseUnavailable, SerializationConflict) as error:
            log.warning("deliveries were left to their leases", reason=error.message, deliveries=len(cut_off))

    async def _turn(self) -> Sequence[Delivery]:
        """One transaction: what has ended is written, what is due is claimed for the free slots."""
        ended, self._ended = self._ended, []
        free_count = self._limits.in_flight_max - self._taken_count + len(ended)
        if self._drain_until is not None:
            free_count = 0
        if not free_count and not ended:
            return []
        await self._gate("deliver.before_claim")
        try:
            async with self._store.transaction() as tx:
                if ended:
                    await self._write(tx.webhooks, ended)
                lease_s = self._limits.timeout_s + _LEASE_SPARE_S
                claimed = await tx.webhooks.claim(self._of, free_count, lease_s) if free_count else []
        except (DatabaseUnavailable, SerializationConflict) as error:
            log.warning("a delivery waits for the database", reason=error.message)
            # Their slots stay taken: that bounds what piles up. Written twice, an outcome changes nothing.
            self._ended = ended + self._ended
            return []
        self._taken_count += len(claimed) - len(ended)
        await self._gate("deliver.claimed")
        return claimed

    async def _write(self, webhooks: WebhookStore, ended: Sequence[TryOutcome]) -> None:
        kept = await webhooks.record(self._of, ended)
        failed = [outcome for outcome in ended if outcome.state != "delivered"]
        if len(failed) < len(ended):
            await webhooks.succeeded(self._of)
        elif await webhooks.failed(
            self._of,
            len(failed),
            self._limits.failures_max,
            self._limits.failing_s,
            # In the words that the log has kept: an alarm stays, and must not know more than it.
            f"the endpoint keeps failing, last: {failed[-1].status or ''} {kept.get(failed[-1].event_id, '')[:200]}",
        ):
            log.error("a webhook is paused", subscription=str(self._of.subscription_id))

    async def _try(self, delivery: Delivery) -> None:
        with self._observer.delivery(DeliveryNotes(delivery.event_type, delivery.is_callback)) as notes:
            try:
                done = await self._send(delivery, notes.headers)
            except Exception as error:
                # An event that cannot be made into a request fails alone; the others of its subscriber go on.
                log.exception("an event could not be sent", event_id=delivery.event_id)
                done = Try(None, 0, f"could not be sent: {type(error).__name__}")
            outcome = self._outcome(delivery, done)
            notes.state, notes.status = outcome.state, outcome.status
        self._ended.append(outcome)
        self._wake.set()

    async def _send(self, delivery: Delivery, of_observer: Mapping[str, str]) -> Try:
        body = msgspec.json.encode(body_of(delivery))
        headers = dict(of_observer) | dict(delivery.headers)
        if "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = "application/json"
        if not delivery.is_callback:  # nobody was given a secret for those
            key, sent_at_s = key_of(delivery.signing_secret), int(delivery.tried_at.timestamp())
            headers |= signed_headers(key, str(delivery.event_id), sent_at_s, body)
        return await self._sender.send(delivery.method, delivery.callback_url, headers, body)

    def _outcome(self, delivery: Delivery, done: Try) -> TryOutcome:
        backoff_s = self._limits.callback_backoff_s if delivery.is_callback else self._limits.backoff_s
        if done.is_delivered:
            state, wait_s = "delivered", 0.0
        elif delivery.tries > len(backoff_s):
            state, wait_s = "dropped", 0.0
        else:
            state, wait_s = "pending", backoff_s[delivery.tries - 1]
        return TryOutcome(delivery.event_id, delivery.tries, state, done.status, done.latency_ms, done.excerpt, wait_s)
