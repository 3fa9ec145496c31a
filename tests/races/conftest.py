"""The actors of a race: a world, a scripted carrier, gates, and the loops that write what the carrier reports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.identifiers import AttemptId, TerminationId
from ringoff.domain.records import Receipt
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations import receipts
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.gates import Gates
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World


class Actors:
    """Everything that a race needs, made anew for each test."""

    def __init__(self, store: PostgresStore, world: World) -> None:
        self.store = store
        self.world = world
        self.gates = Gates()
        self.carrier = ScriptedCarrier()
        # Close to the database's clock, because windows are judged by both.
        self.clock = VirtualClock(SystemClock().now())
        self.supervisor = Supervisor(
            store=store, driver=self.carrier, clock=self.clock, limits=DispatchLimits(), gate=self.gates
        )

    def another_process(self) -> Supervisor:
        """On the same database, with nothing in memory."""
        return Supervisor(store=self.store, driver=self.carrier, clock=self.clock, gate=self.gates)

    @property
    def dialled(self) -> list[str]:
        return [request.called_number for request in self.carrier.wire]

    async def dial_all(self) -> None:
        await self.world.dial(self.supervisor, self.clock.monotonic())

    async def terminate(self, order: TerminationOrder | Selector, **options: Any) -> TerminationId:
        """An order of this world, and the id of its receipt."""
        given = await terminate(self.store, self.world.principal, order, **options)
        return given.termination_id

    async def receipt(self, termination_id: TerminationId) -> Receipt:
        return await receipts.receipt(self.store, self.world.principal, termination_id)

    @asynccontextmanager
    async def settling(self) -> AsyncIterator[None]:
        """While the settler's loops run."""
        loops = [
            asyncio.create_task(self.supervisor.settler.run_carrier()),
            asyncio.create_task(self.supervisor.settler.run_events()),
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def all_settled(self) -> None:
        """Until no attempt of this process is live."""
        async with asyncio.timeout(20):
            while self.supervisor.settler.live:
                await self.supervisor.settler.channel_freed.wait()
                self.supervisor.settler.channel_freed.clear()

    async def until_answered(self, attempt_id: AttemptId) -> None:
        """Until the answer that the carrier reported is written. While ``settling``."""
        async with asyncio.timeout(20):
            while not await self.world.count(
                "SELECT count(*) FROM dial_attempt WHERE attempt_id = $1 AND state = 'answered'", attempt_id
            ):
                pass

    async def waits_for_a_lock(self, task: "asyncio.Task[object]") -> None:
        """Until the task's transaction queues behind a lock in the database; fails if it got through."""
        async with asyncio.timeout(20):
            while True:
                assert not task.done(), "it should have had to wait"
                waiting = await self.world.count(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                if waiting:
                    return


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))
