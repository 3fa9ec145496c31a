"""Uploads and exports of one workspace leave connections to the others, and orders never wait for them."""

import asyncio
from uuid import uuid4

import httpx2
import pytest

from ringoff.api.app import create_app
from ringoff.api.heavy_requests import HeavyRequests
from ringoff.domain.errors import Busy
from ringoff.domain.identifiers import WorkspaceId
from ringoff.store.postgres import PostgresStore
from tests.contract.conftest import LIMITS
from tests.contract.tenants import COMPATIBLE, NATIVE, Tenant, save, saved_campaign, start, terminate
from tests.support.virtual_clock import VirtualClock

pytestmark = pytest.mark.anyio


async def test_a_workspace_whose_places_are_taken_is_told_so_and_nobody_else_is(
    store: PostgresStore, tenant: Tenant, stranger: Tenant
) -> None:
    heavy = HeavyRequests(count_max=1, wait_s=0)
    app = create_app(store=store, clock=VirtualClock(), limits=LIMITS, heavy_requests=heavy)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://ringoff.test") as client:
        campaign_id = await saved_campaign(client, tenant)
        assert (await start(client, tenant, campaign_id)).status_code == 200
        async with heavy.place(tenant.principal.workspace_id):
            export = await client.get(f"{NATIVE}/suppressions/export", headers=tenant.headers)
            assert (export.status_code, export.headers["Retry-After"]) == (503, "1")
            assert export.json()["error"]["code"] == "busy"
            upload = await save(client, tenant)
            assert (upload.status_code, "in hand" in upload.json()["detail"]) == (503, True)
            theirs = await client.get(f"{NATIVE}/suppressions/export", headers=stranger.headers)
            assert theirs.status_code == 200
            assert (await client.get(f"{NATIVE}/campaigns", headers=tenant.headers)).status_code == 200
            assert (await terminate(client, tenant, {"campaign_id": campaign_id})).status_code == 200
        assert (await client.get(f"{NATIVE}/suppressions/export", headers=tenant.headers)).status_code == 200
        listed = await client.get(f"{COMPATIBLE}/campaign/all", headers=tenant.headers)
        assert len(listed.json()["campaigns"]) == 1, "the refused upload left nothing"


async def test_places_are_given_in_order_and_forgotten() -> None:
    heavy, ours = HeavyRequests(count_max=2, wait_s=30), WorkspaceId(uuid4())
    entered: list[int] = []
    doors = [asyncio.Event() for _ in range(4)]

    async def request(n: int) -> None:
        async with heavy.place(ours):
            entered.append(n)
            await doors[n].wait()

    async with asyncio.TaskGroup() as tasks:
        for n in range(4):
            tasks.create_task(request(n))
        for _ in range(10):
            await asyncio.sleep(0)
        assert entered == [0, 1]
        doors[1].set()
        for _ in range(10):
            await asyncio.sleep(0)
        assert entered == [0, 1, 2]
        for door in doors:
            door.set()
    assert entered == [0, 1, 2, 3]
    assert heavy.known_count == 0


async def test_who_waited_for_nothing_leaves_no_place_taken() -> None:
    heavy, ours = HeavyRequests(count_max=1, wait_s=0), WorkspaceId(uuid4())
    async with heavy.place(ours):
        with pytest.raises(Busy):
            async with heavy.place(ours):
                raise AssertionError("there was no place")
    async with heavy.place(ours):
        assert heavy.known_count == 1
    assert heavy.known_count == 0
