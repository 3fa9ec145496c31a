"""The switchboard: each request to the driver that its trunk names, and all reports in one stream."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.attempt_records import OriginateRefused
from ringoff.domain.carrier import CarrierCallback, TrunkReport, TrunkSpec
from ringoff.domain.events import Rang, Released
from ringoff.domain.identifiers import AttemptId, TrunkId
from ringoff.domain.release_cause import Disposition
from ringoff.telephony.switchboard import Switchboard
from tests.support.carriers import ScriptedCarrier
from tests.telephony.test_simulated import request

pytestmark = pytest.mark.anyio

FIRST, SECOND = AttemptId(UUID(int=1)), AttemptId(UUID(int=2))


class Broken(ScriptedCarrier):
    is_broken = True
    stops = 0

    async def start(self) -> None:
        if self.is_broken:
            raise OSError("no such library")

    async def stop(self) -> None:
        self.stops += 1


class Board:
    """A switchboard with two scripted drivers, one that cannot be started, and how often each was made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.broken = Broken()
        self.drivers = {"one": ScriptedCarrier(), "two": ScriptedCarrier(), "broken": self.broken}
        self.switchboard = Switchboard(SystemClock(), {name: self._maker(name) for name in self.drivers})

    def _maker(self, name: str) -> Callable[[], ScriptedCarrier]:
        def make() -> ScriptedCarrier:
            self.made.append(name)
            return self.drivers[name]

        return make

    def trunk(self, driver: str, serial: int = 2) -> TrunkSpec:
        return replace(request("+12025550101").trunk, driver=driver, trunk_id=TrunkId(UUID(int=serial)))

    async def dial(self, driver: str, serial: int) -> None:
        await self.switchboard.originate(replace(request("+12025550101", serial), trunk=self.trunk(driver)))


async def test_a_driver_is_made_when_the_first_trunk_names_it() -> None:
    board = Board()
    await board.switchboard.start()
    assert board.made == []
    await board.switchboard.use_trunks([board.trunk("one")])
    await board.dial("one", 1)
    await asyncio.gather(board.dial("two", 2), board.dial("two", 3))
    assert board.made == ["one", "two"]
    assert [len(board.drivers[name].wire) for name in ("one", "two")] == [1, 2]
    await board.switchboard.stop()


async def test_what_concerns_an_attempt_goes_to_its_driver_alone() -> None:
    board = Board()
    await board.switchboard.start()
    await board.dial("one", 1)
    await board.dial("two", 2)
    await board.switchboard.resume(FIRST, 1.0)
    await board.switchboard.release(SECOND)
    await board.switchboard.take_callback(CarrierCallback(SECOND, {}))
    one, two = board.drivers["one"], board.drivers["two"]
    assert (one.resumed, one.released, len(one.callbacks)) == ([FIRST], [], 0)
    assert (two.resumed, two.released, len(two.callbacks)) == ([], [SECOND], 1)
    assert await board.switchboard.live() == {FIRST, SECOND}
    stranger = AttemptId(UUID(int=99))
    await board.switchboard.release(stranger)
    assert stranger in one.released
    assert stranger in two.released, "whoever knows it"
    await board.switchboard.stop()


async def test_reports_of_all_drivers_come_in_one_stream_and_end_with_it() -> None:
    board = Board()
    await board.switchboard.start()
    await board.dial("one", 1)
    await board.dial("two", 2)
    board.drivers["one"].rings(FIRST)
    board.drivers["two"].ends(SECOND, 486)
    seen: list[object] = []
    async with asyncio.timeout(20):
        while len(seen) < 2:
            seen += await board.switchboard.events(10)
    assert {type(event) for event in seen} == {Rang, Released}
    waiting = asyncio.create_task(board.switchboard.events(10))
    await board.switchboard.stop()
    async with asyncio.timeout(20):
        assert await waiting == []


async def test_a_driver_that_cannot_be_had_is_the_trouble_of_its_own_trunks() -> None:
    board = Board()
    await board.switchboard.start()
    await board.switchboard.use_trunks([board.trunk("broken", 3), board.trunk("unheard-of", 4), board.trunk("one", 5)])
    reports = await board.switchboard.events(10)
    assert all(isinstance(report, TrunkReport) and not report.is_up for report in reports)
    assert {report.trunk_id for report in reports if isinstance(report, TrunkReport)} == {
        TrunkId(UUID(int=3)),
        TrunkId(UUID(int=4)),
    }
    assert board.drivers["one"].trunks == [board.trunk("one", 5)]
    # What is not installed stops its trunk; what did not start is tried again, and its calls wait.
    for driver, disposition in (("broken", Disposition.CONGESTION), ("unheard-of", Disposition.TRUNK_REFUSED)):
        with pytest.raises(OriginateRefused) as refused:
            await board.dial(driver, 7)
        assert refused.value.outcome.disposition is disposition
    await board.switchboard.use_trunks([])
    assert board.drivers["one"].trunks == [], "a driver hears when its last trunk has gone"
    await board.switchboard.stop()


async def test_a_driver_that_starts_at_last_is_used_and_its_trunks_are_reported_up() -> None:
    board = Board()
    await board.switchboard.start()
    trunk = board.trunk("broken", 3)
    await board.switchboard.use_trunks([trunk])
    assert board.broken.stops == 1, "what it had opened is closed"
    board.broken.is_broken = False
    await board.switchboard.use_trunks([trunk])
    await board.switchboard.use_trunks([trunk])
    reports = await board.switchboard.events(10)
    down, up = reports
    assert isinstance(down, TrunkReport)
    assert (down.is_up, down.text) == (False, "driver 'broken' cannot be used: no such library")
    assert up == TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up=True), "once"
    assert board.broken.trunks == [trunk]
    await board.switchboard.stop()


async def test_a_driver_that_takes_no_trunks_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_trunks: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("ringoff.telephony.switchboard._TAKE_MAX_S", 0.01)
    board = Board()
    await board.switchboard.start()
    monkeypatch.setattr(board.drivers["one"], "use_trunks", never)
    async with asyncio.timeout(20):
        await board.switchboard.use_trunks([board.trunk("one", 3), board.trunk("two", 4)])
    assert board.drivers["two"].trunks == [board.trunk("two", 4)]
    [report] = await board.switchboard.events(10)
    assert isinstance(report, TrunkReport)
    assert (report.trunk_id, report.text) == (TrunkId(UUID(int=3)), "driver 'one' cannot be used: TimeoutError")
    await board.switchboard.stop()
