"""One call in the order of time: all attempts, what subscribers were told, and the order that covers it."""

import pytest

from ringoff.domain.call_timeline import Moment
from ringoff.domain.errors import NotFound
from ringoff.domain.events import EventType
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations.call_timeline import call_timeline
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.support.world import World

pytestmark = pytest.mark.anyio

NUMBER = "+12025550501"


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


async def end_live(actors: Actors, sip_status: int) -> None:
    async with actors.settling():
        for attempt_id in list(actors.supervisor.settler.live):
            actors.carrier.ends(attempt_id, sip_status, text="as the carrier says")
        await actors.all_settled()


async def test_from_the_registration_to_the_order(actors: Actors) -> None:
    world = actors.world
    await world.subscribe(EventType.CALL_COMPLETED)
    campaign_id = await world.campaign([NUMBER])
    call_id = (await world.call_ids())[NUMBER]
    for _ in range(2):
        await actors.dial_all()
        await end_live(actors, 486)
    waiting = await call_timeline(actors.store, world.principal, call_id)
    assert [attempt.disposition for attempt in waiting.attempts] == ["busy", "busy"]
    assert waiting.attempts[0].cause == "SIP 486, as the carrier says"
    assert (waiting.call.callee_name, waiting.receipt) == ("somebody", None)
    assert Moment.NEXT_ATTEMPT in {entry.moment for entry in waiting.entries}
    order = TerminationOrder(Selector(campaign_id=campaign_id), reason="they asked us to stop")
    termination_id = await actors.terminate(order)
    ended = waiting
    for is_swept in (False, True):
        if is_swept:
            await world.sweep_all(actors.supervisor)
        ended = await call_timeline(actors.store, world.principal, call_id)
        assert ended.call.status == "cancelled"
        assert ended.receipt is not None
        assert ended.receipt.termination_id == termination_id
        assert [entry.words for entry in ended.entries if entry.moment is Moment.ORDERED] == ["they asked us to stop"]
        assert Moment.NEXT_ATTEMPT not in {entry.moment for entry in ended.entries}
        instants = [entry.at for entry in ended.entries]
        assert instants == sorted(instants)
    dialled = {entry.moment for entry in ended.entries if entry.attempt_no == 2}
    assert dialled == {Moment.PREPARED, Moment.ORIGINATED, Moment.RELEASED}
    assert [event.event_type for event in ended.events] == ["call_completed"] * 3


async def test_what_a_subscriber_was_told(actors: Actors) -> None:
    world = actors.world
    async with actors.store.transaction() as tx:
        opened, _ = await tx.webhooks.set_webhook(
            world.workspace_id,
            None,
            "call_completed",
            callback_url="https://hook.example/",
            headers={},
            method="POST",
            signing_secret="secret",
        )
    await world.campaign([NUMBER])
    await actors.dial_all()
    await end_live(actors, 404)
    async with actors.store.transaction() as tx:
        [_] = await tx.webhooks.claim(opened, 10, 60.0)
    timeline = await call_timeline(actors.store, world.principal, (await world.call_ids())[NUMBER])
    [delivery] = timeline.deliveries
    assert (delivery.state, delivery.tries) == ("pending", 1)
    [tried] = [entry for entry in timeline.entries if entry.moment is Moment.TRIED]
    assert tried.words == "call_completed, try 1: no answer, pending"
    assert tried.event_id == timeline.events[0].event_id


async def test_a_stranger_has_no_such_call(actors: Actors) -> None:
    call_id = await actors.world.individual_call(NUMBER)
    timeline = await call_timeline(actors.store, actors.world.principal, call_id)
    assert (timeline.call.is_individual, timeline.attempts) == (True, [])
    stranger = await World.make(actors.store)
    with pytest.raises(NotFound):
        await call_timeline(actors.store, stranger.principal, call_id)
