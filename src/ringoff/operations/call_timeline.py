"""One call from its registration to its end: attempts, events, deliveries, and the order that covers it."""

from typing import Final

from ringoff.domain.call_timeline import CallTimeline, entries_of
from ringoff.domain.errors import NotFound
from ringoff.domain.identifiers import CallId
from ringoff.domain.webhook_records import DeliveryFilter
from ringoff.domain.workspace import Principal
from ringoff.ports import Store

EVENTS_MAX: Final = 200
"""Of events, and of deliveries: a call has one of each for each attempt and subscriber."""


async def call_timeline(store: Store, principal: Principal, call_id: CallId) -> CallTimeline:
    """Everything that is known of one call, at one instant; ``NotFound`` when the workspace has no such call."""
    workspace_id = principal.workspace_id
    async with store.snapshot() as tx:
        detail = await tx.calls.call(workspace_id, call_id)
        if detail is None:
            raise NotFound("Call not found", field="call_id")
        attempts = await tx.calls.timeline_attempts(workspace_id, call_id)
        events = await tx.calls.events(workspace_id, call_id, EVENTS_MAX)
        deliveries = await tx.webhooks.deliveries(workspace_id, DeliveryFilter(call_id=call_id, limit=EVENTS_MAX))
        covered_by = await tx.calls.covered_by(workspace_id, call_id)
        receipt = None if covered_by is None else await tx.receipts.receipt(workspace_id, covered_by)
    in_order = deliveries[::-1]
    entries = entries_of(detail.call, attempts, events, in_order, receipt)
    return CallTimeline(detail.call, attempts, events, in_order, receipt, entries)
