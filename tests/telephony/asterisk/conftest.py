"""One Asterisk for each test process, a SIP peer and a driver for each test."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.attempt_records import OriginateRequest
from ringoff.domain.carrier import AnswerHandling, TrunkReport, TrunkSpec
from ringoff.domain.events import CarrierEvent, Released
from ringoff.domain.identifiers import AgentId, AttemptId, CallId, TrunkId, WorkspaceId
from ringoff.telephony.asterisk.config import read_config
from ringoff.telephony.asterisk.driver import AsteriskDriver
from tests.support.asterisk import PASSWORD, USERNAME, RunningAsterisk, free_ports, missing, running_asterisk
from tests.support.asterisk_peer import SipPeer

WAIT_S = 20.0
"""Gives up on what should have come long before; nothing is measured with it."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Listener:
    """Reads a driver's events, and keeps them by attempt."""

    driver: AsteriskDriver
    seen: dict[AttemptId, list[CarrierEvent]] = field(default_factory=dict)
    reports: list[TrunkReport] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        while events := await self.driver.events(100):
            async with self.news:
                for event in events:
                    if isinstance(event, TrunkReport):
                        self.reports.append(event)
                    else:
                        self.seen.setdefault(event.attempt_id, []).append(event)
                self.news.notify_all()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S), self.news:
            await self.news.wait_for(is_so)

    async def kinds(self, attempt_id: AttemptId, last: type) -> list[str]:
        """The names of the attempt's events, once the last of this type has come."""
        await self.until(lambda: any(isinstance(event, last) for event in self.seen.get(attempt_id, [])))
        return [type(event).__name__ for event in self.seen[attempt_id]]

    async def released(self, attempt_id: AttemptId) -> Released:
        await self.kinds(attempt_id, Released)
        last = self.seen[attempt_id][-1]
        assert isinstance(last, Released)
        return last


@dataclass
class Stage:
    """A driver that is connected to an Asterisk whose calls go to ``peer``."""

    asterisk: RunningAsterisk
    peer: SipPeer
    driver: AsteriskDriver
    listener: Listener
    trunk: TrunkSpec

    def request(self, number: str, handling: AnswerHandling | None = None, **changes: Any) -> OriginateRequest:
        fields: dict[str, Any] = {
            "attempt_id": AttemptId(uuid4()),
            "call_id": CallId(uuid4()),
            "agent_id": AgentId(uuid4()),
            "trunk": self.trunk,
            "called_number": number,
            "calling_number": "+918000000000",
            "handling": handling or AnswerHandling(),
            "parameters": {"call_id": "c-1", "callee_name": "Asha"},
            "ring_timeout_s": 30.0,
            "talk_max_s": 60.0,
            "send_until": math.inf,
        }
        return OriginateRequest(**(fields | changes))


def trunk_of(url: str, peer_port: int, **changes: Any) -> TrunkSpec:
    config = {
        "url": url,
        "username": USERNAME,
        "password": PASSWORD,
        # A peer for each test: what Asterisk repeats for the test before must not reach the next.
        "endpoint": f"PJSIP/trunk/sip:{{number}}@127.0.0.1:{peer_port}",
        "agent_endpoint": "PJSIP/trunk/{uri}",
        # Asterisk's cleaning up after the driver of the test before would stop the events of this one.
        "app": f"test-{uuid4().hex}",
    }
    return TrunkSpec(WorkspaceId(uuid4()), TrunkId(uuid4()), "asterisk", read_config(config | changes))


@pytest.fixture(scope="session")
def asterisk() -> Iterator[RunningAsterisk]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with running_asterisk(free_ports(1)[0]) as running:
        yield running


@pytest.fixture
async def peer() -> AsyncIterator[SipPeer]:
    peer = SipPeer()
    await peer.start(0)
    yield peer
    await peer.stop()


@pytest.fixture
async def stage(asterisk: RunningAsterisk, peer: SipPeer) -> AsyncIterator[Stage]:
    driver = AsteriskDriver(SystemClock())
    listener = Listener(driver)
    trunk = trunk_of(asterisk.url, peer.port)
    await driver.start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listener.run())
        try:
            await driver.use_trunks([trunk])
            await listener.until(lambda: bool(listener.reports))
            assert listener.reports[0].is_up, listener.reports[0].text
            yield Stage(asterisk, peer, driver, listener, trunk)
            for attempt_id in await driver.live():
                await driver.release(attempt_id)
                await listener.released(attempt_id)
        finally:
            await driver.stop()
