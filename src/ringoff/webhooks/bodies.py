"""One event as its subscriber gets it: the payload by its type, from what is stored and what is looked up."""

from typing import Any

from ringoff.domain.webhook_records import Delivery
from ringoff.webhooks.payloads import (
    AttemptFacts,
    CallFacts,
    all_processing_completed,
    call_completed,
    call_details,
    call_started,
)


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
    attempts = tuple(AttemptFacts(*each) for each in delivery.attempts)
    if delivery.is_callback:
        return call_details(delivery.payload, call, attempts)
    if delivery.event_type == "call_started":
        return call_started(event_id, delivery.payload, call, delivery.event_at)
    says = all_processing_completed if delivery.event_type == "all_processing_completed" else call_completed
    return says(event_id, delivery.payload, call, attempts)
