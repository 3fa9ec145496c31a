"""Asterisk against the suite that every driver must pass, with a SIP peer behind its trunk."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.events import PermitWanted, Released
from ringoff.driver_port import CallDriver
from ringoff.telephony.asterisk.driver import AsteriskDriver
from tests.support.asterisk import RunningAsterisk
from tests.support.asterisk_peer import SipPeer
from tests.telephony.asterisk.conftest import WAIT_S, trunk_of
from tests.telephony.conformance import CHALLENGED, Carrier, CarrierConformance, Case, Listener

NUMBERS = {
    Case.WE_HANG_UP: "+15550001",
    Case.THEY_HANG_UP: "+25550001",
    Case.BUSY: "+35550001",
    Case.NOT_FOUND: "+45550001",
    Case.UNAVAILABLE: "+55550001",
    Case.DECLINED: "+65550001",
    Case.CANCELLED: "+75550001",
    Case.CHALLENGE: "+81550001",
    Case.PROXY_CHALLENGE: "+87550001",
    Case.GLARE: "+05550001",
}


@dataclass
class AsteriskCase:
    peer: SipPeer
    trunk: TrunkSpec
    driver: CallDriver = field(default_factory=lambda: AsteriskDriver(SystemClock()))
    why_not: str = "every case has a number"

    def number_for(self, case: Case) -> str | None:
        return NUMBERS.get(case)

    def pass_time(self) -> None: ...

    async def nothing_left_up(self) -> bool:
        async with asyncio.timeout(WAIT_S):
            for call in self.peer.calls.values():
                await call.over.wait()
        return True


@pytest.fixture
async def carrier(asterisk: RunningAsterisk, peer: SipPeer) -> AsyncIterator[Carrier]:
    made = AsteriskCase(peer, trunk_of(asterisk.url, peer.port))
    await made.driver.start()
    await made.driver.use_trunks([made.trunk])
    async with asyncio.timeout(WAIT_S):
        while not (reports := await made.driver.events(1)):
            pass
    assert reports
    yield made
    await made.driver.stop()


class TestAsterisk(CarrierConformance):
    def check(self, case: Case, listener: Listener, released: Released) -> None:
        """Asterisk answers challenges itself, with its own credentials: no permit is asked for."""
        if case in CHALLENGED:
            assert listener.count(PermitWanted) == 0
            assert released.was_answered
        else:
            super().check(case, listener, released)
