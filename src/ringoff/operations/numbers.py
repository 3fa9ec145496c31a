"""Calling numbers, the caller ids that a workspace may show: list, add, remove."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.domain.errors import Conflict, InvalidInput, NotFound
from ringoff.domain.identifiers import NumberId, TrunkId, WorkspaceId
from ringoff.domain.phone_number import require_e164
from ringoff.domain.workspace import CallingNumber, Principal, Trunk
from ringoff.ports import Store, Transaction

DISPLAY_NAME_LENGTH_MAX: Final = 100
REMOVABLE: Final = "it can be removed when that has ended"


@dataclass(frozen=True, slots=True)
class NumberView:
    """A number with its trunk and the count of dial attempts that showed it."""

    number: CallingNumber
    trunk: Trunk | None
    attempt_count: int
    agent_name: str | None = None


async def list_numbers(store: Store, principal: Principal) -> Sequence[NumberView]:
    """All numbers of the workspace."""
    async with store.transaction() as tx:
        trunks = {trunk.trunk_id: trunk for trunk in await tx.workspaces.trunks(principal.workspace_id)}
        numbers = await tx.workspaces.numbers(principal.workspace_id)
        names = await tx.workspaces.attached_agents(principal.workspace_id)
    return [
        NumberView(number, trunks.get(number.trunk_id), count, names.get(number.agent_id) if number.agent_id else None)
        for number, count in numbers
    ]


async def add_number(
    store: Store, principal: Principal, number: str, display_name: str | None, trunk_id: TrunkId | None
) -> CallingNumber:
    """Add a number on a trunk; without one, on the only trunk there is."""
    require_e164(number, "number", None)
    if display_name is not None and len(display_name) > DISPLAY_NAME_LENGTH_MAX:
        raise InvalidInput(f"display_name has more than {DISPLAY_NAME_LENGTH_MAX} characters", field="display_name")
    async with store.transaction() as tx:
        trunk = await _trunk_for_number(tx, principal.workspace_id, trunk_id)
        added = await tx.workspaces.add_number(principal.workspace_id, number, display_name, trunk)
    if added is None:
        raise Conflict(f"number {number} is in this workspace already", field="number")
    return added


async def remove_number(store: Store, principal: Principal, number_id: NumberId) -> CallingNumber:
    """Take a number out of the workspace, unless somebody may still be called from it.

    A start in the same instant may come first; its campaign then shows the number to its end.
    """
    workspace_id = principal.workspace_id
    async with store.transaction() as tx:
        number = await tx.workspaces.number(workspace_id, number_id)
        if number is None:
            raise NotFound("Number not found", field="number_id")
        if number.number_pool_id is not None:
            raise Conflict("number is in a number pool: take it out of that first", field="number_id")
        if (name := await tx.workspaces.campaign_showing(workspace_id, number.number)) is not None:
            raise Conflict(f"number is in use by campaign {name!r}: {REMOVABLE}", field="number_id")
        if await tx.workspaces.individual_call_shows(workspace_id, number.number):
            raise Conflict(f"number is in use by an individual call: {REMOVABLE}", field="number_id")
        removed = await tx.workspaces.remove_number(workspace_id, number_id)
    if removed is None:
        raise NotFound("Number not found", field="number_id")
    return removed


async def _trunk_for_number(tx: Transaction, workspace_id: WorkspaceId, trunk_id: TrunkId | None) -> TrunkId:
    if trunk_id is not None:
        if await tx.workspaces.trunk(workspace_id, trunk_id) is None:
            raise NotFound("Trunk not found", field="trunk_id")
        return trunk_id
    trunks = await tx.workspaces.trunks(workspace_id)
    if len(trunks) != 1:
        raise InvalidInput(f"trunk_id must be given: the workspace has {len(trunks)} trunks", field="trunk_id")
    return trunks[0].trunk_id
