"""Twilio, as a stand-in models it, against the suite that every driver must pass."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ringoff.driver_port import CallDriver
from tests.telephony.conformance import Carrier, CarrierConformance, Case
from tests.telephony.twilio.conftest import Line

ANSWERED = [("initiated", ""), ("ringing", ""), ("in-progress", "")]
SCRIPTS = {
    Case.WE_HANG_UP: ANSWERED,
    Case.THEY_HANG_UP: [*ANSWERED, ("completed", "200")],
    Case.BUSY: [("initiated", ""), ("ringing", ""), ("busy", "486")],
    Case.NOT_FOUND: [("initiated", ""), ("failed", "404")],
    Case.UNAVAILABLE: [("initiated", ""), ("failed", "503")],
    Case.DECLINED: [("initiated", ""), ("ringing", ""), ("failed", "603")],
    Case.CANCELLED: [("initiated", ""), ("ringing", "")],
    Case.GLARE: [("initiated", ""), ("ringing", "")],
}
NUMBERS = {case: f"+1415555010{position}" for position, case in enumerate(SCRIPTS)}


class TwilioCase:
    """The carrier acts once somebody waits for events."""

    why_not = "the account is authenticated with each request to the API: nobody challenges a call"

    def __init__(self, line: Line, tasks: asyncio.TaskGroup) -> None:
        self.driver: CallDriver = line.driver
        self.trunk = line.trunk
        self._carrier = line.carrier
        self._tasks = tasks
        self._script: asyncio.Task[None] | None = None

    def number_for(self, case: Case) -> str | None:
        return NUMBERS.get(case)

    def pass_time(self) -> None:
        if self._script is None:
            self._script = self._tasks.create_task(self._act())

    async def _act(self) -> None:
        call = await self._carrier.created.get()
        case = next(case for case, number in NUMBERS.items() if number == call.form["To"])
        self._carrier.answers_on_cancel = case is Case.GLARE
        for status, sip in SCRIPTS[case]:
            await self._carrier.move(call, status, SipResponseCode=sip)

    async def nothing_left_up(self) -> bool:
        for call in self._carrier.calls.values():
            await call.ended.wait()
        return len(self._carrier.calls) == 1


@pytest.fixture
async def carrier(line: Line) -> AsyncIterator[Carrier]:
    async with asyncio.TaskGroup() as tasks:
        yield TwilioCase(line, tasks)


class TestTwilio(CarrierConformance):
    pass
