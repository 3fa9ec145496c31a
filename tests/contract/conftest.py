"""The application over the real store, spoken to in process."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from ringoff.api.app import ApiLimits, create_app
from ringoff.store.postgres import PostgresStore
from tests.contract.conformance import conforms
from tests.contract.tenants import Tenant, make_tenant
from tests.support.virtual_clock import VirtualClock

LIMITS = ApiLimits(json_bytes_max=64 * 1024, csv_bytes_max=256 * 1024, form_field_bytes_max=8 * 1024)


@pytest.fixture
async def client(store: PostgresStore) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(store=store, clock=VirtualClock(), limits=LIMITS)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://ringoff.test", event_hooks={"response": [conforms]}
    ) as connected:
        yield connected


@pytest.fixture
async def tenant(store: PostgresStore) -> Tenant:
    return await make_tenant(store, "ours", "+12025550100")


@pytest.fixture
async def stranger(store: PostgresStore) -> Tenant:
    return await make_tenant(store, "theirs", "+12025550199")
