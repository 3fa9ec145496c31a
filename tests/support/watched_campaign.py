"""A small campaign that is dialled, with an order, a webhook and some requests, while somebody watches."""

import asyncio
from dataclasses import dataclass

import httpx2
from aiohttp import web

from ringoff.api.app import ApiLimits, create_app
from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.events import EventType
from ringoff.domain.termination import Selector
from ringoff.observability.counting import Counting
from ringoff.observability.invariants import InvariantWatch
from ringoff.observability.metrics import Metrics
from ringoff.observer_port import Observer
from ringoff.operations.subscriptions import WebhookEntry, set_webhooks
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from ringoff.telephony.simulated import SimulatedCarrier
from ringoff.webhooks.deliverer import Deliverer
from ringoff.webhooks.lane import WebhookLimits
from ringoff.webhooks.sender import Sender
from tests.support.world import World

ANSWERED, BUSY, NO_ANSWER, REJECTED, INVALID, CONGESTED = (f"+1202555000{digit}" for digit in (1, 2, 3, 4, 5, 6))
NUMBERS = [ANSWERED, BUSY, NO_ANSWER, REJECTED, INVALID]
_LIMITS = DispatchLimits(poll_s=0.05, drain_s=0.0)


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of it."""

    world: World
    metrics: Metrics
    scraped: str
    """The exposition text, by HTTP."""
    delivered: list[dict[str, str]]
    """The headers of each webhook's request."""


async def watched_campaign(store: PostgresStore, observer: Observer | None = None) -> Watched:
    """Dial until all are over; without an observer, by the one that counts."""
    clock, metrics = SystemClock(), Metrics()
    observer = observer or Counting(metrics, clock)
    world = await World.make(store)
    delivered: list[dict[str, str]] = []
    runner, port = await _subscriber(delivered)
    try:
        entry = WebhookEntry(event_types=[EventType.CALL_COMPLETED], callback_url=f"http://127.0.0.1:{port}/hook")
        await set_webhooks(store, world.principal, None, [entry], allow_private=True)
        stopped = await world.draft(["+12025550031"])
        await terminate(store, world.principal, Selector(campaign_id=stopped), observer=observer)
        await world.campaign(NUMBERS)
        await _dial(store, world, clock, observer)
        await _deliver(store, clock, observer, delivered)
    finally:
        await runner.cleanup()
    await InvariantWatch(store=store, clock=clock, metrics=metrics, every_s=60).look()
    return Watched(world, metrics, await _scraped(store, clock, metrics, observer), delivered)


async def _dial(store: PostgresStore, world: World, clock: SystemClock, observer: Observer) -> None:
    carrier = SimulatedCarrier(clock, seed=1, speed=1e9)
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=_LIMITS, observer=observer)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run())
        while any(
            status not in {"completed", "failed", "cancelled"} for status, _ in (await world.statuses()).values()
        ):
            pass
        while await world.count("SELECT count(*) FROM termination WHERE state = 'settling'"):
            pass
        supervisor.stop()


async def _deliver(
    store: PostgresStore, clock: SystemClock, observer: Observer, delivered: list[dict[str, str]]
) -> None:
    async with Sender(clock, timeout_s=20, allow_private=True, connections_max=0) as sender:
        deliverer = Deliverer(
            store=store, clock=clock, sender=sender, limits=WebhookLimits(poll_s=0.01), observer=observer
        )
        async with store.transaction() as tx:
            [subscription] = await tx.webhooks.open()
        assert await deliverer.drain(subscription) == len(delivered)


async def _scraped(store: PostgresStore, clock: SystemClock, metrics: Metrics, observer: Observer) -> str:
    """After a request that is counted, one to no route, and one without a key."""
    app = create_app(store=store, clock=clock, limits=ApiLimits(), metrics=metrics, observer=observer)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ringoff.test") as client:
        for path in ("/healthz", "/nowhere", "/ca/api/v0/workspace"):
            await client.get(path, headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
        return (await client.get("/metrics")).text


async def _subscriber(delivered: list[dict[str, str]]) -> tuple[web.AppRunner, int]:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        delivered.append({name.lower(): text for name, text in request.headers.items()})
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]
