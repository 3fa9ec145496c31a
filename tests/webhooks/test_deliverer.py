"""Deliveries from the outbox: in the event's transaction, in order per call, at least once, kept when they fail."""

import pytest

from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import EventType
from ringoff.domain.webhook_records import OpenSubscription
from ringoff.operations.subscriptions import WebhookEntry, set_webhooks
from ringoff.store.postgres import PostgresStore
from ringoff.webhooks.lane import WebhookLimits
from tests.support.subscribers import FIRST, SECOND, URL, Line, deliverer, states, subscribed, write_events
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(store: PostgresStore) -> World:
    made = await World.make(store)
    await made.draft([FIRST, SECOND])
    return made


async def test_the_events_of_a_call_arrive_in_order(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST, FIRST, SECOND)
    line = Line()
    assert await deliverer(world.store, line).drain(subscription) == 3
    assert line.ids_of(FIRST) == sorted(line.ids_of(FIRST))
    assert (len(line.ids_of(FIRST)), len(line.ids_of(SECOND))) == (2, 1)
    headers, said = line.sent[0]
    assert (headers["Authorization"], headers["webhook-id"]) == ("Bearer x", said["event_id"])
    assert await deliverer(world.store, line).drain(subscription) == 0


async def test_a_dead_deliverer_loses_nothing_its_lease_runs_out(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST)
    async with world.store.transaction() as tx:
        [lost] = await tx.webhooks.claim(subscription, 10, 3_600.0)
    line = Line()
    assert await deliverer(world.store, line).drain(subscription) == 0
    async with world.store.transaction() as tx:
        await tx.connection.execute("UPDATE webhook_delivery SET next_try_at = now()")
    assert await deliverer(world.store, line).drain(subscription) == 1
    assert line.sent[0][1]["event_id"] == str(lost.event_id)


async def test_after_the_last_try_an_event_is_kept_and_can_be_sent_again_with_its_id(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST)
    line = Line(500)
    deliveries = deliverer(world.store, line, WebhookLimits(backoff_s=(0.0, 0.0, 0.0)))
    assert await deliveries.drain(subscription) == 4
    assert await deliveries.drain(subscription) == 0
    assert await states(world) == [("dropped", 4)]
    async with world.store.transaction() as tx:
        assert await tx.webhooks.redeliver(subscription, 0, 2**53) == 1
    line.status = 200
    await deliveries.drain(subscription)
    assert await states(world) == [("delivered", 1)]
    assert len({str(said["event_id"]) for _, said in line.sent}) == 1


async def test_an_endpoint_that_keeps_failing_is_paused_and_goes_on_where_it_stopped(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST, FIRST)
    line = Line(None)
    assert await deliverer(world.store, line).drain(subscription) == 3
    paused = "SELECT count(*) FROM event_subscription WHERE paused_at IS NOT NULL AND alarm LIKE '%keeps failing%'"
    assert await world.count(paused) == 1
    async with world.store.transaction() as tx:
        assert await tx.webhooks.open() == []
        assert await tx.webhooks.resume(subscription, 60.0)
        assert await tx.webhooks.open() == [subscription]
    assert await states(world) == [("pending", 3), ("pending", 0)]


async def test_an_event_is_kept_while_its_delivery_is_pending(world: World) -> None:
    subscription = await subscribed(world)
    await write_events(world, FIRST)
    async with world.store.transaction() as tx:
        await tx.connection.execute("UPDATE outbox_event SET created_at = now() - interval '1 year'")
        await tx.dispatch.prune(1, 100)
    assert await world.count("SELECT count(*) FROM outbox_event") == 1
    await deliverer(world.store, Line()).drain(subscription)
    async with world.store.transaction() as tx:
        await tx.dispatch.prune(1, 100)
    assert await world.count("SELECT count(*) FROM outbox_event") == 0
    assert await states(world) == []


async def test_nobody_hears_of_another_workspace_or_agent(world: World, store: PostgresStore) -> None:
    stranger = await World.make(store)
    await subscribed(stranger)
    await write_events(world, FIRST)
    assert await states(world) == []
    taken = OpenSubscription(stranger.workspace_id, (await subscribed(world)).subscription_id)
    await write_events(world, FIRST)
    assert await deliverer(store, Line()).drain(taken) == 0
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE webhook_delivery SET state = 'dropped'")
        assert not await tx.webhooks.resume(taken, 0.0)
        assert await tx.webhooks.redeliver(taken, 0, 10**9) == 0


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (WebhookEntry(event_types=[], callback_url=URL), "event_type"),
        (WebhookEntry(event_types=[EventType.CALL_COMPLETED], callback_url="http://10.0.0.1/"), "callback_url"),
        (WebhookEntry(event_types=[EventType.CALL_COMPLETED], callback_url=URL, method="GET"), "method_type"),
        (WebhookEntry(event_types=[EventType.CALL_COMPLETED], callback_url=URL, headers={"Host": "x"}), "headers"),
        (WebhookEntry(event_types=[EventType.CALL_COMPLETED], callback_url=URL, headers={"A": "\n"}), "headers"),
    ],
    ids=["no events", "private", "GET", "Host", "line break"],
)
async def test_bad_input_names_its_field_and_changes_nothing(world: World, entry: WebhookEntry, field: str) -> None:
    good = WebhookEntry(event_types=[EventType.CALL_COMPLETED], callback_url=URL)
    with pytest.raises(InvalidInput) as refused:
        await set_webhooks(world.store, world.principal, world.agent_id, [good, entry])
    assert refused.value.field == field
    assert await world.count("SELECT count(*) FROM event_subscription") == 0


async def test_the_log_of_a_subscription_that_has_ended_is_pruned(world: World) -> None:
    await subscribed(world)
    await write_events(world, FIRST, SECOND)
    async with world.store.transaction() as tx:
        await tx.subscriptions.replace(world.workspace_id, world.agent_id, [])
    kept = await subscribed(world)
    await write_events(world, FIRST)
    async with world.store.transaction() as tx:
        await tx.dispatch.prune(1, 100)
        rows = await tx.connection.fetch("SELECT subscription_id FROM webhook_delivery")
    assert [row["subscription_id"] for row in rows] == [kept.subscription_id]


async def test_the_age_of_what_waits_is_that_of_the_oldest_event_and_paused_ones_are_named(world: World) -> None:
    subscription = await subscribed(world)
    async with world.store.transaction() as tx:
        assert await tx.webhooks.oldest_undelivered_s() is None
    await write_events(world, FIRST, SECOND)
    async with world.store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE outbox_event SET created_at = now() - interval '1 hour'"
            " WHERE event_id = (SELECT min(event_id) FROM outbox_event)"
        )
        await tx.connection.execute("UPDATE event_subscription SET paused_at = now(), alarm = 'keeps failing'")
    async with world.store.transaction() as tx:
        assert 3_600 <= (await tx.webhooks.oldest_undelivered_s() or 0) < 7_200
        [paused] = await tx.webhooks.paused()
    assert (paused.subscription_id, paused.alarm) == (subscription.subscription_id, "keeps failing")
