"""Hosts whose clocks are hours apart, wall and steady alike: whatever is coordinated follows the database's clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.call_config import CallConfig
from ringoff.domain.call_window import CallWindow
from ringoff.domain.retry_policy import RetryPolicy
from ringoff.process import running_process
from ringoff.settings import Settings
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World

pytestmark = pytest.mark.anyio

NUMBERS = ["+919876543210", "+919876543211"]
HOURS = [-7.0, 5.0]


class Host:
    """One process on a machine whose clocks are wrong by some hours."""

    def __init__(self, store: PostgresStore, hours: float, limits: DispatchLimits) -> None:
        clock = VirtualClock(SystemClock().now() + timedelta(hours=hours))
        clock.skip(1_000_000.0 * (2 + hours / 7))
        self.carrier = ScriptedCarrier()
        self.supervisor = Supervisor(store=store, driver=self.carrier, clock=clock, limits=limits)

    @property
    def dialled(self) -> int:
        return len(self.carrier.wire)

    async def dispatch(self) -> None:
        """One round, as the loop does it, and all that it dials."""
        async with asyncio.TaskGroup() as dials:
            await self.supervisor.dispatcher.dispatch_round(dials)

    async def settle_what_ends_busy(self) -> None:
        settler = self.supervisor.settler
        loops = [asyncio.create_task(settler.run_carrier()), asyncio.create_task(settler.run_events())]
        try:
            async with asyncio.timeout(30):
                for request in self.carrier.wire:
                    self.carrier.ends(request.attempt_id, 486)
                while settler.live:
                    await settler.channel_freed.wait()
                    settler.channel_freed.clear()
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


def hosts(store: PostgresStore, **limits: float) -> list[Host]:
    return [Host(store, hours, DispatchLimits(**limits)) for hours in HOURS]  # type: ignore[arg-type]


async def test_the_pace_is_one(store: PostgresStore) -> None:
    world = await World.make(store, cps_max=0.001)
    await world.campaign(NUMBERS)
    for host in (each := hosts(store)) + each:
        await host.dispatch()
    assert sum(host.dialled for host in each) == 1, "one call in a thousand seconds, whoever asks"


@pytest.mark.parametrize(("opens_h", "dialled"), [(-1, 1), (4, 0), (-8, 0)])
async def test_a_window_is_open_or_closed_for_all(store: PostgresStore, opens_h: int, dialled: int) -> None:
    """Two hours of the day: around now by the database, and around now by the clock of either host."""
    now = datetime.now(UTC)  # noqa: TID251 - the machine's clock is the database's here
    opens = now + timedelta(hours=opens_h)
    start_min = opens.hour * 60 + opens.minute
    window = CallWindow(start_min, (start_min + 120) % 1440 or 1440, "UTC")
    world = await World.make(store)
    for host in hosts(store):
        await world.campaign(NUMBERS[:1], config=CallConfig(window=window))
        await host.dispatch()
        assert host.dialled == dialled


async def test_a_retry_waits_by_the_database(store: PostgresStore) -> None:
    world = await World.make(store)
    policy = RetryPolicy(retry_count=3, retry_busy_min=10, retry_not_picked_min=10, retry_failed_min=10)
    for host in hosts(store):
        await world.campaign(NUMBERS[:1], config=CallConfig(retry=policy))
        await host.dispatch()
        assert host.dialled == 1
        await host.settle_what_ends_busy()
    waiting = "SELECT count(*) FROM call WHERE status = 'retry' AND next_attempt_at"
    assert await world.count(f"{waiting} BETWEEN now() + interval '8 min' AND now() + interval '10 min'") == 2


async def test_nobody_takes_a_living_lease_and_everybody_a_dead_one(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.campaign(NUMBERS)
    one, other = hosts(store)
    await one.dispatch()
    assert one.dialled == 2
    assert await other.supervisor.rescuer.rescue() == 0, "by its clock that lease was over hours ago"
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE dial_attempt SET lease_until = now() - interval '1 s'")
    assert await other.supervisor.rescuer.rescue() == 2
    assert {status for status, _sub in (await world.statuses()).values()} == {"error"}


async def test_a_store_tells_the_time_of_its_database(store: PostgresStore) -> None:
    async with store.transaction() as tx:
        before = await tx.connection.fetchval("SELECT clock_timestamp()")
        told = store.now()
        after = await tx.connection.fetchval("SELECT clock_timestamp()")
    assert before - timedelta(seconds=5) < told < after + timedelta(seconds=5)


async def test_a_process_on_another_host_follows_its_database(database_dsn: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database_dsn)
    async with running_process(settings, lambda _line: None) as process, process.opened_store() as opened:
        assert process.clock._wall == opened.store.now


def test_a_process_takes_its_wall_time_from_where_it_is_told() -> None:
    clock, told = SystemClock(), datetime(2031, 1, 1, tzinfo=UTC)
    clock.follow(lambda: told)
    assert clock.now() == told
