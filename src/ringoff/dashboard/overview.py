"""The first page: what is dialled right now, what waits, what was ended last, and whether everything is well."""

from starlette.responses import Response

from ringoff.dashboard.streams import stream
from ringoff.dashboard.table import PageTable
from ringoff.dashboard.visit import Visit
from ringoff.operations import overview

PAGES = PageTable()


@PAGES.get("/")
async def first_page(visit: Visit) -> Response:
    figures = await overview.overview(visit.store, visit.principal, clock=visit.dashboard.services.clock)
    return visit.show("overview.html", figures=figures)


@PAGES.get("/events/overview")
async def overview_events(visit: Visit) -> Response:
    store, principal, dashboard = visit.store, visit.principal, visit.dashboard

    async def render() -> str:
        figures = await overview.overview(store, principal, clock=dashboard.services.clock)
        return dashboard.rendering.page("overview_live.html", {"figures": figures})

    return await stream(visit, "overview", render)
