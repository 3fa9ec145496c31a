"""Where Ringoff's events go, what became of each delivery, and what to do when a subscriber was away."""

from collections.abc import Mapping
from datetime import date, datetime

from ringoff.client.exchange import NATIVE, Page, Repeat, Request, cursored, given, no_answer, within
from ringoff.client.methods import C, Group, Method, Walk
from ringoff.client.native_answers import Delivery, Webhook

Moment = datetime | date | str
Texts = list[str]
Webhooks = list[Webhook]
Deliveries = list[Delivery]


class WebhookMethods(Group[C]):
    """``client.native.webhooks``."""

    @Method
    def set(
        self,
        *,
        event_type: Texts,
        callback_url: str,
        headers: Mapping[str, str] | None = None,
        method_type: str | None = None,
        agent_id: str | None = None,
    ) -> Request[Webhooks]:
        """Send these events there; the answer has the secrets that they are signed with."""
        body = given(
            event_type=event_type,
            callback_url=callback_url,
            headers=headers,
            method_type=method_type,
            agent_id=agent_id,
        )
        # Not again when the answer is lost: each time makes new secrets, and the first ones may be known by then.
        return Request("PUT", f"{NATIVE}/webhooks", within("webhooks", Webhooks), json=body)

    @Method
    def resume(self, subscription_id: str) -> Request[None]:
        """Let a paused subscription go on where it stopped."""
        body = {"subscription_id": subscription_id}
        return Request("POST", f"{NATIVE}/webhooks/resume", no_answer, json=body, repeat=Repeat.FREELY)

    @Method
    def redeliver(self, subscription_id: str, first_event_id: int, last_event_id: int) -> Request[int]:
        """Send events that are over once more, both ids included; how many there are."""
        body = {
            "subscription_id": subscription_id,
            "first_event_id": first_event_id,
            "last_event_id": last_event_id,
        }
        return Request("POST", f"{NATIVE}/webhooks/redeliver", within("redelivered_count", int), json=body)

    @Walk
    def deliveries(
        self,
        *,
        subscription_id: str | None = None,
        event_type: str | None = None,
        state: str | None = None,
        call_id: str | None = None,
        since: Moment | None = None,
        page_size: int = 100,
    ) -> Request[Page[Delivery]]:
        """What was sent to whom and what came back, newest event first, as far back as events are kept.

        ``state`` is ``pending``, ``delivered`` or ``dropped``; ``since`` is when the event was written.
        """
        query = {
            "limit": page_size,
            "subscription_id": subscription_id,
            "event_type": event_type,
            "state": state,
            "call_id": call_id,
            "since": since,
        }
        return cursored(f"{NATIVE}/webhooks/deliveries", query, "deliveries", Deliveries)
