"""Numbers of a pool take turns, each at its own pace, and a pool stays while somebody may be called from it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import Conflict, InvalidInput, NotFound
from ringoff.domain.identifiers import CallId, CampaignId, NumberPoolId
from ringoff.domain.termination import Selector
from ringoff.domain.workspace import NumberPool
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import calls, campaigns, number_pools, numbers, suppressions
from ringoff.operations.calls import IndividualCall
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.world import CALLING_NUMBER, RETRYING, World

pytestmark = pytest.mark.anyio

ANN, BEN, CAT = "+12025550171", "+12025550172", "+12025550173"
CALLED = [f"+120255502{n:02}" for n in range(12)]


@dataclass
class Pooled:
    """A world with three more numbers, and one dispatcher whose rounds the test takes one by one."""

    world: World
    carrier: ScriptedCarrier
    supervisor: Supervisor

    @property
    def shown(self) -> list[str]:
        return [request.calling_number for request in self.carrier.wire]

    async def pool(self, *members: str, name: str = "pool") -> NumberPool:
        return await number_pools.add_pool(self.world.store, self.world.principal, name, members)

    async def campaign(self, called: Sequence[str], pool: NumberPool) -> CampaignId:
        campaign_id = await self.world.draft(called)
        await campaigns.start(
            self.world.store,
            self.world.principal,
            self.world.agent_id,
            campaign_id,
            None,
            number_pool_id=str(pool.number_pool_id),
            now=SystemClock().now(),
        )
        return campaign_id

    async def call(self, called: str, pool: NumberPool) -> CallId:
        request = IndividualCall(
            "Ada", called, self.world.agent_id, None, None, {}, RETRYING, number_pool_id=str(pool.number_pool_id)
        )
        call = await calls.register_individual(self.world.store, self.world.principal, request, SystemClock().now())
        assert call.calling_number is None
        return call.call_id

    async def round(self) -> float:
        async with asyncio.TaskGroup() as dials:
            return await self.supervisor.dispatcher.dispatch_round(dials)

    async def pace(self, number: str, cps_max: float | None) -> None:
        by_number = {
            v.number.number: v.number for v in await numbers.list_numbers(self.world.store, self.world.principal)
        }
        await number_pools.change_pace(self.world.store, self.world.principal, by_number[number].number_id, cps_max)

    async def later(self, seconds: float) -> None:
        """As if the numbers had been shown so much earlier."""
        async with self.world.store.transaction() as tx:
            await tx.connection.execute(
                "UPDATE number SET paced_off_at = paced_off_at - make_interval(secs => $1)", seconds
            )

    async def turns(self, pool: NumberPool, count_max: int) -> list[str]:
        """Take them all."""
        async with self.world.store.transaction() as tx:
            turns = await tx.number_pools.turns(self.world.workspace_id, pool.number_pool_id, count_max)
            await tx.number_pools.take_turns(self.world.workspace_id, turns)
        return list(turns)


def a_supervisor(store: PostgresStore, carrier: ScriptedCarrier, batch_max: int) -> Supervisor:
    # Places in the pace that do not expire while a busy machine takes its time.
    limits = DispatchLimits(batch_max=batch_max, slot_ttl_ms=60_000, permit_ttl_ms=60_000, originate_timeout_ms=60_000)
    return Supervisor(store=store, driver=carrier, clock=SystemClock(), limits=limits)


@pytest.fixture
async def pooled(store: PostgresStore) -> Pooled:
    world, carrier = await World.make(store), ScriptedCarrier()
    for number in (ANN, BEN, CAT):
        await numbers.add_number(store, world.principal, number, None, None)
    return Pooled(world, carrier, a_supervisor(store, carrier, batch_max=1))


async def test_the_number_shown_longest_ago_is_next(pooled: Pooled) -> None:
    await pooled.campaign(CALLED[:7], await pooled.pool(ANN, BEN, CAT))
    for _ in range(7):
        await pooled.round()
    first = pooled.shown[:3]
    assert sorted(first) == [ANN, BEN, CAT]
    assert pooled.shown == [*first, *first, first[0]]
    assert await broken_invariants(pooled.world.store) == []


async def test_the_turns_of_one_batch_go_round(pooled: Pooled, store: PostgresStore) -> None:
    pool = await pooled.pool(ANN, BEN, CAT)
    await pooled.campaign(CALLED[:7], pool)
    pooled.supervisor = a_supervisor(store, pooled.carrier, batch_max=50)
    await pooled.round()
    assert sorted(Counter(pooled.shown).values()) == [2, 2, 3]
    [ahead] = [number for number, count in Counter(pooled.shown).items() if count == 3]
    assert (await pooled.turns(pool, 3))[-1] == ahead, "the one with the last turn waits longest"


async def test_two_campaigns_share_the_turns_of_a_pool(pooled: Pooled) -> None:
    pool = await pooled.pool(ANN, BEN)
    await pooled.campaign(CALLED[:4], pool)
    await pooled.campaign(CALLED[4:8], pool)
    for _ in range(4):
        await pooled.round()
    assert len(pooled.shown) == 8
    # What is dialled at once may leave in any order.
    assert [set(pooled.shown[place : place + 2]) for place in range(0, 8, 2)] == [{ANN, BEN}] * 4


async def test_what_is_suppressed_takes_no_turn(pooled: Pooled) -> None:
    await suppressions.suppress(pooled.world.store, pooled.world.principal, CALLED[:5], None)
    await pooled.pace(ANN, 0.001)
    await pooled.campaign(CALLED[:6], await pooled.pool(ANN))
    for _ in range(6):
        await pooled.round()
    assert pooled.shown == [ANN], "the one turn of its pace was still there"


async def test_a_batch_takes_the_turns_of_those_that_ring(pooled: Pooled, store: PostgresStore) -> None:
    await suppressions.suppress(store, pooled.world.principal, CALLED[:5], None)
    await pooled.campaign(CALLED[:7], await pooled.pool(ANN, BEN, CAT))
    pooled.supervisor = a_supervisor(store, pooled.carrier, batch_max=50)
    await pooled.round()
    assert len(pooled.shown) == 2
    async with store.transaction() as tx:
        rows = await tx.connection.fetch("SELECT number FROM number WHERE last_shown_at IS NOT NULL")
    assert {row["number"] for row in rows} == set(pooled.shown)


async def test_a_number_over_its_pace_is_skipped(pooled: Pooled) -> None:
    await pooled.pace(ANN, 0.001)
    await pooled.campaign(CALLED[:6], await pooled.pool(ANN, BEN))
    for _ in range(6):
        await pooled.round()
    assert Counter(pooled.shown) == {ANN: 1, BEN: 5}


@pytest.mark.parametrize(
    ("cps_max", "at_once", "until_next_s"), [(0.1, 1, 10.0), (1.0, 1, 1.0), (2.5, 2, 0.4), (5.0, 5, 0.2)]
)
async def test_a_second_s_worth_at_once_and_the_pace_in_the_long_run(
    pooled: Pooled, cps_max: float, at_once: int, until_next_s: float
) -> None:
    pool = await pooled.pool(ANN)
    await pooled.pace(ANN, cps_max)
    assert await pooled.turns(pool, 50) == [ANN] * at_once
    await pooled.later(1 / cps_max + until_next_s)
    # Two turns have passed. What is not used is not saved up: there is never more than a second's worth.
    assert len(await pooled.turns(pool, 50)) == min(2, at_once)
    for _ in range(5):
        assert await pooled.turns(pool, 50) == []
        await pooled.later(until_next_s)
        assert await pooled.turns(pool, 50) == [ANN]
    await pooled.later(1_000)
    assert await pooled.turns(pool, 50) == [ANN] * at_once


async def test_a_pool_without_a_turn_waits_and_holds_up_no_other_campaign(pooled: Pooled) -> None:
    await pooled.pace(ANN, 0.001)
    pool = await pooled.pool(ANN)
    await pooled.campaign(CALLED[:3], pool)
    await pooled.world.campaign(CALLED[3:5])
    await pooled.round()
    for _ in range(3):
        await pooled.round()
    assert Counter(pooled.shown) == {ANN: 1, CALLING_NUMBER: 2}
    async with pooled.world.store.transaction() as tx:
        wait_s = await tx.number_pools.wait_s(pooled.world.workspace_id, pool.number_pool_id)
    assert wait_s is not None
    assert 0 < wait_s <= 1_000


async def test_an_individual_call_out_of_a_pool(pooled: Pooled) -> None:
    pool = await pooled.pool(ANN, BEN)
    await pooled.call(CALLED[0], pool)
    await pooled.round()
    await pooled.call(CALLED[1], pool)
    await pooled.world.individual_call(CALLED[2])
    for _ in range(2):
        await pooled.round()
    assert Counter(pooled.shown) == {ANN: 1, BEN: 1, CALLING_NUMBER: 1}
    with pytest.raises(InvalidInput, match="it cannot call itself"):
        await pooled.call(BEN, pool)


async def test_a_pool_changes_while_it_is_dialled(pooled: Pooled) -> None:
    world, pool = pooled.world, await pooled.pool(ANN)
    await pooled.campaign(CALLED[:4], pool)
    await pooled.round()
    changed = await number_pools.set_numbers(world.store, world.principal, pool.number_pool_id, [CAT, BEN])
    assert changed.numbers == (BEN, CAT)
    for _ in range(3):
        await pooled.round()
    assert pooled.shown[0] == ANN
    assert set(pooled.shown[1:]) == {BEN, CAT}


async def test_a_pool_stays_while_somebody_may_be_called_from_it(pooled: Pooled) -> None:
    world, pool = pooled.world, await pooled.pool(ANN)
    remove = (world.store, world.principal, pool.number_pool_id)
    campaign_id = await pooled.campaign(CALLED[:1], pool)
    with pytest.raises(Conflict, match="in use by campaign 'campaign'"):
        await number_pools.remove_pool(*remove)
    [ann] = [v.number for v in await numbers.list_numbers(world.store, world.principal) if v.number.number == ANN]
    with pytest.raises(Conflict, match="in a number pool: take it out of that first"):
        await numbers.remove_number(world.store, world.principal, ann.number_id)
    async with world.store.transaction() as tx:
        await tx.connection.execute("UPDATE campaign SET status = 'completed' WHERE campaign_id = $1", campaign_id)
    await pooled.call(CALLED[2], pool)
    with pytest.raises(Conflict, match="in use by an individual call"):
        await number_pools.remove_pool(*remove)
    async with world.store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE call SET status = 'failed', sub_status = 'FAILED', next_attempt_at = NULL, ended_at = now()"
        )
    await number_pools.remove_pool(*remove)
    with pytest.raises(NotFound):
        await number_pools.read_pool(*remove)
    assert (await numbers.remove_number(world.store, world.principal, ann.number_id)).number == ANN


async def test_a_call_that_meets_the_removal_of_its_pool_comes_first_or_is_refused(pooled: Pooled) -> None:
    world, pool = pooled.world, await pooled.pool(ANN)
    async with world.store.transaction() as tx:
        await number_pools.hold_pool(tx, world.principal, str(pool.number_pool_id))
        removing = asyncio.create_task(number_pools.remove_pool(world.store, world.principal, pool.number_pool_id))
        await waits_for_a_row(world.store)
        campaign_id, epoch = await tx.campaigns.individual_campaign(
            world.workspace_id, world.agent_id, world.trunk_id, pool.number_pool_id
        )
        await tx.connection.execute(
            "WITH t AS ("
            " INSERT INTO contact (workspace_id, campaign_id, called_number, callee_name, custom_args, line_no)"
            " VALUES ($1, $2, $3, 'somebody', '{}', 1) RETURNING contact_id)"
            " INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)"
            " SELECT $1, $2, contact_id, $4, $3, clock_timestamp() FROM t",
            world.workspace_id,
            campaign_id,
            CALLED[0],
            epoch,
        )
    with pytest.raises(Conflict, match="in use by an individual call"):
        await removing


async def test_an_order_never_waits_for_an_edit_of_a_pool(pooled: Pooled) -> None:
    world, pool = pooled.world, await pooled.pool(ANN)
    registered = await pooled.call(CALLED[0], pool)
    async with world.store.transaction() as editing:
        await editing.number_pools.lock(world.workspace_id, pool.number_pool_id)
        registering = asyncio.create_task(pooled.call(CALLED[1], pool))
        await waits_for_a_row(world.store)
        # It would wait for the end of this very transaction.
        async with asyncio.timeout(20):
            await terminate(world.store, world.principal, Selector(agent_id=world.agent_id))
    later = await registering
    statuses = await world.statuses()
    assert statuses[registered] == ("cancelled", "USER_TERMINATED")
    assert statuses[later] == ("registered", "QUEUED"), "registered after the order"


async def waits_for_a_row(store: PostgresStore) -> None:
    async with asyncio.timeout(30):
        while True:
            async with store.transaction() as tx:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
                if await tx.connection.fetchval(waiting):
                    return


async def test_what_is_no_pool_of_these_numbers(pooled: Pooled, store: PostgresStore) -> None:
    world, elsewhere = pooled.world, await World.make(store)
    pool = await pooled.pool(ANN)
    async with store.transaction() as tx:
        trunk = await tx.workspaces.add_trunk(world.workspace_id, "other", "simulated", 1.0, 1, {})
        await tx.workspaces.add_number(world.workspace_id, "+12025550179", None, trunk.trunk_id)
    for members, message in [
        ([], "numbers must not be empty"),
        ([BEN, "+12025550199"], r"numbers\[1\] is not a number of this workspace"),
        ([BEN, "+12025550179"], r"numbers\[1\], \+12025550179, is on another trunk"),
        ([CAT, ANN], r"numbers\[1\], \+12025550171, is in another number pool"),
    ]:
        with pytest.raises((InvalidInput, Conflict), match=message):
            await pooled.pool(*members, name="second")
        assert [known.name for known in await number_pools.list_pools(store, world.principal)] == ["pool"]
    with pytest.raises(Conflict, match="there is a number pool named 'pool' already"):
        await pooled.pool(BEN)
    with pytest.raises(NotFound):
        await number_pools.read_pool(store, elsewhere.principal, pool.number_pool_id)
    with pytest.raises(NotFound):
        await number_pools.set_numbers(store, world.principal, NumberPoolId(world.agent_id), [BEN])
    for cps_max in (0.0, -1.0, 10_001.0, float("nan")):
        with pytest.raises(InvalidInput, match="cps_max must be above 0"):
            await pooled.pace(ANN, cps_max)
