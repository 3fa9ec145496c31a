"""What every carrier driver must do: ten cases, one suite; a carrier plugs in through a fixture named ``carrier``."""

import asyncio
import math
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol
from uuid import uuid4

import pytest

from ringoff.domain.attempt_records import OriginateRequest
from ringoff.domain.carrier import AnswerHandling, TrunkReport, TrunkSpec
from ringoff.domain.events import Answered, CarrierEvent, PermitWanted, Placed, Progressed, Rang, Released
from ringoff.domain.identifiers import AgentId, AttemptId, CallId
from ringoff.driver_port import CallDriver

PATIENCE_S = 30.0
"""A wait that takes longer than this is a failure; it measures nothing."""


class Case(StrEnum):
    WE_HANG_UP = "answered, we hang up"
    THEY_HANG_UP = "answered, they hang up"
    BUSY = "486"
    NOT_FOUND = "404"
    UNAVAILABLE = "503"
    DECLINED = "603"
    CANCELLED = "rings until we release it"
    PROXY_CHALLENGE = "407 digest"
    CHALLENGE = "401 digest"
    GLARE = "200 crosses our CANCEL"


class Carrier(Protocol):
    """One driver with something to dial behind it."""

    driver: CallDriver
    trunk: TrunkSpec
    why_not: str
    """The reason of a skip: why this carrier cannot show the cases without a number."""

    def number_for(self, case: Case) -> str | None: ...
    def pass_time(self) -> None:
        """Let the time of a carrier with a clock of its own go on; nothing for the others."""

    async def nothing_left_up(self) -> bool:
        """Wait for the peer to finish its calls: whether it saw each of them end properly."""


STATUS = {Case.BUSY: 486, Case.NOT_FOUND: 404, Case.UNAVAILABLE: 503, Case.DECLINED: 603}
CHALLENGED = frozenset({Case.PROXY_CHALLENGE, Case.CHALLENGE})
ENDED_BY_US = CHALLENGED | {Case.WE_HANG_UP, Case.CANCELLED, Case.GLARE}
NORMAL_STATUS = frozenset({None, 200})
CANCELLED_STATUS = frozenset({None, 200, 408, 480, 487})


def request_for(trunk: TrunkSpec, called_number: str, handling: AnswerHandling | None = None) -> OriginateRequest:
    return OriginateRequest(
        attempt_id=AttemptId(uuid4()),
        call_id=CallId(uuid4()),
        agent_id=AgentId(uuid4()),
        trunk=trunk,
        called_number=called_number,
        calling_number="+918000000000",
        handling=handling or AnswerHandling(),
        parameters={"call_id": "one", "name": "Asha"},
        ring_timeout_s=60.0,
        talk_max_s=60.0,
        send_until=math.inf,
    )


class Listener:
    """Reads one attempt's events, and grants as the engine would what they ask for."""

    def __init__(self, driver: CallDriver, pass_time: Callable[[], None] = lambda: None) -> None:
        self._driver = driver
        self._pass_time = pass_time
        self.seen: list[CarrierEvent] = []
        self.reports: list[TrunkReport] = []

    def count(self, kind: type[CarrierEvent]) -> int:
        return sum(isinstance(event, kind) for event in self.seen)

    async def until(self, kind: type[CarrierEvent], times: int = 1) -> CarrierEvent:
        async with asyncio.timeout(PATIENCE_S):
            while self.count(kind) < times:
                self._pass_time()
                for event in await self._driver.events(100):
                    if isinstance(event, TrunkReport):
                        self.reports.append(event)
                        continue
                    self.seen.append(event)
                    if isinstance(event, PermitWanted):
                        await self._driver.resume(event.attempt_id, math.inf)
        return [event for event in self.seen if isinstance(event, kind)][-1]


def is_in_order(events: list[CarrierEvent]) -> bool:
    """Progressed?, Rang?, Answered?, Released exactly once, each at most once; permits and ids stand beside them."""
    kinds = [type(event) for event in events if not isinstance(event, PermitWanted | Placed)]
    ranks = [(Progressed, Rang, Answered, Released).index(kind) for kind in kinds]
    return ranks == sorted(set(ranks)) and kinds[-1] is Released


class CarrierConformance:
    """Subclass it in a test module that has a ``carrier`` fixture."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("case", list(Case), ids=lambda case: case.name.lower())
    async def test_case(self, carrier: Carrier, case: Case) -> None:
        number = carrier.number_for(case)
        if number is None:
            pytest.skip(carrier.why_not)
        request = request_for(carrier.trunk, number)
        listener = Listener(carrier.driver, carrier.pass_time)
        await carrier.driver.originate(request)
        if case in ENDED_BY_US:
            # A refusal may have come before originate returned.
            assert request.attempt_id in await carrier.driver.live()
        if case in {Case.CANCELLED, Case.GLARE}:
            await listener.until(Rang)
            await carrier.driver.release(request.attempt_id)
        elif case is Case.WE_HANG_UP or case in CHALLENGED:
            await listener.until(Answered)
            await carrier.driver.release(request.attempt_id)
        released = await listener.until(Released)
        assert isinstance(released, Released)
        self.check(case, listener, released)
        assert all(event.attempt_id == request.attempt_id for event in listener.seen)
        assert request.attempt_id not in await carrier.driver.live()
        await carrier.driver.release(request.attempt_id)
        assert await carrier.nothing_left_up()
        assert listener.count(Released) == 1

    def check(self, case: Case, listener: Listener, released: Released) -> None:
        assert is_in_order(listener.seen), listener.seen
        assert listener.count(PermitWanted) == (case in CHALLENGED)
        assert not released.agent_failed
        if case in STATUS:
            assert released.cause.sip_status == STATUS[case]
            assert (released.was_answered, released.talk_ms) == (False, 0)
        elif case is Case.CANCELLED:
            assert released.cause.sip_status in CANCELLED_STATUS
            assert (released.was_answered, released.talk_ms) == (False, 0)
        elif case is Case.GLARE:
            assert released.cause.sip_status in CANCELLED_STATUS
        else:
            assert released.cause.sip_status in NORMAL_STATUS
            assert released.was_answered
            assert listener.count(Answered) == 1
            assert released.talk_ms >= 0
