"""A suppressed number is not rung, however its call came to be: the permit judges, and whoever adds waits for it."""

import asyncio

import pytest

from ringoff.domain.events import EventType
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import suppressions
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, FIRST, SECOND

pytestmark = pytest.mark.anyio

SKIPPED = ("cancelled", "DND_SKIPPED")


async def suppress(actors: Actors, *numbers: str) -> None:
    await suppressions.suppress(actors.store, actors.world.principal, numbers, None)


async def test_an_upload_and_an_individual_call_are_skipped_when_their_turn_comes(actors: Actors) -> None:
    await actors.world.subscribe(EventType.CALL_COMPLETED)
    await suppress(actors, FIRST)
    await actors.world.campaign([FIRST, SECOND])
    await actors.world.individual_call(FIRST)
    assert set((await actors.world.statuses()).values()) == {("registered", "QUEUED")}
    await actors.dial_all()
    assert actors.dialled == [SECOND]
    assert sorted((await actors.world.statuses()).values()) == [SKIPPED, SKIPPED, ("ongoing", "ACCEPTED")]
    assert await actors.world.count("SELECT count(*) FROM dial_attempt") == 1
    assert await actors.world.count("SELECT sum(grant_count) FROM pace_grant") == 1, "they took no place in the pace"
    events = "SELECT count(*) FROM outbox_event WHERE payload ->> 'sub_status' = 'DND_SKIPPED'"
    assert await actors.world.count(events) == 2
    assert await broken_invariants(actors.store) == []


async def test_a_retry_is_skipped(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    await suppress(actors, FIRST)
    assert (await actors.world.status_by_number())[FIRST] == ("ongoing", "ACCEPTED"), "what talks is left alone"
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 486)
        await actors.all_settled()
    assert (await actors.world.status_by_number())[FIRST] == ("retry", "RETRY_SCHEDULED")
    await actors.dial_all()
    assert len(actors.dialled) == 1
    assert (await actors.world.status_by_number())[FIRST] == SKIPPED


async def test_it_is_the_permit_that_judges_not_the_claim(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    actors.gates.hold("permit.before")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.before")
    await suppress(actors, FIRST)
    actors.gates.release("permit.before")
    await dialling
    assert actors.dialled == [SECOND]


@pytest.mark.parametrize("gate", ["permit.checked", "originate.before", "permit.before_commit"])
async def test_whoever_suppresses_waits_for_the_permits_in_flight(actors: Actors, gate: str) -> None:
    await actors.world.campaign([FIRST])
    actors.gates.hold(gate)
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached(gate)
    adding = asyncio.create_task(suppress(actors, FIRST))
    await actors.waits_for_a_lock(adding)
    actors.gates.release(gate)
    await dialling
    dialled_before = list(actors.dialled)
    await adding
    await actors.dial_all()
    assert actors.dialled == dialled_before == [FIRST]


async def test_an_order_that_suppresses_waits_for_permits_and_does_not_deadlock_with_them(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    [(work, calls)] = await actors.world.claim(actors.supervisor)
    actors.gates.hold("permit.locked")
    dialling = asyncio.create_task(actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic()))
    await actors.gates.reached("permit.locked")
    order = TerminationOrder(Selector(mobile_numbers=(FIRST, SECOND)), suppress=True)
    ordering = asyncio.create_task(actors.terminate(order))
    await actors.waits_for_a_lock(ordering)
    another = asyncio.create_task(suppress(actors, SECOND, FIRST))
    actors.gates.release("permit.locked")
    await dialling
    with pytest.raises(Exception, match="No terminable calls"):
        await ordering
    await another
    assert sorted(actors.dialled) == [FIRST, SECOND], "both had left before the order could commit"


async def test_a_call_behind_a_fence_belongs_to_its_order_though_its_number_is_suppressed(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST])
    actors.gates.hold("permit.before")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.before")
    termination_id = await actors.terminate(Selector(campaign_id=campaign_id))
    await suppress(actors, FIRST)
    actors.gates.release("permit.before")
    await dialling
    await actors.world.sweep_all(actors.supervisor)
    assert (await actors.world.status_by_number())[FIRST] == CANCELLED
    assert (await actors.receipt(termination_id)).cancelled_count == 1


async def test_a_number_that_is_allowed_again_is_rung_by_what_still_waits(actors: Actors) -> None:
    await suppress(actors, FIRST)
    await actors.world.campaign([FIRST])
    await suppressions.allow(actors.store, actors.world.principal, FIRST)
    await actors.dial_all()
    assert actors.dialled == [FIRST]


async def test_what_was_claimed_while_it_was_suppressed_has_no_place_and_waits_for_one(actors: Actors) -> None:
    await actors.world.campaign([FIRST])
    await suppress(actors, FIRST)
    [(work, [call])] = await actors.world.claim(actors.supervisor)
    assert not call.has_place
    await suppressions.allow(actors.store, actors.world.principal, FIRST)
    await actors.supervisor.dialer.dial(work, [call], actors.clock.monotonic())
    assert actors.dialled == [], "its place in the pace was never taken"
    assert await actors.world.statuses() == {call.call_id: ("registered", "QUEUED")}
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE call SET next_attempt_at = now()")
    await actors.dial_all()
    assert actors.dialled == [FIRST]
    assert await actors.world.count("SELECT sum(grant_count) FROM pace_grant") == 1


async def test_what_was_claimed_behind_a_fence_is_not_sent_when_the_fence_is_gone(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    await actors.terminate(Selector(mobile_numbers=(FIRST,)), number_rows_max=0)
    [(work, calls)] = await actors.world.claim(actors.supervisor)
    assert {call.called_number: call.has_place for call in calls} == {FIRST: False, SECOND: True}
    await actors.world.sweep_all(actors.supervisor)
    assert await actors.world.count("SELECT count(*) FROM number_fence") == 0
    await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())
    assert actors.dialled == [SECOND]
    assert (await actors.world.status_by_number())[FIRST] == CANCELLED
    assert await actors.world.count("SELECT sum(grant_count) FROM pace_grant") == 1
