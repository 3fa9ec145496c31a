"""``/api/v1/number-pools``: calling numbers that take turns, and the pace of each."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant
from ringoff.api.native.numbers import NumberShown, shown_number
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.identifiers import NumberId, NumberPoolId
from ringoff.domain.workspace import NumberPool, Principal
from ringoff.operations import number_pools, numbers

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "numbers")


class NumberPoolShown(msgspec.Struct):
    number_pool_id: str
    name: str
    trunk_id: str
    numbers: list[str]
    created_at: Instant


class NumberPoolList(msgspec.Struct):
    number_pools: list[NumberPoolShown]
    """By name."""


class NumberPoolRequest(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    numbers: list[str]
    """Calling numbers or their ids, 1 to 100, all of one trunk and in no other pool."""


class PoolNumbersRequest(msgspec.Struct, forbid_unknown_fields=True):
    numbers: list[str]
    """Calling numbers or their ids, 1 to 100: exactly these are in the pool from now on."""


class NumberPaceRequest(msgspec.Struct, forbid_unknown_fields=True):
    cps_max: float | None
    """Calls a second that may show the number out of a pool (0.1: one in ten seconds); null: what its trunk takes."""


@ROUTES.add("GET", "/number-pools")
async def list_number_pools(services: Services, principal: Principal) -> NumberPoolList:
    """All number pools of the workspace."""
    return NumberPoolList([_shown(pool) for pool in await number_pools.list_pools(services.store, principal)])


@ROUTES.add("POST", "/number-pools", status=201, errors=(409,))
async def add_number_pool(services: Services, principal: Principal, body: NumberPoolRequest) -> NumberPoolShown:
    """Put calling numbers into a new pool."""
    return _shown(await number_pools.add_pool(services.store, principal, body.name, body.numbers))


@ROUTES.add("GET", "/number-pools/{number_pool_id}", errors=(404,))
async def read_number_pool(services: Services, principal: Principal, number_pool_id: UUID) -> NumberPoolShown:
    """One number pool."""
    return _shown(await number_pools.read_pool(services.store, principal, NumberPoolId(number_pool_id)))


@ROUTES.add("PUT", "/number-pools/{number_pool_id}/numbers", errors=(404, 409))
async def set_pool_numbers(
    services: Services, principal: Principal, number_pool_id: UUID, body: PoolNumbersRequest
) -> NumberPoolShown:
    """Say which numbers are in a pool; campaigns that show it go on with these."""
    pool_id = NumberPoolId(number_pool_id)
    return _shown(await number_pools.set_numbers(services.store, principal, pool_id, body.numbers))


@ROUTES.add("DELETE", "/number-pools/{number_pool_id}", status=204, errors=(404, 409))
async def remove_number_pool(services: Services, principal: Principal, number_pool_id: UUID) -> None:
    """Remove a pool and keep its numbers; refused while somebody may be called from it."""
    await number_pools.remove_pool(services.store, principal, NumberPoolId(number_pool_id))


@ROUTES.add("PATCH", "/numbers/{number_id}", errors=(404,))
async def change_number_pace(
    services: Services, principal: Principal, number_id: UUID, body: NumberPaceRequest
) -> NumberShown:
    """Say how often a number may be shown out of a pool."""
    number = await number_pools.change_pace(services.store, principal, NumberId(number_id), body.cps_max)
    views = await numbers.list_numbers(services.store, principal)
    counts = {view.number.number_id: view.attempt_count for view in views}
    return shown_number(number, counts.get(number.number_id, 0))


def _shown(pool: NumberPool) -> NumberPoolShown:
    return NumberPoolShown(
        number_pool_id=str(pool.number_pool_id),
        name=pool.name,
        trunk_id=str(pool.trunk_id),
        numbers=list(pool.numbers),
        created_at=instant(pool.created_at),
    )
