"""Webhooks: who is told of what, and the log of what was sent, with the buttons that go on and send again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from starlette.responses import Response

from ringoff.api.bodies import convert, require_storable
from ringoff.api.errors import located
from ringoff.api.native.deliveries import DeliveryListQuery, cursor_below, delivery_filter
from ringoff.api.native.webhooks import RedeliverRequest
from ringoff.dashboard.places import query, uuid_or_none
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import Fields, Visit, own_path
from ringoff.domain.errors import NotFound, RingoffError
from ringoff.domain.events import EventType
from ringoff.domain.phone_number import mask
from ringoff.domain.records import Subscription
from ringoff.domain.webhook_records import LoggedDelivery
from ringoff.domain.webhook_url import without_secrets
from ringoff.operations import subscriptions, targets

PAGES = PageTable()
PAGE_MAX: Final = 50
SUBSCRIPTIONS_SHOWN_MAX: Final = 200
"""Those that are paused come first."""
STATES: Final = ("pending", "delivered", "dropped")
_SEARCHED: Final = ("subscription_id", "event_type", "state", "since", "call_id", "cursor")
_SENT_AGAIN: Final = "sent_again"
_LONG_NUMBER: Final = re.compile(r"\+?[0-9]{8,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SubscriptionLine:
    """One event type that somebody wants to hear of."""

    of: Subscription
    url: str | None
    """Without what may be a token in it."""
    agent: str | None
    """The agent's name, or its id when it is one of very many; None: all of the workspace."""
    alarm: str
    """Why it is paused, with the beginning of the last answer."""


@dataclass(frozen=True, slots=True)
class Range:
    """Events to send again, as filled in."""

    first_event_id: str = ""
    last_event_id: str = ""


@dataclass(frozen=True, slots=True)
class _Log:
    """A page of the log, or why there is none."""

    rows: Sequence[LoggedDelivery] = ()
    older: str | None = None
    complaint: str = ""
    status: int = 200


@PAGES.get("/webhooks")
async def webhooks_page(visit: Visit) -> Response:
    return await _show(visit, {name: visit.asked(name) for name in _SEARCHED})


@PAGES.post("/webhooks/{subscription_id}/resume")
async def resume(visit: Visit) -> Response:
    """Let a paused subscription go on where it stopped."""
    fields = await visit.fields()
    subscription_id = _asked_id(visit)
    await subscriptions.resume_webhook(visit.store, visit.principal, subscription_id)
    return visit.go(own_path(fields.text("next") or "/webhooks"))


@PAGES.post("/webhooks/{subscription_id}/redeliver")
async def redeliver(visit: Visit) -> Response:
    """Send one event, or all from one to another, once more."""
    fields = await visit.fields()
    subscription_id = _asked_id(visit)
    wanted = _range(fields)
    try:
        body: RedeliverRequest = convert(_request_of(subscription_id, wanted), RedeliverRequest, strict=False)
        await _require_own(visit, subscription_id)
        count = await subscriptions.redeliver(
            visit.store, visit.principal, body.subscription_id, body.first_event_id, body.last_event_id
        )
    except NotFound:
        raise
    except RingoffError as error:
        asked = dict.fromkeys(_SEARCHED, "") | {"subscription_id": str(subscription_id)}
        return await _show(visit, asked, wanted, complaint=located(error), status=status_of(error))
    return visit.go(_back(fields, subscription_id, count))


async def _show(
    visit: Visit, asked: Mapping[str, str], wanted: Range | None = None, *, complaint: str = "", status: int = 200
) -> Response:
    lines = await _lines(visit)
    log = await _log(visit, asked, lines)
    sent_again = visit.asked(_SENT_AGAIN)
    return visit.show(
        "webhooks.html",
        status if complaint else log.status,
        lines=list(lines.values())[:SUBSCRIPTIONS_SHOWN_MAX],
        line_count=len(lines),
        line_by_id=lines,
        log=log,
        excerpts=[_answer(visit, row.excerpt) for row in log.rows],
        older=query({**asked, "cursor": log.older}) if log.older else None,
        newest=query({**asked, "cursor": ""}),
        wanted=wanted or _range_of(log.rows),
        chosen=lines.get(uuid_or_none(asked["subscription_id"])),
        complaint=complaint,
        sent_again=int(sent_again[:18]) if sent_again.isdecimal() and sent_again.isascii() else None,
        searched=asked,
        event_types=list(EventType),
        states=STATES,
    )


async def _lines(visit: Visit) -> dict[UUID | None, SubscriptionLine]:
    found = await subscriptions.list_subscriptions(visit.store, visit.principal)
    names = await targets.agent_names(visit.store, visit.principal)
    lines = [
        SubscriptionLine(
            each,
            None if each.callback_url is None else without_secrets(each.callback_url),
            None if each.agent_id is None else names.get(each.agent_id, str(each.agent_id)),
            _answer(visit, each.alarm),
        )
        for each in found
    ]
    lines.sort(key=lambda line: line.of.paused_at is None)
    return {line.of.subscription_id: line for line in lines}


async def _log(visit: Visit, asked: Mapping[str, str], lines: Mapping[UUID | None, SubscriptionLine]) -> _Log:
    given = {name: value for name, value in asked.items() if value}
    try:
        require_storable(given)
        wanted: DeliveryListQuery = convert(given, DeliveryListQuery, strict=False)
        if wanted.subscription_id is not None and wanted.subscription_id not in lines:
            raise NotFound("Subscription not found", field="subscription_id")
        found = await subscriptions.list_deliveries(visit.store, visit.principal, delivery_filter(wanted, PAGE_MAX))
    except RingoffError as error:
        return _Log(complaint=located(error), status=status_of(error))
    rows = found[:PAGE_MAX]
    return _Log(rows, cursor_below(rows[-1]) if len(found) > PAGE_MAX else None)


async def _require_own(visit: Visit, subscription_id: UUID) -> None:
    found = await subscriptions.list_subscriptions(visit.store, visit.principal)
    if all(each.subscription_id != subscription_id for each in found):
        raise NotFound("Subscription not found", field="subscription_id")


def _asked_id(visit: Visit) -> UUID:
    """The subscription that the path names; ``NotFound`` for what cannot be an id."""
    found = uuid_or_none(visit.request.path_params["subscription_id"])
    if found is None:
        raise NotFound("Subscription not found", field="subscription_id")
    return found


def _range(fields: Fields) -> Range:
    """The button beside an event names it alone."""
    one = fields.text("event_id")
    return Range(one or fields.text("first_event_id"), one or fields.text("last_event_id"))


def _range_of(rows: Sequence[LoggedDelivery]) -> Range:
    """What is on the page, for a start."""
    return Range(str(rows[-1].event_id), str(rows[0].event_id)) if rows else Range()


def _request_of(subscription_id: UUID, wanted: Range) -> dict[str, Any]:
    """As a client of the API would send it: a field that was left empty is missing."""
    texts = {"first_event_id": wanted.first_event_id, "last_event_id": wanted.last_event_id}
    return {"subscription_id": str(subscription_id)} | {name: text for name, text in texts.items() if text}


def _back(fields: Fields, subscription_id: UUID, count: int) -> str:
    """Where the button was, with how many are sent again."""
    place = urlsplit(own_path(fields.text("next") or f"/webhooks?subscription_id={subscription_id}"))
    pairs = [(name, value) for name, value in parse_qsl(place.query) if name != _SENT_AGAIN]
    return f"{place.path}?{urlencode([*pairs, (_SENT_AGAIN, str(count))])}#log"


def _answer(visit: Visit, text: str | None) -> str:
    """What a subscriber said; whoever echoes an event has the called number in it."""
    if text is None or visit.session.reveals_numbers:
        return text or ""
    return _LONG_NUMBER.sub(lambda found: mask(found[0]), text)
