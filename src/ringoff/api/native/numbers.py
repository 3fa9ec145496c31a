"""``/api/v1/numbers``: calling numbers."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.identifiers import NumberId, TrunkId
from ringoff.domain.workspace import CallingNumber, Principal
from ringoff.operations import numbers

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "numbers")


class NumberShown(msgspec.Struct):
    number_id: str
    number: str
    display_name: str | None
    trunk_id: str
    created_at: Instant
    attempt_count: int
    """Dial attempts that showed this number."""
    number_pool_id: str | None
    cps_max: float | None
    """Calls a second that may show it out of its pool; null: as many as its trunk takes."""


class NumberList(msgspec.Struct):
    numbers: list[NumberShown]


class NumberRequest(msgspec.Struct, forbid_unknown_fields=True):
    number: str
    display_name: str | None = None
    trunk_id: UUID | None = None
    """May be left out when there is only one trunk."""


@ROUTES.add("GET", "/numbers")
async def list_numbers(services: Services, principal: Principal) -> NumberList:
    """All calling numbers of the workspace."""
    views = await numbers.list_numbers(services.store, principal)
    return NumberList([shown_number(view.number, view.attempt_count) for view in views])


@ROUTES.add("POST", "/numbers", status=201, errors=(404, 409))
async def add_number(services: Services, principal: Principal, body: NumberRequest) -> NumberShown:
    """Add a calling number on a trunk."""
    trunk_id = None if body.trunk_id is None else TrunkId(body.trunk_id)
    return shown_number(
        await numbers.add_number(services.store, principal, body.number, body.display_name, trunk_id), 0
    )


@ROUTES.add("DELETE", "/numbers/{number_id}", status=204, errors=(404, 409))
async def remove_number(services: Services, principal: Principal, number_id: UUID) -> None:
    """Take a calling number out of the workspace; refused while somebody may be called from it."""
    await numbers.remove_number(services.store, principal, NumberId(number_id))


def shown_number(number: CallingNumber, attempt_count: int) -> NumberShown:
    return NumberShown(
        number_id=str(number.number_id),
        number=number.number,
        display_name=number.display_name,
        trunk_id=str(number.trunk_id),
        created_at=instant(number.created_at),
        attempt_count=attempt_count,
        number_pool_id=None if number.number_pool_id is None else str(number.number_pool_id),
        cps_max=number.cps_max,
    )
