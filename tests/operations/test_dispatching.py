"""The loops together, against the real store and a carrier that answers at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.call_config import CallConfig
from ringoff.domain.call_window import CallWindow
from ringoff.domain.carrier import HandlingKind, answer_handling
from ringoff.domain.retry_policy import RetryPolicy
from ringoff.observability.invariants import broken_invariants
from ringoff.store.postgres import PostgresStore
from ringoff.telephony.simulated import SimulatedCarrier
from tests.support.carriers import ScriptedCarrier
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World

pytestmark = pytest.mark.anyio

# A busy machine may take its time from a claim to its request: places in the pace are tested elsewhere.
FAST = DispatchLimits(poll_s=0.05, drain_s=0.0, silence_timeout_s=0.3, slot_ttl_ms=20_000)


async def until_ended(world: World, numbers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The final statuses of these numbers."""
    async with asyncio.timeout(30):
        while True:
            by_number = await world.status_by_number()
            if all(by_number[number][0] in ("completed", "failed", "error", "cancelled") for number in numbers):
                return by_number


async def test_every_outcome_of_the_simulated_carrier_reaches_its_end(store: PostgresStore) -> None:
    world = await World.make(store)
    expected = {
        "+12025550001": ("completed", "ACCEPTED"),
        "+12025550002": ("failed", "RETRY_LIMIT_REACHED"),
        "+12025550003": ("failed", "RETRY_LIMIT_REACHED"),
        "+12025550004": ("failed", "FAILED"),
        "+12025550005": ("failed", "FAILED"),
        "+12025550007": ("failed", "RETRY_LIMIT_REACHED"),
        "+12025550008": ("error", "RECONCILED_TO_ERROR_FROM_ONGOING"),
        "+12025550009": ("completed", "VOICEMAIL_DETECTED"),
    }
    policy = RetryPolicy(retry_count=2, retry_busy_min=0, retry_not_picked_min=0, retry_failed_min=0)
    await world.campaign([*expected, "+12025550006"], config=CallConfig(retry=policy))
    clock = SystemClock()
    carrier = SimulatedCarrier(clock, seed=1, speed=1e9)
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=FAST)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run())
        by_number = await until_ended(world, list(expected))
        supervisor.stop()
    congested = by_number.pop("+12025550006")
    assert by_number == expected
    assert congested == ("retry", "RETRY_SCHEDULED"), "congestion puts back and spends no retry"
    assert await world.count("SELECT retries_used FROM call WHERE called_number = '+12025550006'") == 0
    assert await world.count("SELECT retries_used FROM call WHERE called_number = '+12025550002'") == 2
    dials = "SELECT count(*) FROM dial_attempt a JOIN call c USING (workspace_id, call_id) WHERE c.called_number = $1"
    assert await world.count(dials, "+12025550002") == 3
    assert await broken_invariants(store) == []


async def test_a_notification_wakes_the_dispatcher(store: PostgresStore) -> None:
    world = await World.make(store)
    clock = SystemClock()
    carrier = ScriptedCarrier()
    # The poll alone would take an hour.
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=DispatchLimits(poll_s=3_600, drain_s=0))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run())
        async with asyncio.timeout(20):
            listening = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'LISTEN'"
            while not await world.count(listening):
                continue
            await world.individual_call("+12025550111")
            while not carrier.wire:
                async with store.transaction() as tx:
                    await tx.calls.wake_dispatchers()
        supervisor.stop()
    assert [request.called_number for request in carrier.wire] == ["+12025550111"]


def closed_now(now: datetime) -> CallWindow:
    """One minute, half a day away."""
    minute = (now.hour * 60 + now.minute + 720) % 1_440
    return CallWindow(minute, minute % 1_440 + 1, "UTC")


async def test_a_campaign_outside_its_window_is_not_claimed_and_stays_registered(store: PostgresStore) -> None:
    world = await World.make(store)
    clock = SystemClock()
    window = closed_now(clock.now())
    await world.campaign(["+12025550111"], config=CallConfig(window=window))
    carrier = ScriptedCarrier()
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=FAST)
    async with asyncio.TaskGroup() as dials:
        assert await supervisor.dispatcher.dispatch_round(dials) <= FAST.poll_s
    assert carrier.wire == []
    assert await world.count("SELECT count(*) FROM dial_attempt") == 0
    assert list((await world.statuses()).values()) == [("registered", "QUEUED")]


async def test_an_individual_call_outside_its_own_window_is_put_off_to_the_opening(store: PostgresStore) -> None:
    world = await World.make(store)
    clock = SystemClock()
    window = closed_now(clock.now())
    await world.individual_call("+12025550111", config=CallConfig(window=window))
    await world.individual_call("+12025550112")
    carrier = ScriptedCarrier()
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=FAST)
    await world.dial(supervisor, clock.monotonic())
    assert [request.called_number for request in carrier.wire] == ["+12025550112"]
    async with store.transaction() as tx:
        [row] = await tx.connection.fetch("SELECT status, next_attempt_at FROM call WHERE status <> 'ongoing'")
    assert row["status"] == "registered"
    assert timedelta(hours=11) < row["next_attempt_at"] - clock.now() <= timedelta(hours=12)
    assert await world.count("SELECT count(*) FROM dial_attempt") == 1


async def test_channels_are_exact_across_dispatchers(store: PostgresStore) -> None:
    world = await World.make(store, channels_max=7)
    await world.campaign([f"+1202555{n:04}" for n in range(3_000, 3_040)])
    carrier, clock = ScriptedCarrier(), SystemClock()
    supervisors = [Supervisor(store=store, driver=carrier, clock=clock, limits=FAST) for _ in range(3)]
    async with asyncio.TaskGroup() as dials:
        for supervisor in supervisors * 3:
            dials.create_task(supervisor.dispatcher.dispatch_round(dials))
    assert len(carrier.wire) == 7


async def test_pace_is_exact_across_dispatchers(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=30)
    await world.campaign([f"+1202555{n:04}" for n in range(3_000, 3_040)])
    carrier, clock = ScriptedCarrier(), SystemClock()
    supervisors = [Supervisor(store=store, driver=carrier, clock=clock, limits=FAST) for _ in range(3)]
    async with asyncio.TaskGroup() as dials:
        for supervisor in supervisors * 3:
            dials.create_task(supervisor.dispatcher.dispatch_round(dials))
    grants = await world.count("SELECT coalesce(sum(grant_count), 0) FROM pace_grant")
    assert len(carrier.wire) <= grants <= 30


async def test_a_stop_leaves_no_claim_behind(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.campaign([f"+1202555{n:04}" for n in range(4_000, 4_200)])
    carrier, clock = ScriptedCarrier(), SystemClock()
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=FAST)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run())
        async with asyncio.timeout(20):
            while not carrier.wire:
                await world.count("SELECT 1")
        supervisor.stop()
    prepared = await world.count("SELECT count(*) FROM dial_attempt WHERE state = 'prepared'")
    assert prepared == 0
    assert await world.count("SELECT count(*) FROM dial_attempt WHERE state = 'originated'") == len(carrier.wire)


async def test_what_rings_or_talks_too_long_is_released_by_us(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.campaign(["+12025550111", "+12025550112"], config=CallConfig(max_call_length_s=1))
    carrier, clock = ScriptedCarrier(), SystemClock()
    limits = DispatchLimits(poll_s=0.05, drain_s=0, ring_timeout_s=0.05, release_grace_s=0.05)
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=limits)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run())
        async with asyncio.timeout(20):
            while len(carrier.wire) < 2:
                await world.count("SELECT 1")
            rings, talks = carrier.wire
            carrier.rings(rings.attempt_id)
            carrier.answers(talks.attempt_id)
            by_number = await until_ended(world, [rings.called_number, talks.called_number])
        supervisor.stop()
    assert set(carrier.released) == {rings.attempt_id, talks.attempt_id}
    assert by_number[rings.called_number] == ("failed", "RETRY_LIMIT_REACHED")
    assert by_number[talks.called_number] == ("completed", "MAX_CALL_DURATION")


async def test_campaigns_of_one_trunk_take_turns_at_its_pace(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=6)  # one call in each tenth of a second
    first = [f"+1202555{n:04}" for n in range(6_000, 6_020)]
    second = [f"+1202555{n:04}" for n in range(7_000, 7_020)]
    await world.campaign(first)
    await world.campaign(second)
    carrier, clock = ScriptedCarrier(), SystemClock()
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=FAST)
    async with asyncio.timeout(30):
        while len(carrier.wire) < 6:
            async with asyncio.TaskGroup() as dials:
                await supervisor.dispatcher.dispatch_round(dials)
    dialled = [request.called_number in first for request in carrier.wire[:6]]
    assert dialled.count(True) == dialled.count(False) == 3


async def test_the_rendered_prompt_and_the_ids_go_along_to_the_agent(store: PostgresStore) -> None:
    world = await World.make(store)
    carrier = ScriptedCarrier()
    supervisor = Supervisor(store=store, driver=carrier, clock=SystemClock(), limits=FAST)
    async with store.transaction() as tx:
        agent = await tx.workspaces.add_agent(
            world.workspace_id,
            "caller",
            "outbound",
            "en-US",
            [],
            {"task": "Ring @{{mobile_number}}, @{{callee_name}}", "intro_message": "Is this @{{mobile_number}}?"},
        )
        handling = answer_handling(HandlingKind.MEDIA_URL, "wss://agent.example.com")
        await tx.workspaces.change_handling(world.workspace_id, agent.agent_id, handling)
    world = replace(world, agent_id=agent.agent_id)
    await world.campaign(["+12025550111"])
    await world.dial(supervisor, SystemClock().monotonic())
    [request] = carrier.wire
    assert request.handling == handling
    assert request.parameters["call_id"] == str(request.call_id)
    assert request.parameters["agent_prompt"].startswith("Ring +12025550111, ")
    assert request.parameters["agent_intro_message"] == "Is this +12025550111?"
    assert request.parameters["agent_language"] == "en-US"
    assert "agent_voice_id" not in request.parameters
    assert list(request.parameters)[-1] == "agent_prompt", "what may be cut comes last"


async def test_a_trunk_that_takes_nothing_is_not_asked_again_at_once(store: PostgresStore) -> None:
    world = await World.make(store, channels_max=2)
    await world.campaign([f"+1202555{n:04}" for n in range(3_000, 3_010)])
    claims = []

    async def gate(name: str) -> None:
        if name == "claim.committed":
            claims.append(name)

    carrier = ScriptedCarrier()
    supervisor = Supervisor(store=store, driver=carrier, clock=VirtualClock(), gate=gate)
    dispatcher = supervisor.dispatcher
    async with asyncio.TaskGroup() as dials:
        await dispatcher.dispatch_round(dials)
        for _ in range(5):
            assert await dispatcher.dispatch_round(dials) > 0
        assert len(claims) == 1, "both channels are taken, which the first claim has left so"
        dispatcher.channels_freed([world.trunk_id])
        await dispatcher.dispatch_round(dials)
    assert len(claims) == 2, "a channel was said to be free"


async def test_reports_wait_for_company_until_a_batch_is_full(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.campaign([f"+1202555{n:04}" for n in range(3_000, 3_005)])
    writes = []

    async def gate(name: str) -> None:
        if name == "settle.before_commit":
            writes.append(name)

    carrier, clock = ScriptedCarrier(), SystemClock()
    patience = {"slot_ttl_ms": 60_000, "permit_ttl_ms": 60_000, "originate_timeout_ms": 60_000}
    limits = DispatchLimits(settle_every_s=3_600, events_batch_max=4, **patience)
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=limits, gate=gate)
    settler = supervisor.settler
    await world.dial(supervisor, clock.monotonic())
    first, *others = list(settler.live)
    loops = [asyncio.create_task(loop()) for loop in (settler.run_carrier, settler.run_events)]
    async with asyncio.timeout(20):
        carrier.ends(first, 486)
        await settler.channel_freed.wait()
        settler.channel_freed.clear()
        for attempt_id in others:
            assert len(writes) == 1, "the first at once, the others in an hour"
            carrier.ends(attempt_id, 486)
        await settler.channel_freed.wait()
    assert len(writes) == 2, "a full batch does not wait"
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
