"""``/api/v1/erasures``: persons whose data is to be erased, by their numbers, and how far that is."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import E164Text, Instant, instant, instant_or_none
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.erasure import Erasure, parse_request
from ringoff.domain.identifiers import ErasureId
from ringoff.domain.termination import MOBILE_NUMBERS_MAX, REASON_LENGTH_MAX
from ringoff.domain.workspace import Principal
from ringoff.operations import erasures

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "erasures")


class ErasureRequestBody(msgspec.Struct, forbid_unknown_fields=True):
    """For the document only: numbers are read like those of a termination."""

    mobile_numbers: Annotated[list[E164Text], msgspec.Meta(min_length=1, max_length=MOBILE_NUMBERS_MAX)]
    suppress: bool | None = None
    """Also never ring these numbers again; true unless it is false."""
    reason: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX)] | None = None
    """Why, for the record; it stays, so it should name nobody."""


class ErasedCounts(msgspec.Struct):
    """Rows in which something was replaced; exact once the erasure is done."""

    calls: int
    attempts: int
    contacts: int
    events: int
    """Answers of subscribers, reports of carriers, callbacks of requests."""
    words: int
    """Orders, kept answers, lists, alarms and reasons in whose text a number stood."""


class ErasureView(msgspec.Struct, kw_only=True):
    erasure_id: str
    state: str
    """``ordered``, ``waiting`` (for what is on the wire, settles or is verified), ``erasing`` or ``done``."""
    percent: int
    suppress: bool
    suppressed_count: int
    """Numbers that were not on the suppression list before."""
    masked_numbers: list[str]
    reason: str | None
    termination_id: str | None
    """The order that ended pending calls; None when there were none."""
    api_key_id: str
    read_count: int
    """Rows that were read."""
    counts: ErasedCounts
    created_at: Instant
    begun_at: Instant | None
    ended_at: Instant | None


class ErasureList(msgspec.Struct):
    erasures: list[ErasureView]
    next_cursor: str | None


class ErasureQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    cursor: UUID | None = None


@ROUTES.add("POST", "/erasures", status=202, errors=(409, 503), documented_body=ErasureRequestBody)
async def order_erasure(services: Services, principal: Principal, body: dict[str, Any]) -> ErasureView:
    """Terminate what waits for these numbers, never ring them again, erase every trace of them in the background."""
    request = parse_request(body)
    ordered = await erasures.order_erasure(services.store, principal, request, observer=services.observer)
    return _shown(ordered)


@ROUTES.add("GET", "/erasures", errors=(503,))
async def list_erasures(services: Services, principal: Principal, query: ErasureQuery) -> ErasureList:
    """Erasures, newest first: the record of who had what erased."""
    below = None if query.cursor is None else ErasureId(query.cursor)
    page = await erasures.erasures(services.store, principal, below, query.limit)
    next_cursor = str(page[-1].erasure_id) if len(page) == query.limit else None
    return ErasureList([_shown(each) for each in page], next_cursor)


@ROUTES.add("GET", "/erasures/{erasure_id}", errors=(404, 503))
async def read_erasure(services: Services, principal: Principal, erasure_id: UUID) -> ErasureView:
    """One erasure, and how far it is."""
    return _shown(await erasures.erasure(services.store, principal, ErasureId(erasure_id)))


def _shown(each: Erasure) -> ErasureView:
    counts = each.counts
    return ErasureView(
        erasure_id=str(each.erasure_id),
        state=each.state,
        percent=each.percent,
        suppress=each.suppress,
        suppressed_count=each.suppressed_count,
        masked_numbers=list(each.masked_numbers),
        reason=each.reason,
        termination_id=None if each.termination_id is None else str(each.termination_id),
        api_key_id=str(each.api_key_id),
        read_count=each.read_count,
        counts=ErasedCounts(counts.calls, counts.attempts, counts.contacts, counts.events, counts.words),
        created_at=instant(each.created_at),
        begun_at=instant_or_none(each.begun_at),
        ended_at=instant_or_none(each.ended_at),
    )
