"""Trunks, the carrier endpoints of a workspace, and their limits: list, add, change."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import TrunkId
from ringoff.domain.workspace import Principal, Trunk
from ringoff.ports import Store

NAME_LENGTH_MAX: Final = 100
CPS_MIN: Final = 0.01
CPS_MAX: Final = 10_000.0
CHANNELS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class TrunkChange:
    """What to change; ``None`` leaves as it is."""

    name: str | None = None
    cps_max: float | None = None
    channels_max: int | None = None
    is_enabled: bool | None = None


async def list_trunks(store: Store, principal: Principal) -> Sequence[Trunk]:
    """All trunks of the workspace."""
    async with store.transaction() as tx:
        return await tx.workspaces.trunks(principal.workspace_id)


async def read_trunk(store: Store, principal: Principal, trunk_id: TrunkId) -> Trunk:
    """One trunk of the workspace."""
    async with store.transaction() as tx:
        trunk = await tx.workspaces.trunk(principal.workspace_id, trunk_id)
    if trunk is None:
        raise NotFound("Trunk not found", field="trunk_id")
    return trunk


async def add_trunk(
    store: Store,
    principal: Principal,
    *,
    name: str,
    driver: str,
    cps_max: float,
    channels_max: int,
    known_drivers: AbstractSet[str],
) -> Trunk:
    """Add a trunk on one of the drivers that this installation has."""
    _require_limits(name, cps_max, channels_max)
    if driver not in known_drivers:
        raise InvalidInput(
            f"driver {driver[:40]!r} is not installed; there is: {', '.join(sorted(known_drivers))}", field="driver"
        )
    async with store.transaction() as tx:
        return await tx.workspaces.add_trunk(principal.workspace_id, name, driver, cps_max, channels_max)


async def change_trunk(store: Store, principal: Principal, trunk_id: TrunkId, change: TrunkChange) -> Trunk:
    """Change limits, name or state of a trunk; dispatchers obey at their next claim."""
    if change == TrunkChange():
        raise InvalidInput("at least one of name, cps_max, channels_max, is_enabled must be given")
    _require_limits(change.name, change.cps_max, change.channels_max)
    async with store.transaction() as tx:
        trunk = await tx.workspaces.change_trunk(
            principal.workspace_id, trunk_id, change.name, change.cps_max, change.channels_max, change.is_enabled
        )
        # A raised limit or an enabled trunk may let calls out that wait now.
        await tx.calls.wake_dispatchers()
    if trunk is None:
        raise NotFound("Trunk not found", field="trunk_id")
    return trunk


def _require_limits(name: str | None, cps_max: float | None, channels_max: int | None) -> None:
    if name is not None and (not name.strip() or len(name) > NAME_LENGTH_MAX):
        raise InvalidInput(f"name must have 1 to {NAME_LENGTH_MAX} characters", field="name")
    if cps_max is not None and not CPS_MIN <= cps_max <= CPS_MAX:
        raise InvalidInput(f"cps_max must be from {CPS_MIN} to {CPS_MAX:g}, not {cps_max}", field="cps_max")
    if channels_max is not None and not 1 <= channels_max <= CHANNELS_MAX:
        raise InvalidInput(f"channels_max must be from 1 to {CHANNELS_MAX}, not {channels_max}", field="channels_max")
