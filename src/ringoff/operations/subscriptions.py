"""Who wants to hear of which events; without a subscription, none is written."""

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import AgentId
from ringoff.domain.records import Subscription
from ringoff.domain.webhook_records import DeliveryFilter, LoggedDelivery, OpenSubscription
from ringoff.domain.webhook_url import check_url
from ringoff.domain.workspace import Principal
from ringoff.ports import Store

_HEADERS_MAX: Final = 32
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,4096}")
_OUR_HEADERS: Final = {"host", "content-length", "transfer-encoding", "connection"}
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEntry:
    """Event types that go to one URL, with headers of the subscriber's choice (they may be secrets)."""

    event_types: Sequence[EventType]
    callback_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


async def subscribe(
    store: Store, principal: Principal, agent_id: AgentId | None, event_types: Sequence[EventType]
) -> None:
    """Make these the event types of one agent's calls, or (None) of the workspace; an empty list ends it."""
    if agent_id is not None and EventType.TERMINATION_SETTLED in event_types:
        raise InvalidInput(
            "termination_settled belongs to no agent: subscribe to it without agent_id", field="event_types"
        )
    async with store.transaction() as tx:
        if agent_id is not None and await tx.workspaces.agent(principal.workspace_id, agent_id) is None:
            raise NotFound("Agent not found", field="agent_id")
        await tx.subscriptions.replace(principal.workspace_id, agent_id, sorted(set(event_types)))


async def list_subscriptions(store: Store, principal: Principal) -> Sequence[Subscription]:
    """All subscriptions of the workspace."""
    async with store.transaction() as tx:
        return await tx.subscriptions.all(principal.workspace_id)


async def set_webhooks(
    store: Store,
    principal: Principal,
    agent_id: AgentId | None,
    entries: Sequence[WebhookEntry],
    *,
    allow_private: bool = False,
) -> Sequence[tuple[OpenSubscription, str]]:
    """One URL for each event type of one agent, or (None) of the workspace; the newest wins, others stay as they are.

    Returns each subscription with its signing secret, in the order given. Raises ``InvalidInput`` with the field
    and the entry's position, before anything is changed, and ``NotFound``. An address is judged again whenever
    it is connected to.
    """
    for position, entry in enumerate(entries):
        try:
            _check(entry, agent_id, allow_private=allow_private)
        except InvalidInput as error:
            raise InvalidInput(error.message, field=error.field, position=position) from error
    async with store.transaction() as tx:
        if agent_id is not None and await tx.workspaces.agent(principal.workspace_id, agent_id) is None:
            raise NotFound("Agent not found", field="agent_id")
        return [
            await tx.webhooks.set_webhook(
                principal.workspace_id,
                agent_id,
                event_type,
                callback_url=entry.callback_url,
                headers=entry.headers,
                method=entry.method,
                signing_secret=new_signing_secret(),
            )
            for entry in entries
            for event_type in dict.fromkeys(entry.event_types)
        ]


async def resume_webhook(store: Store, principal: Principal, subscription_id: UUID) -> None:
    """Let a paused subscription go on where it stopped; ``NotFound`` when there is none with a URL."""
    async with store.transaction() as tx:
        if not await tx.webhooks.resume(OpenSubscription(principal.workspace_id, subscription_id), 0.0):
            raise NotFound("Subscription not found", field="subscription_id")


async def redeliver(
    store: Store, principal: Principal, subscription_id: UUID, first_event_id: int, last_event_id: int
) -> int:
    """Send what is over once more, from one event to another, both included; how many."""
    for name, event_id in (("first_event_id", first_event_id), ("last_event_id", last_event_id)):
        if not 0 <= event_id < 2**63:
            raise InvalidInput(f"{name} must be from 0 to 2^63 - 1", field=name)
    async with store.transaction() as tx:
        subscription = OpenSubscription(principal.workspace_id, subscription_id)
        return await tx.webhooks.redeliver(subscription, first_event_id, last_event_id)


async def list_deliveries(store: Store, principal: Principal, wanted: DeliveryFilter) -> Sequence[LoggedDelivery]:
    """A page of the workspace's log, as far back as events are kept."""
    async with store.transaction() as tx:
        return await tx.webhooks.deliveries(principal.workspace_id, wanted)


def new_signing_secret() -> str:
    """A key by the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode("ascii")


def _check(entry: WebhookEntry, agent_id: AgentId | None, *, allow_private: bool) -> None:
    if not entry.event_types:
        raise InvalidInput("event_type must name at least one event", field="event_type")
    if agent_id is not None and EventType.TERMINATION_SETTLED in entry.event_types:
        raise InvalidInput("termination_settled belongs to no agent", field="event_type")
    check_url(entry.callback_url, allow_private=allow_private)
    if entry.method not in ("POST", "PUT", "PATCH"):
        raise InvalidInput("method_type must be POST, PUT or PATCH", field="method_type")
    check_headers(entry.headers, "headers")


def check_headers(headers: Mapping[str, str], field: str) -> None:
    """Names and values that a subscriber may ask for; raises ``InvalidInput`` without repeating a value."""
    if len(headers) > _HEADERS_MAX:
        raise InvalidInput(f"{field} must be at most {_HEADERS_MAX}", field=field)
    for position, (name, value) in enumerate(headers.items()):
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OUR_HEADERS or name.lower().startswith("webhook-"):
            raise InvalidInput(f"{field}[{position}]: this name cannot be set", field=field)
        if not _HEADER_VALUE.fullmatch(value):
            raise InvalidInput(f"{field}[{position}]: a value must be printable ASCII", field=field)
