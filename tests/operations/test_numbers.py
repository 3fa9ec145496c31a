"""A calling number stays while somebody may still be called from it."""

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import Conflict
from ringoff.domain.termination import Selector
from ringoff.operations import numbers, terminations
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def test_an_individual_call_on_the_wire_may_come_back_from_its_number(store: PostgresStore) -> None:
    world, clock, carrier = await World.make(store), SystemClock(), ScriptedCarrier()
    [view] = await numbers.list_numbers(store, world.principal)
    await world.individual_call("+12025550111")
    await world.dial(Supervisor(store=store, driver=carrier, clock=clock), clock.monotonic())
    assert len(carrier.wire) == 1
    with pytest.raises(Conflict, match="individual call"):
        await numbers.remove_number(store, world.principal, view.number.number_id)


async def test_a_terminated_call_keeps_no_number(store: PostgresStore) -> None:
    world = await World.make(store)
    [view] = await numbers.list_numbers(store, world.principal)
    await world.individual_call("+12025550111")
    # The agent's fence covers the call; its row still says registered.
    await terminations.terminate(store, world.principal, Selector(agent_id=world.agent_id))
    assert {status for status, _ in (await world.raw_statuses()).values()} == {"registered"}
    assert await numbers.remove_number(store, world.principal, view.number.number_id) == view.number
