"""The dashboard over the real store, spoken to in process."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from ringoff.api.app import ApiLimits, create_app
from ringoff.api.heavy_requests import HeavyRequests
from ringoff.dashboard.live import Broadcaster
from ringoff.dashboard.pages import dashboard_routes
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import Tenant, make_tenant
from tests.dashboard.visitor import Visitor
from tests.support.virtual_clock import VirtualClock

LIMITS = ApiLimits(json_bytes_max=64 * 1024, csv_bytes_max=256 * 1024, form_field_bytes_max=8 * 1024)


@pytest.fixture
def heavy() -> HeavyRequests:
    """One place for each workspace, and nobody waits for it."""
    return HeavyRequests(count_max=1, wait_s=0)


@pytest.fixture
async def browser(store: PostgresStore, heavy: HeavyRequests) -> AsyncIterator[httpx2.AsyncClient]:
    """Keeps cookies, follows no redirect."""
    clock = VirtualClock()
    live = Broadcaster(clock)
    app = create_app(
        store=store,
        clock=clock,
        limits=LIMITS,
        pages=lambda services: dashboard_routes(services, live),
        heavy_requests=heavy,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ringoff.test") as connected:
        yield connected


@pytest.fixture
async def tenant(store: PostgresStore) -> Tenant:
    return await make_tenant(store, "ours", "+12025550100")


@pytest.fixture
async def stranger(store: PostgresStore) -> Tenant:
    return await make_tenant(store, "theirs", "+12025550199")


@pytest.fixture
async def visitor(browser: httpx2.AsyncClient, tenant: Tenant) -> Visitor:
    return await Visitor.signed_in(browser, tenant.key)
