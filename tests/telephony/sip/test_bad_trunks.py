"""What is wrong around a trunk is said in its report, costs no other trunk, and is mended without a restart."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.attempt_records import OriginateRefused, OriginateTooLate
from ringoff.domain.carrier import TrunkReport, TrunkSpec
from ringoff.domain.events import Released
from ringoff.domain.release_cause import Disposition, ReleaseCause, classify
from ringoff.telephony.sip import driver as sip_driver
from ringoff.telephony.sip import next_hop
from ringoff.telephony.sip.config import read_config
from tests.support.sipp import WHY_NOT, free_port, is_installed, running_sipp
from tests.telephony.conformance import Listener, request_for
from tests.telephony.sip.test_driver import agent_at, running_driver, trunk_to
from tests.telephony.sip.test_packets import play_timers

pytestmark = pytest.mark.anyio
needs_sipp = pytest.mark.skipif(not is_installed(), reason=WHY_NOT)


def named(trunk: TrunkSpec, host: str) -> TrunkSpec:
    return replace(trunk, config=read_config({**trunk.config, "gateways": [{"host": host}]}))


async def test_a_trunk_whose_port_is_taken_is_opened_once_it_is_free() -> None:
    async with running_driver() as driver:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            trunk = trunk_to(5060, local_address="127.0.0.1", local_port=other.getsockname()[1])
            await driver.use_trunks([trunk])
            [down] = await driver.events(10)
            assert isinstance(down, TrunkReport)
            assert not down.is_up
            assert "in use" in down.text
            with pytest.raises(OriginateRefused, match="in use") as refused:
                await driver.originate(request_for(trunk, "+1001"))
            assert refused.value.outcome.disposition is Disposition.NETWORK_FAILURE
        await driver.use_trunks([trunk])
        await driver.use_trunks([trunk])
        assert await driver.events(10) == [TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up=True)]


@needs_sipp
async def test_a_name_server_that_hangs_costs_other_trunks_nothing_and_sends_nothing_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up, look_up = asyncio.Event(), next_hop.lookup

    async def hangs_for_names(host: str) -> str | None:
        if host == "127.0.0.1":
            return await look_up(host)
        looked_up.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(sip_driver, "lookup", hangs_for_names)
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        good = trunk_to(peer.port)
        bad = named(good, "gateway.example.com")
        bad = replace(bad, trunk_id=trunk_to(1).trunk_id)
        await driver.use_trunks([good])
        late = replace(request_for(bad, "+1001"), send_until=SystemClock().monotonic() + 0.3)
        waiting = asyncio.create_task(driver.originate(late))
        await looked_up.wait()
        await driver.originate(request_for(good, "+3001"))
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert released.cause.sip_status == 486
        async with asyncio.timeout(20):
            with pytest.raises(OriginateTooLate):
                await waiting
        assert await driver.live() == frozenset()


async def test_a_name_that_resolves_again_takes_the_alarm_away(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: list[str | None] = [None, None, "127.0.0.1"]

    async def lookup(_host: str) -> str | None:
        return addresses.pop(0)

    monkeypatch.setattr(sip_driver, "lookup", lookup)
    async with running_driver() as driver:
        trunk = named(trunk_to(free_port()), "gateway.example.com")
        with pytest.raises(OriginateRefused, match="resolves"):
            await driver.originate(request_for(trunk, "+1001"))
        await driver.originate(request_for(trunk, "+1001"))
        reports = [event for event in await driver.events(10) if isinstance(event, TrunkReport)]
        assert [report.is_up for report in reports] == [False, True]


@pytest.mark.parametrize("listens", [True, False], ids=["swallows", "wrong port"])
async def test_a_port_without_an_answer_is_silence_and_an_unknown_fate(listens: bool) -> None:
    """Not a 408 of the carrier: that would be rung again, and would tell the breaker that the trunk has spoken."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        port = gateway.getsockname()[1]
        if not listens:
            gateway.close()
        async with running_driver() as driver, asyncio.timeout(20):
            await driver.originate(request_for(trunk_to(port), "+12025550123"))
            await play_timers()
            [released] = await driver.events(10)
            assert isinstance(released, Released)
            assert released.cause == ReleaseCause(text="no reply")
            assert classify(released.cause, was_answered=False) is Disposition.INDETERMINATE
            assert await driver.live() == frozenset()


@needs_sipp
async def test_an_agent_whose_name_does_not_resolve_lets_nobody_ring(tmp_path: Path) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        agent = replace(agent_at(1), target="sip:bot@agent.invalid")
        with pytest.raises(OriginateRefused, match="agent's SIP URI does not resolve"):
            await driver.originate(request_for(trunk_to(peer.port), "+1001", agent))
        assert await driver.live() == frozenset()
        assert peer.messages == ""


@needs_sipp
async def test_a_callee_without_a_common_codec_is_a_network_failure_and_nobody_stays_up(tmp_path: Path) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        await driver.originate(request_for(trunk_to(peer.port), "+8401"))
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert (released.cause.sip_status, released.was_answered) == (488, False)
        assert await driver.live() == frozenset()
        assert await peer.finished() == {"SuccessfulCall": 1, "FailedCall": 0}


async def test_two_trunks_with_one_id_are_one() -> None:
    """The database gives each trunk its own id; a driver that is told of one twice opens one socket."""
    async with running_driver() as driver:
        trunk = trunk_to(free_port())
        await driver.use_trunks([trunk, trunk])
        assert len(driver._trunks) == 1
