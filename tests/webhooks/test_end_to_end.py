"""From an event in the database to a real socket: signed, in order, by `ringoff deliver` alone too."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from ringoff.clock import SystemClock
from ringoff.domain.events import EventType
from ringoff.operations.subscriptions import WebhookEntry, set_webhooks
from ringoff.store.postgres import PostgresStore
from ringoff.webhooks.deliverer import Deliverer
from ringoff.webhooks.lane import WebhookLimits
from ringoff.webhooks.sender import Sender
from ringoff.webhooks.signing import key_of, signed_headers
from tests.support.subscribers import FIRST, SECOND, states, write_events
from tests.support.world import World

pytestmark = pytest.mark.anyio


class Endpoint:
    """Refuses the first request of all, takes the others."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.came = asyncio.Condition()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self.came:
            self.requests.append(({name.lower(): text for name, text in request.headers.items()}, body))
            self.came.notify_all()
        return web.Response(status=503 if len(self.requests) == 1 else 204)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30), self.came:
            await self.came.wait_for(lambda: len(self.requests) >= count)


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


async def hooked(store: PostgresStore, port: int) -> tuple[World, str]:
    world = await World.make(store)
    await world.draft([FIRST, SECOND])
    entry = WebhookEntry(event_types=[EventType.CALL_COMPLETED], callback_url=f"http://127.0.0.1:{port}/hook")
    [(_, secret)] = await set_webhooks(store, world.principal, None, [entry], allow_private=True)
    return world, secret


async def test_what_arrives_is_signed_and_a_refusal_is_tried_again_before_later_events(store: PostgresStore) -> None:
    async with endpoint() as subscriber:
        world, secret = await hooked(store, subscriber.port)
        limits = WebhookLimits(backoff_s=(0.0, 0.0, 0.0), poll_s=0.01)
        async with Sender(SystemClock(), timeout_s=20, allow_private=True, connections_max=0) as sender:
            delivering = asyncio.create_task(
                Deliverer(store=store, clock=SystemClock(), sender=sender, limits=limits).run()
            )
            await write_events(world, FIRST, FIRST, FIRST)
            await subscriber.until(4)
            async with asyncio.timeout(20):
                while {state for state, _ in await states(world)} != {"delivered"}:
                    pass
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
    assert sorted(await states(world)) == [("delivered", 1), ("delivered", 1), ("delivered", 2)]
    ids = [headers["webhook-id"] for headers, _ in subscriber.requests]
    assert ids == sorted(ids, key=int)
    assert ids[0] == ids[1]
    for headers, body in subscriber.requests:
        signed = signed_headers(key_of(secret), headers["webhook-id"], int(headers["webhook-timestamp"]), body)
        assert headers["webhook-signature"] == signed["webhook-signature"]


async def test_a_process_that_only_delivers(store: PostgresStore, database_dsn: str, tmp_path: Path) -> None:
    async with endpoint() as subscriber:
        world, _ = await hooked(store, subscriber.port)
        await write_events(world, FIRST, SECOND)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ringoff.cli",
            "deliver",
            env=os.environ
            | {
                "RINGOFF_DATABASE_URL": database_dsn,
                "RINGOFF_DATA_DIR": str(tmp_path),
                "RINGOFF_WEBHOOK_ALLOW_PRIVATE": "true",
            },
            stdout=subprocess.DEVNULL,
        )
        try:
            await subscriber.until(2)
        finally:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
