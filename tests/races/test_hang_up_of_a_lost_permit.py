"""A hang-up reaches what rings though the database does not know it: the commit of its permit was lost."""

import asyncio

import pytest

from ringoff.domain.termination import Ongoing, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from tests.races.conftest import Actors
from tests.races.test_crashes import cut_idle_transactions
from tests.races.test_termination_against_permit import CANCELLED, EVERY_WAY, FIRST, Select

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_what_rings_though_its_permit_was_lost_is_hung_up_too(
    actors: Actors, select: Select, rows_max: int
) -> None:
    campaign_id = await actors.world.campaign([FIRST])
    selector = await select(actors, campaign_id)
    actors.gates.hold("permit.before_commit")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.gates.reached("permit.before_commit")
    await cut_idle_transactions(actors)
    actors.gates.release("permit.before_commit")
    await dialling
    assert actors.dialled == [FIRST]
    assert (await actors.world.status_by_number())[FIRST] == ("registered", "QUEUED")
    await actors.terminate(TerminationOrder(selector, ongoing=Ongoing.HANGUP), number_rows_max=rows_max)
    await actors.supervisor.settler.release_what_orders_want()
    assert actors.carrier.released == [actors.carrier.wire[0].attempt_id]
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 487)
        await actors.all_settled()
    await actors.world.sweep_all(actors.supervisor)
    assert (await actors.world.status_by_number())[FIRST] == CANCELLED
    assert await broken_invariants(actors.store) == []
