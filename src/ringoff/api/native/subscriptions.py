"""``/api/v1/subscriptions``: of which events somebody wants to hear; no others are written to the outbox."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import AgentId
from ringoff.domain.workspace import Principal
from ringoff.operations import subscriptions

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "subscriptions")


class SubscriptionRequest(msgspec.Struct, forbid_unknown_fields=True):
    event_types: list[EventType]
    """An empty list ends the subscription."""
    agent_id: UUID | None = None
    """None for the calls of every agent, and for events that belong to no agent."""


class SubscriptionView(msgspec.Struct):
    agent_id: str | None
    event_type: str
    created_at: Instant


class SubscriptionList(msgspec.Struct):
    subscriptions: list[SubscriptionView]


@ROUTES.add("GET", "/subscriptions")
async def list_subscriptions(services: Services, principal: Principal) -> SubscriptionList:
    """All subscriptions of the workspace."""
    found = await subscriptions.list_subscriptions(services.store, principal)
    return SubscriptionList(
        [
            SubscriptionView(None if s.agent_id is None else str(s.agent_id), s.event_type, instant(s.created_at))
            for s in found
        ]
    )


@ROUTES.add("PUT", "/subscriptions", errors=(404,))
async def subscribe(services: Services, principal: Principal, body: SubscriptionRequest) -> SubscriptionList:
    """Make these the event types of one agent, or of the workspace."""
    agent_id = None if body.agent_id is None else AgentId(body.agent_id)
    await subscriptions.subscribe(services.store, principal, agent_id, body.event_types)
    return await list_subscriptions(services, principal)
