"""Everything that the product does by itself, one after the other: no rule is ever reported as broken."""

from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.campaign_clock import CampaignClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.termination import Ongoing, Selector, TerminationOrder
from ringoff.observability.invariants import InvariantWatch, broken_invariants
from ringoff.observability.metrics import Metrics
from ringoff.operations import campaigns, suppressions
from tests.races.conftest import Actors
from tests.support.world import CALLING_NUMBER

pytestmark = pytest.mark.anyio


class Life:
    """Steps of a world, after each of which every rule is checked: by the doctor and by the watch, swept or not."""

    def __init__(self, actors: Actors) -> None:
        self.actors = actors
        self.world = actors.world
        self.watch = InvariantWatch(store=actors.store, clock=SystemClock(), metrics=Metrics(), every_s=60)
        self._line = 0

    def numbers(self, count: int) -> list[str]:
        """Numbers that no other call has."""
        self._line += count
        return [f"+1202555{n:04}" for n in range(4_000 + self._line - count, 4_000 + self._line)]

    async def check(self) -> None:
        for _ in ("before the sweep", "after it"):
            assert await broken_invariants(self.actors.store) == []
            assert await self.watch.look() == []
            await self.world.sweep_all(self.actors.supervisor)
        assert await broken_invariants(self.actors.store) == []

    async def order(self, selector: Selector, *, rows_max: int = 2_000, hangs_up: bool = False) -> None:
        order = TerminationOrder(selector, ongoing=Ongoing.HANGUP if hangs_up else Ongoing.FINISH)
        await self.actors.terminate(order, number_rows_max=rows_max)
        await self.actors.supervisor.settler.release_what_orders_want()
        await self.check()

    async def dial(self, *outcomes: int | None) -> None:
        """Of each campaign as many calls as outcomes: a SIP status ends the attempt, None leaves it on the wire."""
        actors = self.actors
        before = len(actors.carrier.wire)
        for work, calls in await self.world.claim(actors.supervisor, count_max=len(outcomes)):
            await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())
        for request, status in zip(actors.carrier.wire[before:], cycle(outcomes), strict=False):
            if status is not None:
                actors.carrier.ends(request.attempt_id, status, was_answered=status == 200, talk_ms=1_000)
        await self.check()

    async def hang_ups_arrive(self) -> None:
        for attempt_id in self.actors.carrier.released:
            self.actors.carrier.ends(attempt_id, 487)
        self.actors.carrier.released.clear()
        await self.actors.all_settled()
        await self.check()

    async def campaign(self, count: int, *outcomes: int | None) -> CampaignId:
        """A campaign of its own, dialled once where outcomes are given."""
        campaign_id = await self.world.campaign(self.numbers(count))
        if outcomes:
            await self.dial(*outcomes)
        return campaign_id


@pytest.fixture
async def life(actors: Actors) -> Life:
    """Somebody has asked for every event, long enough ago that each missing one would be reported."""
    await actors.world.subscribe(EventType.CALL_COMPLETED, EventType.TERMINATION_SETTLED)
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE event_subscription SET created_at = created_at - interval '2 minutes'")
    return Life(actors)


async def test_orders_of_every_level(life: Life) -> None:
    world = life.world
    async with life.actors.settling():
        talking = await life.campaign(6, 200, 486, 404, None)
        await life.order(Selector(campaign_id=talking))
        numbers = life.numbers(6)
        await world.campaign([*numbers, *life.numbers(2)])
        await life.dial(486, 503, None)
        await world.individual_call(numbers[5])
        await life.order(Selector(mobile_numbers=(numbers[5],)))
        await life.order(Selector(mobile_numbers=tuple(numbers)), rows_max=0)
        await life.order(Selector(call_ids=tuple(await world.statuses())))
        agent_id = await world.another_agent()
        for _ in range(2):
            await world.campaign(life.numbers(4), agent_id=agent_id)
            await world.individual_call(life.numbers(1)[0], agent_id=agent_id)
        await life.dial(486, None)
        await life.order(Selector(agent_id=agent_id))
        await world.individual_call(life.numbers(1)[0], agent_id=agent_id)
        await life.order(Selector(agent_id=agent_id))
    levels = "SELECT count(DISTINCT level) FROM termination WHERE state = 'settled'"
    assert await world.count(levels) == 4


async def test_hang_ups_and_orders_upon_orders(life: Life) -> None:
    actors, world = life.actors, life.world
    async with actors.settling():
        campaign_id = await life.campaign(3, None)
        await life.order(Selector(campaign_id=campaign_id))
        await life.order(Selector(campaign_id=campaign_id), hangs_up=True)
        await life.hang_ups_arrive()
        for rows_max in (2_000, 0):
            numbers = life.numbers(3)
            await world.campaign(numbers)
            await life.dial(None)
            await life.order(Selector(mobile_numbers=tuple(numbers)), rows_max=rows_max, hangs_up=True)
            await life.hang_ups_arrive()
        # Behind two fences, neither of them swept yet: both orders have exact counts in the end.
        numbers = life.numbers(4)
        both = await world.campaign(numbers)
        await life.dial(None)
        await actors.terminate(Selector(mobile_numbers=tuple(numbers[:3])), number_rows_max=0)
        await actors.terminate(Selector(campaign_id=both))
        await life.check()
    assert await world.count("SELECT sum(hung_up_count) FROM termination") == 3


async def test_suppression_restart_and_the_end_of_a_campaign(life: Life) -> None:
    actors, world = life.actors, life.world
    async with actors.settling():
        numbers = life.numbers(5)
        await world.campaign(numbers)
        await suppressions.suppress(actors.store, world.principal, numbers[:1], None)
        await life.dial(486, 200)
        await actors.terminate(TerminationOrder(Selector(mobile_numbers=(numbers[4],)), suppress=True))
        await life.check()
        again = await life.campaign(4)
        for _ in range(3):
            await actors.terminate(Selector(campaign_id=again))
            from_numbers, now = [CALLING_NUMBER], actors.clock.now()
            await campaigns.start(actors.store, world.principal, world.agent_id, again, from_numbers, now=now)
            await life.check()
            await life.dial(486)
        end_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=36_500)
        limits = DispatchLimits()
        await CampaignClock(store=actors.store, clock=actors.clock, limits=limits, now_override=end_at).tick()
        await life.check()
    for sub_status in ("DND_SKIPPED", "CAMPAIGN_TIME_EXCEEDED", "USER_TERMINATED"):
        assert await world.count("SELECT count(*) FROM call WHERE sub_status = $1", sub_status)


async def test_crashes(life: Life) -> None:
    actors, world = life.actors, life.world
    async with actors.settling():
        await life.campaign(4, 200, None)
        numbers = life.numbers(4)
        fenced = await world.campaign(numbers)
        await life.dial(None)
        await actors.terminate(Selector(mobile_numbers=tuple(numbers[:3])), number_rows_max=0)
        await life.campaign(3)
        await world.claim(actors.supervisor, count_max=1)
        await actors.terminate(Selector(campaign_id=fenced))
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE dial_attempt SET lease_until = clock_timestamp() - interval '1 s'")
    assert await actors.another_process().rescuer.rescue() > 0
    await life.check()
    assert await world.count("SELECT count(*) FROM dial_attempt WHERE state = 'indeterminate'")
