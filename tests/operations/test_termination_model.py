"""The five levels and every mix of selectors against a plain in-memory model, on the real database."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ringoff.clock import SystemClock
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import NothingTerminable
from ringoff.domain.identifiers import AgentId, CallId, CampaignId
from ringoff.domain.termination import Selector, covers
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World

NUMBERS = [f"+120255502{n:02}" for n in range(6)]
PENDING = ("registered", "retry")


@dataclass
class ModelCall:
    """What the model knows of one call; ``campaign_id`` is None for individual calls."""

    agent_id: AgentId
    campaign_id: CampaignId | None
    number: str
    status: str = "registered"
    is_barred: bool = False


class TerminationMachine(RuleBasedStateMachine):
    """Each example is a workspace of its own beside one bystander that nothing may ever touch."""

    dsn: str
    runner: asyncio.Runner

    def run_async(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    @initialize()
    def begin(self) -> None:
        self.calls: dict[CallId, ModelCall] = {}
        self.campaigns: list[CampaignId] = []
        self.run_async(self._begin())

    async def _begin(self) -> None:
        self.store = await PostgresStore.connect(self.dsn, pool_max=2, dispatch_pool_max=1)
        self.world = await World.make(self.store)
        self.agents = [self.world.agent_id, await self.world.another_agent()]
        self.carrier = ScriptedCarrier()
        self.clock = VirtualClock(SystemClock().now())
        self.supervisor = Supervisor(store=self.store, driver=self.carrier, clock=self.clock)
        self.bystander = await World.make(self.store)
        await self.bystander.campaign(NUMBERS)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run_async(self.store.close())

    @rule(agent=st.integers(0, 1), numbers=st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4, unique=True))
    def upload(self, agent: int, numbers: list[str]) -> None:
        agent_id = self.agents[agent]
        campaign_id = self.run_async(self.world.campaign(numbers, agent_id=agent_id))
        self.campaigns.append(campaign_id)
        self._learn(agent_id, campaign_id)

    @rule(agent=st.integers(0, 1), number=st.sampled_from(NUMBERS))
    def ring_one(self, agent: int, number: str) -> None:
        self.run_async(self.world.individual_call(number, agent_id=self.agents[agent]))
        self._learn(self.agents[agent], None)

    def _learn(self, agent_id: AgentId, campaign_id: CampaignId | None) -> None:
        for call_id, number in self.run_async(self._new_calls()):
            self.calls[call_id] = ModelCall(agent_id, campaign_id, number)

    async def _new_calls(self) -> list[tuple[CallId, str]]:
        async with self.store.transaction() as tx:
            rows = await tx.connection.fetch(
                "SELECT call_id, called_number FROM call_effective WHERE workspace_id = $1", self.world.workspace_id
            )
        return [(row["call_id"], row["called_number"]) for row in rows if row["call_id"] not in self.calls]

    @rule(count=st.integers(1, 3))
    def dial_some(self, count: int) -> None:
        before = len(self.carrier.wire)
        self.run_async(self._dial(count))
        for request in self.carrier.wire[before:]:
            call = self.calls[request.call_id]
            assert call.status in PENDING, f"a call was dialled that is {call.status}"
            call.status = "ongoing"

    async def _dial(self, count: int) -> None:
        for work, claimed in await self.world.claim(self.supervisor, count_max=count):
            await self.supervisor.dialer.dial(work, claimed, self.clock.monotonic())

    @precondition(lambda self: any(call.status == "ongoing" for call in self.calls.values()))
    @rule(data=st.data(), sip_status=st.sampled_from([200, 486, 603]))
    def one_ends(self, data: st.DataObject, sip_status: int) -> None:
        ongoing = sorted(call_id for call_id, call in self.calls.items() if call.status == "ongoing")
        call_id = data.draw(st.sampled_from(ongoing))
        call = self.calls[call_id]
        retries_used = sum(1 for request in self.carrier.wire if request.call_id == call_id) - 1
        [attempt_id] = [
            attempt_id for attempt_id, live in self.supervisor.settler.live.items() if live.claimed.call_id == call_id
        ]
        self.carrier.ends(attempt_id, sip_status, was_answered=sip_status == 200)
        self.run_async(self._settle())
        if sip_status == 200:
            call.status = "completed"
        elif sip_status == 603 or retries_used >= 3:
            call.status = "failed"
        else:
            call.status = "cancelled" if call.is_barred else "retry"

    async def _settle(self) -> None:
        settler = self.supervisor.settler
        live_before = len(settler.live)
        loops = [asyncio.create_task(settler.run_carrier()), asyncio.create_task(settler.run_events())]
        while len(settler.live) == live_before:
            await settler.channel_freed.wait()
            settler.channel_freed.clear()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    @precondition(lambda self: bool(self.calls))
    @rule(
        data=st.data(),
        with_agent=st.booleans(),
        with_calls=st.booleans(),
        with_campaign=st.booleans(),
        with_numbers=st.booleans(),
        rows_max=st.sampled_from([0, 2_000]),
    )
    def order(
        self,
        data: st.DataObject,
        with_agent: bool,
        with_calls: bool,
        with_campaign: bool,
        with_numbers: bool,
        rows_max: int,
    ) -> None:
        selector = Selector(
            agent_id=data.draw(st.sampled_from(self.agents)) if with_agent else None,
            call_ids=(
                tuple(data.draw(st.lists(st.sampled_from(sorted(self.calls)), min_size=1, max_size=4, unique=True)))
                if with_calls
                else None
            ),
            campaign_id=(
                data.draw(st.sampled_from([*self.campaigns, *self.bystander.campaigns])) if with_campaign else None
            ),
            mobile_numbers=(
                tuple(data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3, unique=True)))
                if with_numbers
                else None
            ),
        )
        if not selector.fields:
            return
        covered = [
            call
            for call_id, call in self.calls.items()
            if covers(
                selector,
                call_id=call_id,
                agent_id=call.agent_id,
                campaign_id=call.campaign_id,
                called_number=call.number,
            )
        ]
        terminable = [call for call in covered if call.status in PENDING]
        try:
            self.run_async(terminate(self.store, self.world.principal, selector, number_rows_max=rows_max))
        except NothingTerminable:
            assert not terminable, f"{selector} covers {len(terminable)} terminable calls and was refused"
            return
        assert terminable, f"{selector} covers nothing terminable and was accepted"
        for call in covered:
            if call.status in PENDING:
                call.status = "cancelled"
            elif call.status == "ongoing":
                call.is_barred = True

    @rule()
    def sweep(self) -> None:
        self.run_async(self.world.sweep_all(self.supervisor))

    @invariant()
    def the_world_is_as_the_model_says(self) -> None:
        if not hasattr(self, "world"):
            return
        seen = {call_id: status for call_id, (status, _) in self.run_async(self.world.statuses()).items()}
        assert seen == {call_id: call.status for call_id, call in self.calls.items()}

    @invariant()
    def the_bystander_is_untouched_and_the_rules_hold(self) -> None:
        if not hasattr(self, "bystander"):
            return
        assert {status for status, _ in self.run_async(self.bystander.statuses()).values()} == {"registered"}
        assert self.run_async(broken_invariants(self.store)) == []


@pytest.mark.slow
def test_terminations_do_what_the_model_says(database_dsn: str) -> None:
    with asyncio.Runner() as runner:
        machine = type("Machine", (TerminationMachine,), {"dsn": database_dsn, "runner": runner})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
