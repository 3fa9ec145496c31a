"""One trunk: its state, its limits with the form that changes them, and the switch that stops it."""

import msgspec
from starlette.responses import Response

from ringoff.api.bodies import convert
from ringoff.api.errors import located
from ringoff.api.native.trunks import TrunkPatch
from ringoff.dashboard.places import asked_trunk
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import Visit
from ringoff.domain.errors import RingoffError
from ringoff.operations import trunks
from ringoff.operations.trunks import TrunkChange

PAGES = PageTable()
_LIMITS = ("name", "cps_max", "channels_max")


@PAGES.get("/agents/trunks/{trunk_id}")
async def trunk_page(visit: Visit) -> Response:
    return await _show(visit)


@PAGES.post("/agents/trunks/{trunk_id}")
async def change_limits(visit: Visit) -> Response:
    """Name and limits, from the next claim on."""
    fields = await visit.fields()
    return await _changed(visit, {name: fields.text(name) for name in _LIMITS})


@PAGES.post("/agents/trunks/{trunk_id}/switch")
async def switch(visit: Visit) -> Response:
    """On or off. A form of its own: whoever saves a limit on an old page must not switch a trunk on again."""
    fields = await visit.fields()
    return await _changed(visit, {"is_enabled": fields.text("is_enabled")})


async def _changed(visit: Visit, given: dict[str, str]) -> Response:
    trunk_id = asked_trunk(visit)
    try:
        body: TrunkPatch = convert(given, TrunkPatch, strict=False)
        change = TrunkChange(body.name, body.cps_max, body.channels_max, body.is_enabled, body.config)
        await trunks.change_trunk(visit.store, visit.principal, trunk_id, change, visit.dashboard.services.drivers)
    except RingoffError as error:
        return await _show(visit, given, complaint=located(error), status=status_of(error))
    return visit.go(f"/agents/trunks/{trunk_id}")


async def _show(
    visit: Visit, form: dict[str, str] | None = None, *, complaint: str = "", status: int = 200
) -> Response:
    trunk = await trunks.read_trunk(visit.store, visit.principal, asked_trunk(visit))
    as_it_is = {"name": trunk.name, "cps_max": f"{trunk.cps_max:g}", "channels_max": str(trunk.channels_max)}
    config = msgspec.json.format(msgspec.json.encode(trunks.hide_secrets(trunk.config))).decode()
    return visit.show(
        "trunk.html", status, trunk=trunk, form=as_it_is | (form or {}), config=config, complaint=complaint
    )
