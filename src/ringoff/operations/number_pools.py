"""Pools of calling numbers: keep them, and take one for a campaign or a call."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ringoff.domain.errors import Conflict, InvalidInput, NotFound
from ringoff.domain.identifiers import NumberId, NumberPoolId, TrunkId
from ringoff.domain.workspace import CallingNumber, NumberPool, Principal
from ringoff.operations.caller_ids import resolve_calling_numbers
from ringoff.ports import Store, Transaction

NAME_LENGTH_MAX: Final = 100
CPS_MAX: Final = 10_000.0
POOL_NOT_FOUND: Final = "Number pool not found."
"""The public API's own words."""


async def list_pools(store: Store, principal: Principal) -> Sequence[NumberPool]:
    """All pools of the workspace, by name."""
    async with store.transaction() as tx:
        return await tx.number_pools.pools(principal.workspace_id)


async def read_pool(store: Store, principal: Principal, number_pool_id: NumberPoolId) -> NumberPool:
    async with store.transaction() as tx:
        return await _found(tx, principal, number_pool_id)


async def add_pool(store: Store, principal: Principal, name: str, given: Sequence[str]) -> NumberPool:
    """A pool of ``given`` numbers (or their ids), all of one trunk and in no other pool."""
    workspace_id = principal.workspace_id
    if not name.strip() or len(name) > NAME_LENGTH_MAX:
        raise InvalidInput(f"name must have 1 to {NAME_LENGTH_MAX} characters", field="name")
    async with store.transaction() as tx:
        numbers = await resolve_calling_numbers(tx, workspace_id, given, "numbers")
        trunk_id = numbers[0].trunk_id
        number_pool_id = await tx.number_pools.add(workspace_id, name, trunk_id)
        if number_pool_id is None:
            raise Conflict(f"there is a number pool named {name!r} already", field="name")
        await _set_numbers(tx, principal, number_pool_id, trunk_id, numbers)
        return await _found(tx, principal, number_pool_id)


async def set_numbers(
    store: Store, principal: Principal, number_pool_id: NumberPoolId, given: Sequence[str]
) -> NumberPool:
    """Let exactly ``given`` numbers (or ids) be in it, from the next claim on; on its trunk, and in no other pool."""
    workspace_id = principal.workspace_id
    async with store.transaction() as tx:
        trunk_id = await tx.number_pools.lock(workspace_id, number_pool_id)
        if trunk_id is None:
            raise NotFound(POOL_NOT_FOUND, field="number_pool_id")
        numbers = await resolve_calling_numbers(tx, workspace_id, given, "numbers")
        await _set_numbers(tx, principal, number_pool_id, trunk_id, numbers)
        return await _found(tx, principal, number_pool_id)


async def remove_pool(store: Store, principal: Principal, number_pool_id: NumberPoolId) -> None:
    """Its numbers stay in the workspace. Refused while somebody may still be called from it."""
    workspace_id = principal.workspace_id
    async with store.transaction() as tx:
        trunk_id = await tx.number_pools.lock(workspace_id, number_pool_id)
        if trunk_id is None:
            raise NotFound(POOL_NOT_FOUND, field="number_pool_id")
        if (who := await tx.number_pools.showing(workspace_id, number_pool_id)) is not None:
            raise Conflict(f"the number pool is in use by {who}", field="number_pool_id")
        await tx.dispatch.lock_trunk(workspace_id, trunk_id)
        await tx.number_pools.remove(workspace_id, number_pool_id)


async def change_pace(store: Store, principal: Principal, number_id: NumberId, cps_max: float | None) -> CallingNumber:
    """How many calls a second may show a number out of a pool; None takes the limit away."""
    if cps_max is not None and not 0 < cps_max <= CPS_MAX:
        raise InvalidInput(f"cps_max must be above 0 and at most {CPS_MAX:g}, or null", field="cps_max")
    async with store.transaction() as tx:
        number = await tx.number_pools.change_pace(principal.workspace_id, number_id, cps_max)
    if number is None:
        raise NotFound("Number not found", field="number_id")
    return number


async def wait_for_pool(tx: Transaction, principal: Principal, given: str) -> NumberPoolId | None:
    """Hold the pool that a request names, if there is one; None when that is no id.

    Before the lock of an agent: an edit holds a pool for as long as it looks for its calls, and an order for the agent
    would wait for that behind whoever waits here.
    """
    try:
        number_pool_id = NumberPoolId(UUID(given))
    except ValueError:
        return None
    await tx.number_pools.hold(principal.workspace_id, number_pool_id)
    return number_pool_id


async def hold_pool(tx: Transaction, principal: Principal, given: str) -> NumberPool:
    """The pool that a request names, kept as it is until the transaction ends."""
    number_pool_id = await wait_for_pool(tx, principal, given)
    pool = None if number_pool_id is None else await tx.number_pools.pool(principal.workspace_id, number_pool_id)
    if pool is None:
        raise InvalidInput(POOL_NOT_FOUND)
    return pool


async def _found(tx: Transaction, principal: Principal, number_pool_id: NumberPoolId) -> NumberPool:
    pool = await tx.number_pools.pool(principal.workspace_id, number_pool_id)
    if pool is None:
        raise NotFound(POOL_NOT_FOUND, field="number_pool_id")
    return pool


async def _set_numbers(
    tx: Transaction,
    principal: Principal,
    number_pool_id: NumberPoolId,
    trunk_id: TrunkId,
    numbers: Sequence[CallingNumber],
) -> None:
    for position, number in enumerate(numbers):
        if number.trunk_id != trunk_id:
            raise InvalidInput(
                f"numbers[{position}], {number.number}, is on another trunk: all numbers of a pool are on one",
                field="numbers",
                position=position,
            )
        if number.number_pool_id not in (None, number_pool_id):
            raise _in_another_pool(f"numbers[{position}], {number.number}, is")
    # As the claim does before it writes to numbers: two that meet wait here, and not in a circle.
    await tx.dispatch.lock_trunk(principal.workspace_id, trunk_id)
    ids = [number.number_id for number in numbers]
    if await tx.number_pools.set_numbers(principal.workspace_id, number_pool_id, ids) != len(ids):
        raise _in_another_pool("one of numbers is meanwhile")


def _in_another_pool(what: str) -> Conflict:
    return Conflict(f"{what} in another number pool: a number is in one at most", field="numbers")
