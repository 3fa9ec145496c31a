"""``/api/v1/trunks``: carrier endpoints and their limits."""

from typing import Any
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.identifiers import TrunkId
from ringoff.domain.workspace import Principal, Trunk
from ringoff.operations import trunks

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "trunks")


class TrunkView(msgspec.Struct):
    trunk_id: str
    name: str
    driver: str
    cps_max: float
    channels_max: int
    is_enabled: bool
    is_up: bool | None
    alarm: str | None
    alarm_at: Instant | None
    config: dict[str, Any]
    created_at: Instant
    updated_at: Instant


class TrunkList(msgspec.Struct):
    trunks: list[TrunkView]


class TrunkRequest(msgspec.Struct, forbid_unknown_fields=True):
    name: str = "Trunk"
    driver: str = "simulated"
    cps_max: float = 10.0
    channels_max: int = 100
    config: dict[str, Any] = {}


class TrunkPatch(msgspec.Struct, forbid_unknown_fields=True):
    name: str | None = None
    cps_max: float | None = None
    channels_max: int | None = None
    is_enabled: bool | None = None
    config: dict[str, Any] | None = None


@ROUTES.add("GET", "/trunks")
async def list_trunks(services: Services, principal: Principal) -> TrunkList:
    """All trunks of the workspace."""
    return TrunkList([_shown(trunk) for trunk in await trunks.list_trunks(services.store, principal)])


@ROUTES.add("POST", "/trunks", status=201)
async def add_trunk(services: Services, principal: Principal, body: TrunkRequest) -> TrunkView:
    """Add a trunk on an installed driver."""
    trunk = await trunks.add_trunk(
        services.store,
        principal,
        name=body.name,
        driver=body.driver,
        cps_max=body.cps_max,
        channels_max=body.channels_max,
        config=body.config,
        drivers=services.drivers,
    )
    return _shown(trunk)


@ROUTES.add("GET", "/trunks/{trunk_id}", errors=(404,))
async def read_trunk(services: Services, principal: Principal, trunk_id: UUID) -> TrunkView:
    """One trunk."""
    return _shown(await trunks.read_trunk(services.store, principal, TrunkId(trunk_id)))


@ROUTES.add("PATCH", "/trunks/{trunk_id}", errors=(404,))
async def change_trunk(services: Services, principal: Principal, trunk_id: UUID, body: TrunkPatch) -> TrunkView:
    """Change name, limits, configuration (as a whole) or state of a trunk."""
    change = trunks.TrunkChange(body.name, body.cps_max, body.channels_max, body.is_enabled, body.config)
    return _shown(await trunks.change_trunk(services.store, principal, TrunkId(trunk_id), change, services.drivers))


def _shown(trunk: Trunk) -> TrunkView:
    return TrunkView(
        trunk_id=str(trunk.trunk_id),
        name=trunk.name,
        driver=trunk.driver,
        cps_max=trunk.cps_max,
        channels_max=trunk.channels_max,
        is_enabled=trunk.is_enabled,
        is_up=trunk.is_up,
        alarm=trunk.alarm,
        alarm_at=None if trunk.alarm_at is None else instant(trunk.alarm_at),
        config=dict(trunks.hide_secrets(trunk.config)),
        created_at=instant(trunk.created_at),
        updated_at=instant(trunk.updated_at),
    )
