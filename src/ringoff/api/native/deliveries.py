"""``GET /api/v1/webhooks/deliveries``: the log of what was sent to whom, and what came back."""

import re
from datetime import time
from typing import Final, Literal
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, PageSize, instant, instant_of, instant_or_none
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import EventType
from ringoff.domain.webhook_records import DeliveryCursor, DeliveryFilter, LoggedDelivery
from ringoff.domain.workspace import Principal
from ringoff.operations import subscriptions

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "webhooks")

_CURSOR: Final = re.compile(r"([0-9]{1,18})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)


class DeliveryListQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: PageSize = 50
    cursor: str | None = None
    subscription_id: UUID | None = None
    event_type: EventType | None = None
    state: Literal["pending", "delivered", "dropped"] | None = None
    call_id: UUID | None = None
    since: str | None = None
    """Events written from then on: ISO 8601, UTC without a zone; a bare date is its first moment."""


class DeliveryView(msgspec.Struct, kw_only=True):
    event_id: str
    event_type: str
    subscription_id: str
    call_id: str | None
    state: str
    """pending, delivered or dropped."""
    tries: int
    status: int | None
    """What the last try was answered with; None without an answer: then ``excerpt`` says why."""
    latency_ms: int | None
    excerpt: str | None
    """The beginning of the last answer."""
    event_at: Instant
    tried_at: Instant | None
    next_try_at: Instant | None
    """Of what is pending; while a try is on its way, when it is given up."""


class DeliveryList(msgspec.Struct):
    deliveries: list[DeliveryView]
    """Newest event first."""
    next_cursor: str | None
    """For ``cursor`` of the next page; None on the last one."""


@ROUTES.add("GET", "/webhooks/deliveries")
async def list_deliveries(services: Services, principal: Principal, query: DeliveryListQuery) -> DeliveryList:
    """Deliveries, newest event first, as far back as events are kept."""
    wanted = delivery_filter(query, query.limit)
    found = await subscriptions.list_deliveries(services.store, principal, wanted)
    shown = found[: query.limit]
    next_cursor = cursor_below(shown[-1]) if len(found) > query.limit else None
    return DeliveryList([delivery_view(each) for each in shown], next_cursor)


def delivery_filter(query: DeliveryListQuery, shown_max: int) -> DeliveryFilter:
    """What a query asks for, and one row more than is shown: it tells whether there is a next page."""
    return DeliveryFilter(
        subscription_id=query.subscription_id,
        event_type=query.event_type,
        state=query.state,
        call_id=query.call_id,
        since=instant_of(query.since, "since", time.min),
        below=_cursor(query.cursor),
        limit=shown_max + 1,
    )


def cursor_below(last: LoggedDelivery) -> str:
    """For ``cursor`` of the page that begins below a row."""
    return f"{last.event_id}.{last.subscription_id}"


def _cursor(text: str | None) -> DeliveryCursor | None:
    if text is None:
        return None
    if (parts := _CURSOR.fullmatch(text)) is None:
        raise InvalidInput("cursor must be the next_cursor of a page of this list", field="cursor")
    return DeliveryCursor(int(parts[1]), UUID(parts[2]))


def delivery_view(of: LoggedDelivery) -> DeliveryView:
    """A delivery as every native route shows it."""
    return DeliveryView(
        event_id=str(of.event_id),
        event_type=of.event_type,
        subscription_id=str(of.subscription_id),
        call_id=None if of.call_id is None else str(of.call_id),
        state=of.state,
        tries=of.tries,
        status=of.status,
        latency_ms=of.latency_ms,
        excerpt=of.excerpt,
        event_at=instant(of.event_at),
        tried_at=instant_or_none(of.tried_at),
        next_try_at=instant_or_none(of.next_try_at),
    )
