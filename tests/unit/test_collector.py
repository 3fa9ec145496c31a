"""The collector's long look: seldom while calls are on the wire, sooner when none is, and nobody else's meanwhile."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from ringoff.observability.collector import BUSY_S, IDLE_S, LOOK_S, Collector
from tests.support.virtual_clock import VirtualClock

pytestmark = pytest.mark.anyio


class Watched:
    """A running collector, and how often it looked at everything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = VirtualClock()
        self.is_idle = False
        self.looks = 0
        monkeypatch.setattr(gc, "collect", self._look)
        monkeypatch.setattr(gc, "freeze", lambda: None)

    def _look(self) -> int:
        self.looks += 1
        return 0

    async def looks_within(self, seconds: float) -> int:
        before = self.looks
        await self.clock.advance(seconds)
        return self.looks - before


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    watched = Watched(monkeypatch)
    task = asyncio.create_task(Collector(watched.clock, lambda: watched.is_idle).run())
    await watched.clock.advance(0)
    yield watched
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_with_calls_on_the_wire_it_waits_long(watched: Watched) -> None:
    assert await watched.looks_within(BUSY_S - LOOK_S) == 0
    assert await watched.looks_within(2 * LOOK_S) == 1
    assert await watched.looks_within(BUSY_S - 3 * LOOK_S) == 0


async def test_when_nothing_is_on_the_wire_it_looks_sooner(watched: Watched) -> None:
    assert await watched.looks_within(IDLE_S + LOOK_S) == 0
    watched.is_idle = True
    assert await watched.looks_within(LOOK_S) == 1
    assert await watched.looks_within(IDLE_S - LOOK_S) == 0
    assert await watched.looks_within(2 * LOOK_S) == 1


async def test_while_it_runs_nothing_else_looks_at_old_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    watched, before = Watched(monkeypatch), gc.get_threshold()
    task = asyncio.create_task(Collector(watched.clock, lambda: False).run())
    await watched.clock.advance(0)
    assert gc.get_threshold()[:2] == before[:2]
    assert gc.get_threshold()[2] > 1_000_000
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert gc.get_threshold() == before
