"""Trunks, the carrier endpoints of a workspace, and their limits: list, add, change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import TrunkId
from ringoff.domain.workspace import Principal, Trunk
from ringoff.driver_port import ReadConfig
from ringoff.ports import Store

NAME_LENGTH_MAX: Final = 100
CPS_MIN: Final = 0.01
CPS_MAX: Final = 10_000.0
CHANNELS_MAX: Final = 100_000
HIDDEN: Final = "***"
_SECRET_KEYS: Final = frozenset({"password", "auth_token"})


@dataclass(frozen=True, slots=True)
class TrunkChange:
    """What to change; ``None`` leaves as it is."""

    name: str | None = None
    cps_max: float | None = None
    channels_max: int | None = None
    is_enabled: bool | None = None
    config: Mapping[str, Any] | None = None


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
    config: Mapping[str, Any],
    drivers: Mapping[str, ReadConfig],
) -> Trunk:
    """Add a trunk on one of the drivers that this installation has; the driver itself reads its configuration."""
    _require_limits(name, cps_max, channels_max)
    checked = _read_config(driver, config, drivers)
    async with store.transaction() as tx:
        return await tx.workspaces.add_trunk(principal.workspace_id, name, driver, cps_max, channels_max, checked)


async def change_trunk(
    store: Store, principal: Principal, trunk_id: TrunkId, change: TrunkChange, drivers: Mapping[str, ReadConfig]
) -> Trunk:
    """Change limits, name, configuration or state of a trunk; dispatchers obey at their next claim.

    A configuration replaces the whole of the old one: what is shown has its secrets hidden, and those are refused.
    """
    if change == TrunkChange():
        raise InvalidInput("at least one of name, cps_max, channels_max, is_enabled, config must be given")
    _require_limits(change.name, change.cps_max, change.channels_max)
    config = change.config
    if config is not None:
        config = _read_config((await read_trunk(store, principal, trunk_id)).driver, config, drivers)
    async with store.transaction() as tx:
        trunk = await tx.workspaces.change_trunk(
            principal.workspace_id,
            trunk_id,
            change.name,
            change.cps_max,
            change.channels_max,
            change.is_enabled,
            config,
        )
        # A raised limit or an enabled trunk may let calls out that wait now.
        await tx.calls.wake_dispatchers()
    if trunk is None:
        raise NotFound("Trunk not found", field="trunk_id")
    return trunk


def hide_secrets(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration as it may be shown: passwords and tokens are there, and not to be read."""
    return {
        key: HIDDEN if key in _SECRET_KEYS and value is not None else _hidden_within(value)
        for key, value in config.items()
    }


def _hidden_within(value: Any) -> Any:
    if isinstance(value, Mapping):
        return hide_secrets(value)
    return [_hidden_within(each) for each in value] if isinstance(value, list) else value


def _read_config(driver: str, config: Mapping[str, Any], drivers: Mapping[str, ReadConfig]) -> Mapping[str, Any]:
    if driver not in drivers:
        raise InvalidInput(
            f"driver {driver[:40]!r} is not installed; there is: {', '.join(sorted(drivers))}", field="driver"
        )
    checked = drivers[driver](config)
    if HIDDEN in _secrets_of(checked):
        raise InvalidInput(f"{HIDDEN} stands for a secret that is not shown: give the secret itself", field="config")
    return checked


def _secrets_of(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, within in value.items():
            yield from (within,) if key in _SECRET_KEYS else _secrets_of(within)
    elif isinstance(value, list):
        for within in value:
            yield from _secrets_of(within)


def _require_limits(name: str | None, cps_max: float | None, channels_max: int | None) -> None:
    if name is not None and (not name.strip() or len(name) > NAME_LENGTH_MAX):
        raise InvalidInput(f"name must have 1 to {NAME_LENGTH_MAX} characters", field="name")
    if cps_max is not None and not CPS_MIN <= cps_max <= CPS_MAX:
        raise InvalidInput(f"cps_max must be from {CPS_MIN} to {CPS_MAX:g}, not {cps_max}", field="cps_max")
    if channels_max is not None and not 1 <= channels_max <= CHANNELS_MAX:
        raise InvalidInput(f"channels_max must be from 1 to {CHANNELS_MAX}, not {channels_max}", field="channels_max")
