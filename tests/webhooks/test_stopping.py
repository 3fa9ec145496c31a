"""A deliverer that stops: what is on its way may end, and the rest is somebody else's at once."""

import asyncio

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.webhooks.lane import WebhookLimits
from tests.support.subscribers import FIRST, SECOND, Line, deliverer, states, subscribed, write_events
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(store: PostgresStore) -> World:
    made = await World.make(store)
    await made.draft([FIRST, SECOND])
    return made


async def test_requests_in_flight_end_and_nothing_new_is_taken(world: World) -> None:
    await subscribed(world)
    await write_events(world, FIRST, FIRST)
    line = Line()
    line.hold(FIRST)
    deliveries = deliverer(world.store, line, WebhookLimits(poll_s=0.01, drain_s=60.0))
    running = asyncio.create_task(deliveries.run())
    await line.until(1)
    deliveries.stop()
    deliveries.stop()
    line.let_go(FIRST)
    await running
    assert await states(world) == [("delivered", 1), ("pending", 0)]


async def test_what_does_not_end_in_time_is_given_back_and_the_next_one_has_it_at_once(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST, SECOND)
    line = Line()
    line.hold(FIRST)
    deliveries = deliverer(world.store, line, WebhookLimits(poll_s=0.01, drain_s=0.0))
    running = asyncio.create_task(deliveries.run())
    await line.until(2)
    async with asyncio.timeout(20):
        while ("delivered", 1) not in await states(world):
            pass
    deliveries.stop()
    await running
    assert await states(world) == [("pending", 0), ("delivered", 1)], "the try was ours to give up: it does not count"
    another = Line()
    assert await deliverer(world.store, another).drain(subscription) == 1
    assert [said["to_number"] for _, said in another.sent] == [FIRST]


async def test_a_lease_that_somebody_else_has_taken_over_is_not_given_back(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST)
    async with world.store.transaction() as tx:
        [ours] = await tx.webhooks.claim(subscription, 10, 0.0)
    async with world.store.transaction() as tx:
        [theirs] = await tx.webhooks.claim(subscription, 10, 3_600.0)
    async with world.store.transaction() as tx:
        await tx.webhooks.give_back(subscription, [ours])
        assert await tx.webhooks.claim(subscription, 10, 0.0) == []
    assert (ours.tries, theirs.tries) == (1, 2)
    assert await states(world) == [("pending", 2)]
