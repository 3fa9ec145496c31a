"""``/api/v1/webhooks``: where events go, and what to do when a subscriber was away."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import AgentId
from ringoff.domain.workspace import Principal
from ringoff.operations import subscriptions

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "webhooks")


class WebhookRequest(msgspec.Struct, forbid_unknown_fields=True):
    event_type: list[EventType]
    callback_url: str
    headers: dict[str, str] = {}
    """Sent with each try and never shown again."""
    method_type: str = "POST"
    agent_id: UUID | None = None
    """None for the events of every agent, and of none."""


class WebhookView(msgspec.Struct):
    subscription_id: str
    signing_secret: str


class WebhookList(msgspec.Struct):
    webhooks: list[WebhookView]


class ResumeRequest(msgspec.Struct, forbid_unknown_fields=True):
    subscription_id: UUID


class RedeliverRequest(msgspec.Struct, forbid_unknown_fields=True):
    subscription_id: UUID
    first_event_id: int
    last_event_id: int


class ResumeView(msgspec.Struct):
    subscription_id: str


class RedeliverView(msgspec.Struct):
    redelivered_count: int


@ROUTES.add("PUT", "/webhooks", errors=(404,))
async def set_webhook(services: Services, principal: Principal, body: WebhookRequest) -> WebhookList:
    """One URL for each event type of one agent, or of the workspace; the newest wins. Answers with signing secrets."""
    entry = subscriptions.WebhookEntry(
        event_types=body.event_type, callback_url=body.callback_url, headers=body.headers, method=body.method_type
    )
    agent_id = None if body.agent_id is None else AgentId(body.agent_id)
    made = await subscriptions.set_webhooks(
        services.store, principal, agent_id, [entry], allow_private=services.limits.webhook_allow_private
    )
    return WebhookList([WebhookView(str(of.subscription_id), secret) for of, secret in made])


@ROUTES.add("POST", "/webhooks/resume", errors=(404,))
async def resume(services: Services, principal: Principal, body: ResumeRequest) -> ResumeView:
    """Let a paused subscription go on where it stopped."""
    await subscriptions.resume_webhook(services.store, principal, body.subscription_id)
    return ResumeView(str(body.subscription_id))


@ROUTES.add("POST", "/webhooks/redeliver")
async def redeliver(services: Services, principal: Principal, body: RedeliverRequest) -> RedeliverView:
    """Send events that are over, delivered or dropped, once more, from one id to another (both included)."""
    count = await subscriptions.redeliver(
        services.store, principal, body.subscription_id, body.first_event_id, body.last_event_id
    )
    return RedeliverView(count)
