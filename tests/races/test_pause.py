"""After a pause, or an end, has returned nothing of the campaign is dialled: against permits, in every order."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from ringoff.domain.errors import Conflict
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import campaign_life
from ringoff.operations.terminations import terminate
from ringoff.ports import Gate
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.races.scene import Scene, staged
from tests.races.scheduled import FIRST, SECOND, play, until
from tests.races.test_second_permits import challenged
from tests.support.schedules import every_schedule
from tests.support.world import World

pytestmark = pytest.mark.anyio

CANCELLED = ("cancelled", "USER_TERMINATED")

Verb = Callable[[PostgresStore, World, CampaignId, Gate], Coroutine[Any, Any, Any]]


async def pause(store: PostgresStore, world: World, campaign_id: CampaignId, gate: Gate) -> Any:
    return await campaign_life.pause(store, world.principal, campaign_id, gate=gate)


async def end(store: PostgresStore, world: World, campaign_id: CampaignId, gate: Gate) -> Any:
    return await campaign_life.end(store, world.principal, campaign_id, gate=gate)


BOTH = pytest.mark.parametrize("verb", [pause, end], ids=["pause", "end"])


@BOTH
@pytest.mark.parametrize("gate", ["permit.checked", "originate.before", "permit.before_commit"])
async def test_it_waits_for_the_permits_in_flight(actors: Actors, verb: Verb, gate: str) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    [(work, [call])] = await actors.world.claim(actors.supervisor, count_max=1)
    actors.gates.hold(gate)
    dialling = asyncio.create_task(actors.supervisor.dialer.dial(work, [call], actors.clock.monotonic()))
    await actors.gates.reached(gate)
    stopping = asyncio.create_task(verb(actors.store, actors.world, campaign_id, actors.gates))
    await actors.waits_for_a_lock(stopping)
    actors.gates.release(gate)
    await dialling
    await stopping
    dialled_before = list(actors.dialled)
    assert len(dialled_before) == 1
    await actors.dial_all()
    assert actors.dialled == dialled_before


@BOTH
async def test_what_was_claimed_before_it_does_not_leave(actors: Actors, verb: Verb) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    actors.gates.hold("permit.before")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.before")
    await verb(actors.store, actors.world, campaign_id, actors.gates)
    actors.gates.release("permit.before")
    await dialling
    assert actors.dialled == []
    assert await actors.world.count("SELECT count(*) FROM dial_attempt") == 0


async def test_a_pause_before_the_second_permit_puts_the_call_back(actors: Actors) -> None:
    """A challenge that is answered rings; the answer would be a dial after the pause."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    async with actors.settling():
        attempt = await challenged(actors)
        await campaign_life.pause(actors.store, actors.world.principal, campaign_id)
        await actors.supervisor.second_permits.permit_again([attempt])
        await actors.all_settled()
    assert (actors.carrier.resumed, actors.carrier.released) == ([], [attempt.claimed.attempt_id])
    assert sorted(status for status, _ in (await actors.world.statuses()).values()) == ["registered", "retry"]
    assert await broken_invariants(actors.store) == []


async def test_an_order_ends_a_paused_campaign(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    await campaign_life.pause(actors.store, actors.world.principal, campaign_id)
    await terminate(actors.store, actors.world.principal, Selector(campaign_id=campaign_id))
    with pytest.raises(Conflict, match="the campaign is terminated: only a paused campaign can be resumed"):
        await campaign_life.resume(actors.store, actors.world.principal, campaign_id)
    await actors.dial_all()
    assert actors.dialled == []
    assert set((await actors.world.statuses()).values()) == {CANCELLED}


async def test_an_order_for_the_agent_and_an_end_at_once(actors: Actors) -> None:
    """They take different locks: whoever writes the campaign's row first wins, and the other is refused."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    actors.gates.hold("end.locked")
    ending = asyncio.create_task(end(actors.store, actors.world, campaign_id, actors.gates))
    await actors.gates.reached("end.locked")
    await terminate(actors.store, actors.world.principal, Selector(agent_id=actors.world.agent_id))
    actors.gates.release("end.locked")
    with pytest.raises(Conflict, match="the campaign is terminated: only a scheduled, ongoing or paused"):
        await ending
    assert await actors.world.count("SELECT count(*) FROM termination") == 1
    assert await broken_invariants(actors.store) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("verb", "count_max", "schedule_count"),
    [(pause, 1, 23), (pause, 2, 30), (end, 1, 23), (end, 2, 30)],
    ids=["pause, one", "pause, both", "end, one", "end, both"],
)
async def test_every_schedule_of_a_dial_against_it(
    database_dsn: str, verb: Verb, count_max: int, schedule_count: int
) -> None:
    """Nothing leaves after it has returned; after a pause and a resume each call is dialled, once."""
    wrong: list[str] = []
    played_count = 0
    async with staged(database_dsn) as (store, stepper):
        for schedule in every_schedule():
            stepper.log.clear()
            scene = await Scene.make(store, stepper)
            campaign_id = await scene.campaign((FIRST, SECOND))
            returned_at: list[int] = []
            dial = await stepper.start("dial", scene.process.claim_and_dial(campaign_id, count_max))
            await until(dial, "permit.before", scene)
            await stepper.start("stop", stopping(verb, scene, campaign_id, returned_at))
            wrong += await play(scene, schedule)
            stepper.actors.clear()
            await scene.process.claim_and_dial(campaign_id)
            wrong += await judge(verb, scene, campaign_id, returned_at)
            played_count += 1
    assert wrong == []
    assert played_count == schedule_count, "the race has other steps, or other locks, than it had"


async def stopping(verb: Verb, scene: Scene, campaign_id: CampaignId, returned_at: list[int]) -> None:
    await verb(scene.store, scene.world, campaign_id, scene.stepper)
    returned_at.append(len(scene.wire))


async def judge(verb: Verb, scene: Scene, campaign_id: CampaignId, returned_at: list[int]) -> list[str]:
    after = " | ".join(scene.stepper.log)
    wrong = []
    if returned_at != [len(scene.wire)]:
        wrong.append(f"dialled after it had returned, after {after}")
    if verb is end:
        await scene.end_what_is_live()
        if set((await scene.world.statuses()).values()) != {CANCELLED}:
            wrong.append(f"an ended campaign left {await scene.world.statuses()}, after {after}")
    else:
        async with scene.store.transaction() as tx:  # What a permit has put off is due at once.
            await tx.connection.execute("UPDATE call SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL")
        await campaign_life.resume(scene.store, scene.world.principal, campaign_id)
        await scene.process.claim_and_dial(campaign_id)
        if sorted(request.called_number for request in scene.wire) != [FIRST, SECOND]:
            wrong.append(f"dialled {[request.called_number for request in scene.wire]}, after {after}")
    return wrong + await scene.broken_rules()
