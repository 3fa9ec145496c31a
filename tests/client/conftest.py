"""Every test of the client runs once for each kind; some against the application behind a real HTTP server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from ringoff.api.app import ApiLimits, create_app
from ringoff.client import AsyncRingoffClient, RingoffClient
from ringoff.store.postgres import PostgresStore
from tests.client.asking import ONCE, Asker
from tests.contract.tenants import Tenant, make_tenant
from tests.support.virtual_clock import VirtualClock

LIMITS = ApiLimits(json_bytes_max=64 * 1024, csv_bytes_max=256 * 1024, form_field_bytes_max=8 * 1024)


@pytest.fixture(params=["blocking", "event loop"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


class Server(uvicorn.Server):
    """Says when it listens, and where."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()

    @property
    def url(self) -> str:
        port = self.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"


@pytest.fixture
async def tenant(store: PostgresStore) -> Tenant:
    return await make_tenant(store, "ours", "+12025550100")


@pytest.fixture
async def url(store: PostgresStore) -> AsyncIterator[str]:
    app = create_app(store=store, clock=VirtualClock(), limits=LIMITS)
    server = Server(uvicorn.Config(app, port=0, http="httptools", ws="none", lifespan="off", log_config=None))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        await server.is_listening.wait()
        yield server.url
        server.should_exit = True


@pytest.fixture
async def ask(kind: str, url: str, tenant: Tenant) -> AsyncIterator[Asker]:
    made = RingoffClient if kind == "blocking" else AsyncRingoffClient
    asker = Asker(made(url, tenant.key, retries=ONCE))
    yield asker
    await asker.close()
