"""The slots of a subscription: a slow answer holds one, and so does an outcome that is not written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.errors import DatabaseUnavailable
from ringoff.store.postgres import PostgresStore
from ringoff.webhooks.deliverer import Deliverer
from ringoff.webhooks.lane import WebhookLimits
from tests.support.gates import Gates
from tests.support.subscribers import FIRST, SECOND, Line, deliverer, states, subscribed, write_events
from tests.support.world import World

pytestmark = pytest.mark.anyio

THIRD = "+12025550113"
QUICK = WebhookLimits(poll_s=0.01)


@pytest.fixture
async def world(store: PostgresStore) -> World:
    made = await World.make(store)
    await made.draft([FIRST, SECOND, THIRD])
    return made


@asynccontextmanager
async def running(*deliverers: Deliverer) -> AsyncIterator[None]:
    loops = [asyncio.create_task(each.run()) for each in deliverers]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def until_all(world: World, state: str) -> None:
    async with asyncio.timeout(20):
        while {each for each, _ in await states(world)} != {state}:
            pass


async def test_a_slow_answer_holds_up_its_own_call_only(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST, FIRST, SECOND, SECOND, SECOND)
    line = Line()
    line.hold(FIRST)
    draining = asyncio.create_task(deliverer(world.store, line, WebhookLimits(in_flight_max=2)).drain(subscription))
    await line.until(4)
    assert (len(line.ids_of(FIRST)), len(line.ids_of(SECOND))) == (1, 3)
    line.let_go(FIRST)
    assert await draining == 5
    assert line.ids_of(FIRST) == sorted(line.ids_of(FIRST))
    assert line.ids_of(SECOND) == sorted(line.ids_of(SECOND))


async def test_no_more_requests_are_on_their_way_than_there_are_slots(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST, SECOND, THIRD)
    line = Line()
    for number in (FIRST, SECOND, THIRD):
        line.hold(number)
    draining = asyncio.create_task(deliverer(world.store, line, WebhookLimits(in_flight_max=2)).drain(subscription))
    await line.until(2)
    for number in (FIRST, SECOND, THIRD):
        line.let_go(number)
    assert await draining == 3
    assert line.on_its_way_max == 2


async def test_an_event_that_becomes_due_meanwhile_does_not_wait_for_a_slow_answer(world: World) -> None:
    await subscribed(world)
    await write_events(world, FIRST)
    line = Line()
    line.hold(FIRST)
    async with running(deliverer(world.store, line, QUICK)):
        await line.until(1)
        await write_events(world, SECOND)
        await line.until(2)
        line.let_go(FIRST)
        await until_all(world, "delivered")


async def test_what_was_paused_while_answers_were_on_their_way_is_not_claimed(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST, FIRST)
    line = Line()
    line.hold(FIRST)
    draining = asyncio.create_task(deliverer(world.store, line).drain(subscription))
    await line.until(1)
    async with world.store.transaction() as tx:
        await tx.connection.execute("UPDATE event_subscription SET paused_at = now(), alarm = 'by hand'")
    line.let_go(FIRST)
    assert await draining == 1
    assert await states(world) == [("delivered", 1), ("pending", 0)]


async def test_an_event_that_cannot_be_made_into_a_request_fails_alone(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST, SECOND)
    async with world.store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE outbox_event SET payload = payload - 'status'"
            " WHERE event_id = (SELECT min(event_id) FROM outbox_event)"
        )
    assert await deliverer(world.store, Line(), WebhookLimits(backoff_s=())).drain(subscription) == 2
    assert await states(world) == [("dropped", 1), ("delivered", 1)]


async def test_two_deliverers_send_each_event_once_and_in_order(world: World) -> None:
    """One has claimed and stands still; the other takes what is left, and nothing of what the first one holds."""
    await subscribed(world)
    await write_events(world, *[FIRST, SECOND, THIRD] * 4)
    gates, line = Gates(), Line()
    limits = WebhookLimits(in_flight_max=1, poll_s=0.01)
    slow = Deliverer(store=world.store, clock=SystemClock(), sender=line, limits=limits, gate=gates)
    gates.hold("deliver.claimed")
    async with running(slow):
        await gates.reached("deliver.claimed")
        async with running(deliverer(world.store, line, QUICK)):
            await line.until(8)
            gates.release("deliver.claimed")
            await until_all(world, "delivered")
    assert await states(world) == [("delivered", 1)] * 12
    for number in (FIRST, SECOND, THIRD):
        assert line.ids_of(number) == sorted(set(line.ids_of(number)))
    assert len(line.sent) == 12


async def test_an_outcome_that_the_database_did_not_take_is_written_when_it_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribed(world)
    await write_events(world, FIRST)
    line, refused = Line(), asyncio.Semaphore(0)
    line.hold(FIRST)
    real = PostgresStore.transaction
    async with running(deliverer(world.store, line, QUICK)):
        await line.until(1)

        def away(self: PostgresStore) -> object:
            refused.release()
            raise DatabaseUnavailable("away")

        monkeypatch.setattr(PostgresStore, "transaction", away)
        line.let_go(FIRST)
        async with asyncio.timeout(20):
            for _ in range(3):  # the first ones may be those of the loop that looks for due events
                await refused.acquire()
        monkeypatch.setattr(PostgresStore, "transaction", real)
        await until_all(world, "delivered")
    assert await states(world) == [("delivered", 1)]
    assert len(line.sent) == 1
