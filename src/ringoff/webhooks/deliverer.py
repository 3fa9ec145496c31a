"""Delivers events at least once, in order within a call; a slow subscriber fills only its own slots."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.webhook_records import Delivery, OpenSubscription, TryOutcome
from ringoff.ports import Clock, Store
from ringoff.webhooks.payloads import AttemptFacts, CallFacts, all_processing_completed, call_completed, call_started
from ringoff.webhooks.sender import Sender, Try
from ringoff.webhooks.signing import key_of, signed_headers

log = structlog.get_logger()

_LEASE_SPARE_S: Final = 30.0
"""A lease outlasts its try by this much: what is left to do is one short transaction."""


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """Each is a setting, with the documented timing as its default."""

    timeout_s: float = 30.0
    backoff_s: tuple[float, ...] = (10.0, 60.0, 120.0)
    """The waits between tries; after the last one an event is dropped, and kept for a redelivery."""
    in_flight_max: int = 50
    """Of one subscription."""
    failures_max: int = 20
    failing_s: float = 300.0
    """So many failures in a row over at least so long pause a subscription."""
    poll_s: float = 0.2


class Deliverer:
    """Any number may run: a claimed delivery is skipped by the others until its lease has run out."""

    def __init__(self, *, store: Store, clock: Clock, sender: Sender, limits: WebhookLimits) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._limits = limits
        self._busy: set[UUID] = set()

    async def run(self) -> None:
        """Until cancelled; what was on its way then is tried again when its lease has run out."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    for subscription in await self._open():
                        if subscription.subscription_id not in self._busy:
                            self._busy.add(subscription.subscription_id)
                            tasks.create_task(self._drain(subscription))
                except (DatabaseUnavailable, SerializationConflict) as error:
                    log.warning("delivering waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.poll_s)

    async def _open(self) -> Sequence[OpenSubscription]:
        async with self._store.transaction() as tx:
            return await tx.webhooks.open()

    async def _drain(self, subscription: OpenSubscription) -> None:
        """Everything that is due for one subscriber."""
        try:
            while await self.deliver(subscription):
                pass
        except (DatabaseUnavailable, SerializationConflict) as error:
            log.warning("a delivery waits for the database", reason=error.message)
        except Exception:
            log.exception("a subscription's deliveries failed", subscription=str(subscription.subscription_id))
        finally:
            self._busy.discard(subscription.subscription_id)

    async def deliver(self, subscription: OpenSubscription) -> int:
        """One batch: claim, send all of it at once, write all outcomes together. Returns how many were tried."""
        async with self._store.transaction() as tx:
            lease_s = self._limits.timeout_s + _LEASE_SPARE_S
            claimed = await tx.webhooks.claim(subscription, self._limits.in_flight_max, lease_s)
        if not claimed:
            return 0
        outcomes = await asyncio.gather(*(self._try(delivery) for delivery in claimed))
        async with self._store.transaction() as tx:
            await tx.webhooks.record(subscription, outcomes)
            failed = [outcome for outcome in outcomes if outcome.state != "delivered"]
            if len(failed) < len(outcomes):
                await tx.webhooks.succeeded(subscription)
            elif await tx.webhooks.failed(
                subscription,
                len(failed),
                self._limits.failures_max,
                self._limits.failing_s,
                f"the endpoint keeps failing, last: {failed[-1].status or ''} {failed[-1].excerpt[:200]}",
            ):
                log.error("a webhook is paused", subscription=str(subscription.subscription_id))
        return len(outcomes)

    async def _try(self, delivery: Delivery) -> TryOutcome:
        body = msgspec.json.encode(body_of(delivery))
        signed = signed_headers(
            key_of(delivery.signing_secret), str(delivery.event_id), int(delivery.tried_at.timestamp()), body
        )
        headers = {"Content-Type": "application/json", **delivery.headers, **signed}
        done = await self._sender.send(delivery.method, delivery.callback_url, headers, body)
        return self._outcome(delivery, done)

    def _outcome(self, delivery: Delivery, done: Try) -> TryOutcome:
        if done.is_delivered:
            state, wait_s = "delivered", 0.0
        elif delivery.tries > len(self._limits.backoff_s):
            state, wait_s = "dropped", 0.0
        else:
            state, wait_s = "pending", self._limits.backoff_s[delivery.tries - 1]
        return TryOutcome(delivery.event_id, delivery.tries, state, done.status, done.latency_ms, done.excerpt, wait_s)


def body_of(delivery: Delivery) -> dict[str, Any]:
    """The payload of one event; an event of no call says what it was written with."""
    event_id = str(delivery.event_id)
    if delivery.call_id is None or delivery.created_at is None:
        return {"event_type": delivery.event_type, "event_id": event_id, **delivery.payload}
    call = CallFacts(
        call_id=str(delivery.call_id),
        agent_id=str(delivery.agent_id),
        workspace_id=str(delivery.workspace_id),
        agent_name=delivery.agent_name or "",
        to_number=delivery.called_number or "",
        from_number=delivery.calling_number,
        custom_args=delivery.custom_args or {},
        bulk_list_id=None if delivery.bulk_list_id is None else str(delivery.bulk_list_id),
        called_at=delivery.last_attempt_at,
        created_at=delivery.created_at,
    )
    if delivery.event_type == "call_started":
        return call_started(event_id, delivery.payload, call, delivery.event_at)
    says = all_processing_completed if delivery.event_type == "all_processing_completed" else call_completed
    return says(event_id, delivery.payload, call, tuple(AttemptFacts(*each) for each in delivery.attempts))
