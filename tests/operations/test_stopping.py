"""A dispatcher that stops: what it has only claimed is anybody's at once; a loop that fails is said."""

import asyncio

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.readiness import Readiness
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.gates import Gates
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World

pytestmark = pytest.mark.anyio

FAST = DispatchLimits(poll_s=0.05, drain_s=0.0)
UNSENT = "SELECT count(*) FROM dial_attempt"


async def test_claims_that_are_not_sent_are_given_back(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.campaign(["+12025550111", "+12025550112"])
    gates, carrier = Gates(), ScriptedCarrier()
    gates.hold("claim.committed")
    supervisor = Supervisor(store=store, driver=carrier, clock=SystemClock(), limits=FAST, gate=gates)
    running = asyncio.create_task(supervisor.run())
    await gates.reached("claim.committed")
    assert await world.count(UNSENT) == 2
    supervisor.stop()
    supervisor.dispatcher.stop()  # which its loop does at its next turn
    gates.release("claim.committed")
    await running
    assert carrier.wire == []
    assert await world.count(UNSENT) == 0
    assert {status for status, _ in (await world.statuses()).values()} == {"registered"}


async def test_a_loop_that_fails_is_told_for_a_while(store: PostgresStore) -> None:
    clock = VirtualClock()
    supervisor = Supervisor(store=store, driver=ScriptedCarrier(), clock=clock, limits=FAST)
    readiness = Readiness()
    readiness.also_asks(supervisor.trouble)
    failed = asyncio.Event()

    async def fail_once() -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("broken")

    keeping = asyncio.create_task(supervisor._kept("sweeper", fail_once))
    await failed.wait()
    await clock.advance(0.0)
    assert readiness.reason == "a loop has failed and was started again: sweeper"
    await clock.advance(11.0)
    await keeping
    assert readiness.reason is None


def test_readiness_names_what_stands_in_its_way_until_it_is_gone() -> None:
    readiness = Readiness()
    assert readiness.reason is None
    readiness.blocked("start", "it starts")
    readiness.blocked("stop", "it stops")
    readiness.freed("start")
    readiness.freed("start")
    assert readiness.reason == "it stops"
