"""What an order wants released is released, whatever its driver does and whatever crosses the release."""

import asyncio
from dataclasses import dataclass

import pytest

from ringoff.domain.identifiers import AttemptId
from ringoff.domain.termination import Ongoing, Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import FIRST, SECOND

pytestmark = pytest.mark.anyio


@dataclass
class StubbornCarrier:
    """Takes no release the first time it is asked: it raises, or never returns."""

    actors: Actors
    hangs: bool

    def __post_init__(self) -> None:
        self.tried: list[AttemptId] = []
        self._take = self.actors.carrier.release

    async def release(self, attempt_id: AttemptId) -> None:
        self.tried.append(attempt_id)
        if len(self.tried) == 1:
            if self.hangs:
                await asyncio.Event().wait()
            raise ConnectionResetError
        await self._take(attempt_id)


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_release_that_its_driver_does_not_take_is_tried_again_and_costs_no_other_its_own(
    actors: Actors, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    await actors.dial_all()
    stubborn = StubbornCarrier(actors, hangs)
    monkeypatch.setattr(actors.carrier, "release", stubborn.release)
    await actors.terminate(TerminationOrder(Selector(campaign_id=campaign_id), ongoing=Ongoing.HANGUP))
    await actors.supervisor.settler.release_what_orders_want()
    assert len(actors.carrier.released) == 1
    await actors.supervisor.settler.release_what_orders_want()
    assert set(actors.carrier.released) == {request.attempt_id for request in actors.carrier.wire}
    assert await actors.world.count("SELECT count(*) FROM release_wanted") == 0


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_driver_that_takes_no_release_stops_no_deadline(
    actors: Actors, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    await actors.world.campaign([FIRST, SECOND])
    await actors.dial_all()
    stubborn = StubbornCarrier(actors, hangs)
    monkeypatch.setattr(actors.carrier, "release", stubborn.release)
    actors.clock.skip(60.0)
    deadlines = asyncio.create_task(actors.supervisor.settler.run_deadlines())
    async with actors.settling():
        await actors.clock.advance(0.3)
        await actors.all_settled()
    deadlines.cancel()
    assert len(stubborn.tried) == 2
    assert {status for status, _ in (await actors.world.statuses()).values()} == {"error"}


async def test_an_answer_that_crosses_the_cancel_is_released_again_and_gets_no_new_time(actors: Actors) -> None:
    """The carrier took the CANCEL for too late, reports the answer, and never confirms anything."""
    campaign_id = await actors.world.campaign([FIRST])
    await actors.dial_all()
    [request] = actors.carrier.wire
    await actors.terminate(TerminationOrder(Selector(campaign_id=campaign_id), ongoing=Ongoing.HANGUP))
    async with actors.settling():
        await actors.supervisor.settler.release_what_orders_want()
        actors.carrier.answers(request.attempt_id, actors.clock.now())
        await actors.until_answered(request.attempt_id)
        actors.clock.skip(6.0)  # longer than release_grace_s
        deadlines = asyncio.create_task(actors.supervisor.settler.run_deadlines())
        await actors.clock.advance(0.3)
        await actors.all_settled()
        deadlines.cancel()
    assert actors.carrier.released == [request.attempt_id] * 2
    assert (await actors.world.status_by_number())[FIRST] == ("completed", "USER_TERMINATED")
    assert await broken_invariants(actors.store) == []
