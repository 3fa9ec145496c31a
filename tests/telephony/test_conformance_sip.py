"""The SIP driver against the suite that every driver must pass, with sipp as its carrier."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.identifiers import TrunkId, WorkspaceId
from ringoff.driver_port import CallDriver
from ringoff.telephony.sip.config import read_config
from ringoff.telephony.sip.driver import SipDriver
from tests.support.sipp import WHY_NOT, Sipp, is_installed, running_sipp
from tests.telephony.conformance import Carrier, CarrierConformance, Case

pytestmark = pytest.mark.skipif(not is_installed(), reason=WHY_NOT)

NUMBERS = {
    Case.WE_HANG_UP: "+1001",
    Case.THEY_HANG_UP: "+2001",
    Case.BUSY: "+3001",
    Case.NOT_FOUND: "+4001",
    Case.UNAVAILABLE: "+5001",
    Case.DECLINED: "+6001",
    Case.CANCELLED: "+7001",
    Case.PROXY_CHALLENGE: "+8001",
    Case.CHALLENGE: "+8101",
    Case.GLARE: "+0001",
}


class SipCarrier:
    why_not = "sipp shows every case"

    def __init__(self, peer: Sipp) -> None:
        self._peer = peer
        gateway = {"host": "127.0.0.1", "port": peer.port, "username": "alice", "password": "secret"}
        config = read_config({"gateways": [gateway], "options_interval_s": 0})
        self.driver: CallDriver = SipDriver(SystemClock())
        self.trunk = TrunkSpec(WorkspaceId(uuid4()), TrunkId(uuid4()), "sip", config)

    def number_for(self, case: Case) -> str | None:
        return NUMBERS[case]

    def pass_time(self) -> None:
        """It passes by itself."""

    async def nothing_left_up(self) -> bool:
        counted = await self._peer.finished()
        return counted["SuccessfulCall"] == 1 and counted["FailedCall"] == 0


@pytest.fixture
async def carrier(tmp_path: Path) -> AsyncIterator[Carrier]:
    async with running_sipp(tmp_path) as peer:
        made = SipCarrier(peer)
        await made.driver.start()
        await made.driver.use_trunks([made.trunk])
        yield made
        await made.driver.stop()


class TestSip(CarrierConformance):
    pass
