"""A driver, a stand-in of its carrier, and a receiver that hands signed reports to the driver."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from ringoff.domain.attempt_records import OriginateRequest
from ringoff.domain.carrier import AnswerHandling, CarrierCallback, HandlingKind, TrunkReport, TrunkSpec
from ringoff.domain.events import Answered, CarrierEvent, Placed, Progressed, Rang, Released
from ringoff.domain.identifiers import AgentId, AttemptId, CallId, TrunkId, WorkspaceId
from ringoff.telephony.twilio.driver import TwilioDriver
from tests.support.twilio_standin import ACCOUNT_SID, AUTH_TOKEN, StoodCall, TwilioStandIn
from tests.support.virtual_clock import VirtualClock

CALLED, CALLING = "+14155550101", "+12025550100"


@dataclass
class Line:
    """What a test of the driver needs. The driver's clock stands still unless the test moves it."""

    driver: TwilioDriver
    carrier: TwilioStandIn
    clock: VirtualClock
    receiver_url: str
    trunk: TrunkSpec
    unread: list[Any] = field(default_factory=list)

    def request(self, serial: int = 1, **changes: Any) -> OriginateRequest:
        given: dict[str, Any] = {
            "attempt_id": AttemptId(UUID(int=serial)),
            "call_id": CallId(UUID(int=serial + 1_000)),
            "agent_id": AgentId(UUID(int=3)),
            "trunk": self.trunk,
            "called_number": CALLED,
            "calling_number": CALLING,
            "handling": AnswerHandling(HandlingKind.MEDIA_URL, "wss://agent.example.com/media"),
            "parameters": {"call_id": "7"},
            "ring_timeout_s": 30.0,
            "talk_max_s": 120.0,
            "send_until": self.clock.monotonic() + 1.0,
        }
        return OriginateRequest(**(given | changes))

    async def dial(self, serial: int = 1, **changes: Any) -> StoodCall:
        """A call that the carrier has taken and whose id the engine was told."""
        request = self.request(serial, **changes)
        returned = await self.driver.originate(request)
        call = await self.carrier.created.get()
        while (placed := await self.placed()).attempt_id != request.attempt_id:
            pass
        assert (placed.attempt_id, placed.driver_call_id) == (request.attempt_id, call.sid)
        assert returned in (call.sid, str(request.attempt_id))
        return call

    async def placed(self) -> Placed:
        placed: Placed = await self._next(Placed)
        return placed

    async def next_events(self, count: int) -> list[CarrierEvent]:
        """So many events of what calls do, whatever is told of ids and trunks meanwhile."""
        kinds = (Progressed, Rang, Answered, Released)
        return [await self._next(*kinds) for _ in range(count)]

    async def trunk_report(self) -> TrunkReport:
        report: TrunkReport = await self._next(TrunkReport)
        return report

    async def _next(self, *kinds: type[Any]) -> Any:
        """The next of these kinds; the others are kept for who asks for them."""
        while True:
            for event in self.unread:
                if isinstance(event, kinds):
                    self.unread.remove(event)
                    return event
            self.unread += await self.driver.events(1)

    def config(self, **changes: Any) -> dict[str, Any]:
        return {
            "account_sid": ACCOUNT_SID,
            "auth_token": AUTH_TOKEN,
            "base_url": self.carrier.base_url,
            "callback_base_url": self.receiver_url,
        } | changes


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    clock = VirtualClock()
    driver = TwilioDriver(clock, write_timeout_s=5.0)
    validator = RequestValidator(AUTH_TOKEN)

    async def receive(request: web.Request) -> web.Response:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        assert validator.validate(str(request.url), fields, request.headers["X-Twilio-Signature"])
        attempt_id = AttemptId(UUID(request.match_info["attempt"]))
        await driver.take_callback(CarrierCallback(attempt_id, fields))
        return web.Response()

    application = web.Application()
    application.router.add_post("/carriers/twilio/{trunk}/{attempt}", receive)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with TwilioStandIn(clock) as carrier:
        trunk = TrunkSpec(WorkspaceId(UUID(int=1)), TrunkId(UUID(int=2)), "twilio")
        made = Line(driver, carrier, clock, f"http://{host}:{port}", trunk)
        made.trunk = TrunkSpec(trunk.workspace_id, trunk.trunk_id, "twilio", made.config())
        await driver.start()
        await driver.use_trunks([made.trunk])
        try:
            yield made
        finally:
            await driver.stop()
            await runner.cleanup()
