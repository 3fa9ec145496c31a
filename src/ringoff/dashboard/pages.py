"""All pages of the dashboard, put together."""

from starlette.routing import Route

from ringoff.api.services import Services
from ringoff.dashboard import (
    agents,
    calls,
    campaign,
    campaigns,
    keys,
    login,
    overview,
    receipts,
    suppressions,
    terminate,
    trunks,
    uploads,
    webhooks,
)
from ringoff.dashboard.assets import PREFIX, Assets
from ringoff.dashboard.live import Broadcaster
from ringoff.dashboard.rendering import Rendering
from ringoff.dashboard.table import routes_of
from ringoff.dashboard.visit import Dashboard

TABLES = [
    login.PAGES,
    overview.PAGES,
    terminate.PAGES,
    receipts.PAGES,
    campaigns.PAGES,
    campaign.PAGES,
    calls.PAGES,
    uploads.PAGES,
    webhooks.PAGES,
    suppressions.PAGES,
    keys.PAGES,
    agents.PAGES,
    trunks.PAGES,
]


def dashboard_routes(services: Services, live: Broadcaster) -> list[Route]:
    """Every route of the dashboard; ``live`` must run for pages to move."""
    assets = Assets()
    dashboard = Dashboard(services, assets, Rendering(assets), live)
    path, respond = login.login_routes(dashboard)
    return [
        Route(path, respond, methods=["GET", "POST"]),
        Route(PREFIX + "/{path:path}", assets.respond),
        *routes_of(dashboard, TABLES),
    ]
