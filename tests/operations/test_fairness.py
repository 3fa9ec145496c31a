"""Campaigns and workspaces beside each other: counts of what was dialled after so many turns, never times."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.attempt_records import ClosedCampaign, OriginateRequest
from ringoff.domain.identifiers import CampaignId, TrunkId
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import campaign_life, campaign_shares, campaigns
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.operations.test_dispatching import closed_now
from tests.support.carriers import ScriptedCarrier
from tests.support.world import CALLING_NUMBER, RETRYING, World

pytestmark = pytest.mark.anyio

# Places in the pace that do not expire while a busy machine takes its time.
PATIENT = DispatchLimits(slot_ttl_ms=60_000, permit_ttl_ms=60_000, originate_timeout_ms=60_000)
FIVE_A_TICK = 33.0
"""Calls a second of a trunk that gives five at a time (domain/pacing)."""


def numbers(block: int, count: int) -> list[str]:
    return [f"+1202{block * 100_000 + n:07}" for n in range(count)]


@dataclass
class Fair:
    """A world, a carrier that only listens, and dispatchers that take their turns one after the other."""

    world: World
    carrier: ScriptedCarrier
    supervisors: Sequence[Supervisor]

    async def tick(self) -> None:
        """Everything that was granted has left the pace; each dispatcher makes a round."""
        for supervisor in self.supervisors:
            async with self.world.store.transaction() as tx:
                await tx.connection.execute("UPDATE pace_grant SET granted_at = granted_at - interval '10 minutes'")
            supervisor.dispatcher.forget_rests()
            async with asyncio.TaskGroup() as dials:
                await supervisor.dispatcher.dispatch_round(dials)

    async def share(
        self, campaign_id: CampaignId, *, weight: int | None = None, percentage: float | None = None
    ) -> None:
        await campaign_shares.change(
            self.world.store, self.world.principal, campaign_id, weight=weight, concurrency_percentage=percentage
        )

    def dialled(self, called: Sequence[str]) -> int:
        wanted = set(called)
        return sum(request.called_number in wanted for request in self.carrier.wire)


def fair(world: World, dispatcher_count: int = 1, limits: DispatchLimits = PATIENT) -> Fair:
    carrier, clock = ScriptedCarrier(), SystemClock()
    supervisors = [
        Supervisor(store=world.store, driver=carrier, clock=clock, limits=limits) for _ in range(dispatcher_count)
    ]
    return Fair(world, carrier, supervisors)


@pytest.mark.parametrize("backlog", [60, 1_500])
async def test_ten_calls_are_through_after_as_many_turns_whatever_the_others_have(
    store: PostgresStore, backlog: int
) -> None:
    world = await World.make(store, cps_max=FIVE_A_TICK)
    one = fair(world)
    await world.campaign(numbers(1, backlog))
    for _ in range(3):
        await one.tick()
    small = numbers(2, 10)
    await world.campaign(small)
    for _ in range(4):
        await one.tick()
    assert one.dialled(small) == 10
    assert one.dialled(numbers(1, backlog)) == 25, "and the rest of the pace was used"


@pytest.mark.parametrize("dispatcher_count", [1, 2])
async def test_one_to_three_by_weight_with_any_number_of_dispatchers(
    store: PostgresStore, dispatcher_count: int
) -> None:
    world = await World.make(store, cps_max=FIVE_A_TICK)
    both = fair(world, dispatcher_count)
    one, three = numbers(1, 200), numbers(2, 200)
    await both.share(await world.campaign(one), weight=10)
    await both.share(await world.campaign(three), weight=30)
    for _ in range(32 // dispatcher_count):
        await both.tick()
    assert both.dialled(one) + both.dialled(three) == 160
    assert abs(both.dialled(three) - 120) <= 5 * dispatcher_count
    assert await broken_invariants(store) == []


async def test_a_share_of_the_channels_is_exact_under_two_dispatchers_and_can_be_changed(store: PostgresStore) -> None:
    world = await World.make(store, channels_max=20)
    two = fair(world, 2)
    limited = numbers(1, 40)
    campaign_id = await world.campaign(limited)
    await two.share(campaign_id, percentage=25)
    async with asyncio.TaskGroup() as dials:
        for supervisor in [*two.supervisors] * 3:
            dials.create_task(supervisor.dispatcher.dispatch_round(dials))
    assert two.dialled(limited) == 5
    others = numbers(2, 40)
    await world.campaign(others)
    for _ in range(2):
        await two.tick()
    assert (two.dialled(limited), two.dialled(others)) == (5, 15), "what one may not use is the others'"
    await two.share(campaign_id, percentage=50)
    await two.tick()
    assert two.dialled(limited) == 5, "no channel is free"


async def test_a_share_that_grows_is_used_from_the_next_round(store: PostgresStore) -> None:
    world = await World.make(store, channels_max=20)
    two = fair(world, 2)
    limited = numbers(1, 40)
    campaign_id = await world.campaign(limited)
    await two.share(campaign_id, percentage=10)
    await two.tick()
    await two.share(campaign_id, percentage=45.5)
    await two.tick()
    assert two.dialled(limited) == 9
    await two.share(campaign_id, percentage=5)
    await two.tick()
    assert two.dialled(limited) == 9, "calls on the wire go on"


async def test_a_campaign_at_its_limit_is_not_asked_before_a_call_has_ended(store: PostgresStore) -> None:
    world = await World.make(store, channels_max=20)
    one = fair(world)
    await one.share(await world.campaign(numbers(1, 10)), percentage=10)
    [supervisor] = one.supervisors
    async with asyncio.TaskGroup() as dials:
        waits = [await supervisor.dispatcher.dispatch_round(dials) for _ in range(3)]
    assert len(one.carrier.wire) == 2
    assert waits[-1] >= 0.25, "no polling while talks go on"
    assert not supervisor.dispatcher.has_been_woken
    supervisor.dispatcher.channels_freed([world.trunk_id])
    assert supervisor.dispatcher.has_been_woken


async def test_free_channels_go_to_the_campaign_that_has_fewer_than_its_part(store: PostgresStore) -> None:
    world = await World.make(store, channels_max=10)
    one = fair(world)
    first, second = numbers(1, 40), numbers(2, 40)
    await world.campaign(first)
    await one.tick()
    assert one.dialled(first) == 10
    await world.campaign(second)
    await one.tick()
    async with store.transaction() as tx:  # As if four talks were over.
        await tx.connection.execute(
            "UPDATE dial_attempt SET state = 'released', released_at = now(), disposition = 'answered'"
            " WHERE attempt_id IN (SELECT attempt_id FROM dial_attempt ORDER BY attempt_id LIMIT 4)"
        )
        await tx.connection.execute(
            "UPDATE call c SET status = 'completed', sub_status = 'ACCEPTED', ended_at = now() FROM dial_attempt a"
            " WHERE a.call_id = c.call_id AND a.state = 'released'"
        )
    await one.tick()
    assert (one.dialled(first), one.dialled(second)) == (10, 4)


async def test_a_workspace_of_many_campaigns_leaves_half_of_the_round_to_one_of_one(store: PostgresStore) -> None:
    crowded, lonely = await World.make(store), await World.make(store)
    limits = DispatchLimits(
        batch_max=1, round_claims_max=40, slot_ttl_ms=60_000, permit_ttl_ms=60_000, originate_timeout_ms=60_000
    )
    both = fair(lonely, limits=limits)
    for block in range(100):
        await crowded.campaign(numbers(block, 2))
    await lonely.campaign(numbers(500, 60))
    await both.tick()
    by_workspace = Counter(request.trunk.workspace_id for request in both.carrier.wire)
    assert by_workspace == {crowded.workspace_id: 20, lonely.workspace_id: 20}


async def test_of_a_workspace_with_very_many_campaigns_each_round_reads_some_and_all_have_their_turn(
    store: PostgresStore,
) -> None:
    crowded, lonely = await World.make(store), await World.make(store)
    crowd = [await crowded.campaign(numbers(block, 1)) for block in range(12)]
    alone = await lonely.campaign(numbers(500, 1))
    seen: set[CampaignId] = set()
    async with asyncio.timeout(60):
        while len(seen) < len(crowd):
            async with store.transaction() as tx:
                found = [work.campaign_id for work in await tx.dispatch.work(None, (), 5)]
            assert alone in found
            assert len(found) == 6
            seen |= set(found) - {alone}


# More campaigns than a round looks at, of which almost all are outside their window.
FEW_AT_A_TIME = replace(PATIENT, work_campaigns_max=10)


async def test_campaigns_outside_their_window_take_no_place_of_those_inside(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=FIVE_A_TICK)
    one = fair(world, limits=FEW_AT_A_TIME)
    closed = replace(RETRYING, window=closed_now(SystemClock().now()))
    for block in range(40):
        await world.campaign(numbers(block, 1), config=closed)
    inside = numbers(500, 200)
    await world.campaign(inside)
    [supervisor] = one.supervisors
    waits: list[float] = []
    async with asyncio.TaskGroup() as dials:
        for _ in range(4):
            # A trunk that rests since the last round would be asked about none of its campaigns.
            supervisor.dispatcher.forget_rests()
            waits.append(await supervisor.dispatcher.dispatch_round(dials))
    assert waits[0] == 0, "others may be inside: they are looked at without waiting for a poll"
    dialled = one.dialled(inside)
    for turn in range(1, 21):
        await one.tick()
        assert one.dialled(inside) >= 5 * turn
    assert len(one.carrier.wire) == one.dialled(inside) <= dialled + 100


async def test_a_campaign_whose_window_was_changed_is_dialled_in_the_next_round(store: PostgresStore) -> None:
    world = await World.make(store)
    one = fair(world, limits=replace(PATIENT, work_campaigns_max=1))
    closed = replace(RETRYING, window=closed_now(SystemClock().now()))
    campaign_id = await world.campaign(numbers(1, 1), config=closed)
    for _ in range(2):
        await one.tick()
    assert one.carrier.wire == []
    await terminate(store, world.principal, Selector(campaign_id=campaign_id))
    await campaigns.start(
        store,
        world.principal,
        world.agent_id,
        campaign_id,
        [CALLING_NUMBER],
        now=SystemClock().now(),
        terms=campaigns.StartTerms(call_config=RETRYING),
    )
    await one.tick()
    assert one.dialled(numbers(1, 1)) == 1


async def test_a_campaign_that_is_known_to_be_closed_is_left_out_until_it_opens_or_is_changed(
    store: PostgresStore,
) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(numbers(1, 1))
    async with store.transaction() as tx:
        [work] = await tx.dispatch.work(None)
        opens_at = work.now + timedelta(hours=1)
        closed = [ClosedCampaign(campaign_id, work.campaign_changed_at, opens_at)]
        assert await tx.dispatch.work(None, (), 10, closed) == []
        assert await tx.dispatch.work(opens_at - timedelta(microseconds=1), (), 10, closed) == []
        assert [found.campaign_id for found in await tx.dispatch.work(opens_at, (), 10, closed)] == [campaign_id]
    await campaign_life.pause(store, world.principal, campaign_id)
    await campaign_life.resume(store, world.principal, campaign_id)
    async with store.transaction() as tx:
        assert [found.campaign_id for found in await tx.dispatch.work(None, (), 10, closed)] == [campaign_id]


async def test_calls_behind_an_unswept_fence_take_no_pace_from_other_campaigns(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=FIVE_A_TICK)
    one = fair(world)
    ended = ["+12025559999"] * 60
    await world.campaign(ended)
    await terminate(store, world.principal, Selector(mobile_numbers=("+12025559999",)), number_rows_max=0)
    mine = numbers(2, 60)
    await world.campaign(mine)
    for _ in range(8):
        await one.tick()
    assert (one.dialled(mine), one.dialled(ended)) == (40, 0)


async def test_calls_behind_an_unswept_fence_are_put_off_at_the_pace(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=FIVE_A_TICK)
    [supervisor] = fair(world).supervisors
    await world.campaign(["+12025559999"] * 60)
    await terminate(store, world.principal, Selector(mobile_numbers=("+12025559999",)), number_rows_max=0)
    async with asyncio.TaskGroup() as dials:
        wait = await supervisor.dispatcher.dispatch_round(dials)
    assert wait == 0.05, "a batch for each tick, though the pace is all there"
    assert await world.count("SELECT count(*) FROM call WHERE next_attempt_at > now() + interval '1 second'") == 5
    assert await world.count("SELECT count(*) FROM pace_grant") == 0


class SlowFor(ScriptedCarrier):
    """Requests of one trunk do not leave before the test says so."""

    def __init__(self, trunk_id: TrunkId) -> None:
        super().__init__()
        self._trunk_id = trunk_id
        self.held_count = 0
        self.let_go = asyncio.Event()

    async def originate(self, request: OriginateRequest) -> str:
        if request.trunk.trunk_id == self._trunk_id:
            self.held_count += 1
            await self.let_go.wait()
        return await super().originate(request)


async def test_the_slow_carrier_of_one_workspace_holds_up_no_other(store: PostgresStore) -> None:
    slow, other = await World.make(store), await World.make(store)
    carrier, clock = SlowFor(slow.trunk_id), SystemClock()
    limits = DispatchLimits(batch_max=1, slot_ttl_ms=60_000, permit_ttl_ms=60_000, originate_timeout_ms=60_000)
    supervisor = Supervisor(store=store, driver=carrier, clock=clock, limits=limits)
    for block in range(8):
        await slow.campaign(numbers(block, 2))
    first, second = numbers(20, 1), numbers(21, 1)
    await other.campaign(first)
    async with asyncio.TaskGroup() as dials:
        await supervisor.dispatcher.dispatch_round(dials)
        await other.campaign(second)
        await supervisor.dispatcher.dispatch_round(dials)
        async with asyncio.timeout(30):
            while len(carrier.wire) < 2:
                await other.count("SELECT 1")
        assert {request.called_number for request in carrier.wire} == {*first, *second}
        assert carrier.held_count <= 3
        carrier.let_go.set()


async def test_a_schema_without_shares_gives_everybody_the_same(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=FIVE_A_TICK)
    async with store.transaction() as tx:
        await tx.connection.execute("DROP TABLE campaign_share")
    one = fair(world)
    first, second = numbers(1, 40), numbers(2, 40)
    await world.campaign(first)
    await world.campaign(second)
    for _ in range(8):
        await one.tick()
    assert (one.dialled(first), one.dialled(second)) == (20, 20)
