"""``/api/v1/subscriptions``: of which events somebody wants to hear; no others are written to the outbox."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant, instant_or_none
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import AgentId
from ringoff.domain.records import Subscription
from ringoff.domain.workspace import Principal
from ringoff.operations import subscriptions

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "subscriptions")


class SubscriptionRequest(msgspec.Struct, forbid_unknown_fields=True):
    event_types: list[EventType]
    """An empty list ends the subscription."""
    agent_id: UUID | None = None
    """None for the calls of every agent, and for events that belong to no agent."""


class SubscriptionView(msgspec.Struct, kw_only=True):
    subscription_id: str
    agent_id: str | None
    event_type: str
    created_at: Instant
    callback_url: str | None
    """None: its events are written, and sent to nobody."""
    method_type: str
    paused_at: Instant | None
    alarm: str | None
    """Why it is paused."""


class SubscriptionList(msgspec.Struct):
    subscriptions: list[SubscriptionView]


@ROUTES.add("GET", "/subscriptions")
async def list_subscriptions(services: Services, principal: Principal) -> SubscriptionList:
    """All subscriptions of the workspace."""
    found = await subscriptions.list_subscriptions(services.store, principal)
    return SubscriptionList([_shown(each) for each in found])


@ROUTES.add("PUT", "/subscriptions", errors=(404,))
async def subscribe(services: Services, principal: Principal, body: SubscriptionRequest) -> SubscriptionList:
    """Make these the event types of one agent, or of the workspace."""
    agent_id = None if body.agent_id is None else AgentId(body.agent_id)
    await subscriptions.subscribe(services.store, principal, agent_id, body.event_types)
    return await list_subscriptions(services, principal)


def _shown(of: Subscription) -> SubscriptionView:
    """Without its headers and its secret."""
    return SubscriptionView(
        subscription_id=str(of.subscription_id),
        agent_id=None if of.agent_id is None else str(of.agent_id),
        event_type=of.event_type,
        created_at=instant(of.created_at),
        callback_url=of.callback_url,
        method_type=of.method,
        paused_at=instant_or_none(of.paused_at),
        alarm=of.alarm,
    )
