"""A dispatcher that stands still past its lease, at every point of a dial: after its rescue it sends nothing for it."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.call_config import CallConfig
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.multihost.rescues import late_lines
from tests.support.carriers import ScriptedCarrier
from tests.support.processes import BackgroundProcess
from tests.support.stopping_dispatcher import BATCH_MAX, ORIGINATE_TIMEOUT_MS, PERMIT_TTL_MS
from tests.support.wire_log import read_wire_log
from tests.support.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

BEFORE_THE_SEND = ("claim.committed", "permit.before", "permit.locked", "permit.checked", "originate.before")
AFTER_THE_SEND = ("permit.before_commit", "settle.before", "settle.before_commit")
BEFORE_THE_SECOND = ("second_permit.before", "second_permit.proved", "second_permit.locked", "second_permit.checked")
NUMBERS = [f"+9198765{43_210 + number}" for number in range(4 * BATCH_MAX)]
OTHERS = [f"+9198766{43_210 + number}" for number in range(BATCH_MAX)]
WITHIN_S = 40
ONCE = CallConfig()


class Scene:
    """A campaign, and the process that dials it until it stands still."""

    def __init__(self, world: World, process: BackgroundProcess, wire_log_path: Path) -> None:
        self.world = world
        self.process = process
        self.wire_log_path = wire_log_path
        self.rescuer = Supervisor(
            store=world.store, driver=ScriptedCarrier(), clock=SystemClock(), limits=DispatchLimits()
        ).rescuer

    async def stands_still(self) -> None:
        stopped = psutil.Process(self.process.pid)
        async with asyncio.timeout(WITHIN_S):
            while stopped.status() != psutil.STATUS_STOPPED:
                assert self.process.exit_code is None, self.process.said()
                await asyncio.sleep(0.05)

    async def rescued(self) -> dict[str, datetime]:
        """When every attempt of the process was closed by another: the only one that looks is this one."""
        live = "SELECT count(*) FROM dial_attempt WHERE state IN ('prepared', 'originated', 'ringing', 'answered')"
        async with asyncio.timeout(WITHIN_S):
            while await self.world.count(live):
                if await self.rescuer.rescue() == 0:
                    await asyncio.sleep(0.05)
        async with self.world.store.transaction() as tx:
            rows = await tx.connection.fetch(
                "SELECT attempt_id::text, released_at FROM dial_attempt WHERE disposition = 'indeterminate'"
            )
        return {row["attempt_id"]: row["released_at"] for row in rows}

    async def rescued_numbers(self) -> set[str]:
        statement = """
            SELECT c.called_number
            FROM dial_attempt a JOIN call_effective c ON c.workspace_id = a.workspace_id AND c.call_id = a.call_id
            WHERE a.disposition = 'indeterminate'
        """
        async with self.world.store.transaction() as tx:
            return {row["called_number"] for row in await tx.connection.fetch(statement)}

    async def over(self, *campaign_ids: CampaignId) -> None:
        pending = """
            SELECT count(*) FROM call_effective
            WHERE campaign_id = ANY($1) AND status IN ('registered', 'retry', 'ongoing')
        """
        async with asyncio.timeout(WITHIN_S):
            while await self.world.count(pending, campaign_ids):
                assert self.process.exit_code is None, self.process.said()
                await asyncio.sleep(0.05)

    def rings(self) -> Counter[str]:
        return Counter(line.called_number for line in read_wire_log(self.wire_log_path))


@pytest.fixture(autouse=True)
async def watched_from_aside(database_dsn: str) -> AsyncIterator[None]:
    """As by every other process: one that is stopped within a statement would keep its locks, and all would wait."""
    store = await PostgresStore.connect(database_dsn, pool_max=1, originate_timeout_ms=ORIGINATE_TIMEOUT_MS)
    watch = asyncio.ensure_future(store.watch(SystemClock()))
    yield
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    await store.close()


@contextmanager
def a_process(dsn: str, gate: str, directory: Path, permit_ttl_ms: int = PERMIT_TTL_MS) -> Iterator[BackgroundProcess]:
    wire_log_path = directory / "wire.jsonl"
    arguments = ("-m", "tests.support.stopping_dispatcher", dsn, gate, str(wire_log_path), str(permit_ttl_ms))
    process = BackgroundProcess(arguments, {}, directory / "dispatcher.log", program=(sys.executable,))
    try:
        yield process
    finally:
        process.remove()


@pytest.mark.parametrize("gate", [*BEFORE_THE_SEND, *AFTER_THE_SEND, *BEFORE_THE_SECOND])
async def test_nothing_leaves_for_an_attempt_after_its_rescue(
    store: PostgresStore, database_dsn: str, tmp_path: Path, gate: str
) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(NUMBERS, config=ONCE)
    with a_process(database_dsn, gate, tmp_path) as process:
        scene = Scene(world, process, tmp_path / "wire.jsonl")
        await scene.stands_still()
        rescued_at = await scene.rescued()
        assert len(rescued_at) >= BATCH_MAX, "what it had in its hands was closed"
        rescued, sent_before = await scene.rescued_numbers(), scene.rings()
        process.send(signal.SIGCONT)
        await scene.over(campaign_id)

    assert not list(late_lines(scene.wire_log_path, rescued_at))
    requests_of_each = 2 if gate in BEFORE_THE_SECOND else 1
    rings = scene.rings()
    for number in NUMBERS:
        assert rings[number] == (sent_before[number] if number in rescued else requests_of_each), number
    sent = {sent_before[number] for number in rescued}
    # Another batch may just have been claimed when this one stood still behind its request.
    assert sent == {0} if gate in BEFORE_THE_SEND else 1 in sent and sent <= {0, 1}
    assert await broken_invariants(store) == []


@pytest.mark.parametrize("gate", ["permit.checked", "originate.before", "second_permit.checked"])
async def test_nothing_leaves_behind_an_order_that_came_while_it_stood_still(
    store: PostgresStore, database_dsn: str, tmp_path: Path, gate: str
) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(NUMBERS, config=ONCE)
    with a_process(database_dsn, gate, tmp_path) as process:
        scene = Scene(world, process, tmp_path / "wire.jsonl")
        await scene.stands_still()
        # It waits for the permit's locks, which the database takes from a session that idles.
        await terminate(store, world.principal, TerminationOrder(Selector(campaign_id=campaign_id)))
        sent_before = scene.rings()
        rescued_at = await scene.rescued()
        process.send(signal.SIGCONT)
        await scene.over(await world.campaign(OTHERS, config=ONCE))

    assert not list(late_lines(scene.wire_log_path, rescued_at))
    sent_after = scene.rings()
    assert {number: sent_after[number] for number in NUMBERS} == {number: sent_before[number] for number in NUMBERS}
    assert all(sent_after[number] for number in OTHERS), "the process goes on with what is not covered"


async def test_a_permit_that_lives_too_long_would_send_late(
    store: PostgresStore, database_dsn: str, tmp_path: Path
) -> None:
    """What the tests above look for can be seen: without the limit on a permit's age it is there."""
    world = await World.make(store)
    campaign_id = await world.campaign(NUMBERS, config=ONCE)
    with a_process(database_dsn, "originate.before", tmp_path, permit_ttl_ms=600_000) as process:
        scene = Scene(world, process, tmp_path / "wire.jsonl")
        await scene.stands_still()
        rescued_at = await scene.rescued()
        process.send(signal.SIGCONT)
        await scene.over(campaign_id)
    assert list(late_lines(scene.wire_log_path, rescued_at))
