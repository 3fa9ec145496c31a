"""The simulated carrier against the suite that every driver must pass."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.identifiers import TrunkId, WorkspaceId
from ringoff.driver_port import CallDriver
from ringoff.telephony.simulated import SimulatedCarrier
from tests.support.virtual_clock import VirtualClock
from tests.telephony.conformance import Carrier, CarrierConformance, Case

NUMBERS = {
    Case.WE_HANG_UP: "+919812340001",
    Case.THEY_HANG_UP: "+919812340001",
    Case.BUSY: "+919812340002",
    Case.NOT_FOUND: "+919812340005",
    Case.UNAVAILABLE: "+919812340006",
    Case.DECLINED: "+919812340004",
    Case.CANCELLED: "+919812340003",
}


class SimulatedCase:
    """Its time moves in steps, whenever somebody waits for an event."""

    why_not = "the simulated carrier has no wire: it neither challenges nor crosses a CANCEL"

    def __init__(self) -> None:
        self._clock = VirtualClock()
        self.driver: CallDriver = SimulatedCarrier(self._clock)
        self.trunk = TrunkSpec(WorkspaceId(UUID(int=1)), TrunkId(UUID(int=2)), "simulated")

    def number_for(self, case: Case) -> str | None:
        return NUMBERS.get(case)

    def pass_time(self) -> None:
        # Enough for the next step of the script, whichever it is: each is taken when it is due.
        self._clock.skip(3.0)

    async def nothing_left_up(self) -> bool:
        return True


@pytest.fixture
async def carrier(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Carrier]:
    made = SimulatedCase()

    async def step(seconds: float) -> None:
        made._clock.skip(seconds)

    # Nobody else moves this clock: whoever sleeps on it moves it.
    monkeypatch.setattr(made._clock, "sleep", step)
    await made.driver.start()
    yield made
    await made.driver.stop()


class TestSimulated(CarrierConformance):
    pass
