"""The SIP driver against sipp: the agent's leg, gateways that fail, passwords, silence, and packets from nowhere."""

import asyncio
import gc
import random
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import md5
from itertools import zip_longest
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.attempt_records import OriginateRefused, OriginateTooLate
from ringoff.domain.carrier import AnswerHandling, HandlingKind, TrunkReport, TrunkSpec
from ringoff.domain.events import Answered, PermitWanted, Rang, Released
from ringoff.domain.identifiers import TrunkId, WorkspaceId
from ringoff.domain.release_cause import Disposition
from ringoff.telephony.sip.attempt import SipAttempt
from ringoff.telephony.sip.config import read_config
from ringoff.telephony.sip.driver import SipDriver
from ringoff.telephony.sip.leg import Leg
from ringoff.telephony.sip.stack import UA
from tests.support.sipp import WHY_NOT, is_installed, running_sipp
from tests.telephony.conformance import Listener, is_in_order, request_for

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not is_installed(), reason=WHY_NOT)]


def trunk_to(*ports: int, password: str = "secret", weights: Sequence[int] = (), **config: Any) -> TrunkSpec:
    gateways: list[Mapping[str, Any]] = [
        {"host": "127.0.0.1", "port": port, "username": "alice", "password": password, "weight": weight}
        for port, weight in zip_longest(ports, weights, fillvalue=1)
    ]
    known = read_config({"options_interval_s": 0, "gateways": gateways, **config})
    return TrunkSpec(WorkspaceId(uuid4()), TrunkId(uuid4()), "sip", known)


class FirstListed(random.Random):
    """The draw that always takes the first gateway that is up."""

    def choices(self, population: Sequence[Any], *_: Any, **__: Any) -> list[Any]:  # type: ignore[override]
        return [population[0]]


@asynccontextmanager
async def running_driver(chance: random.Random | None = None) -> AsyncIterator[SipDriver]:
    driver = SipDriver(SystemClock(), chance or FirstListed())
    await driver.start()
    try:
        yield driver
    finally:
        await driver.stop()


def agent_at(port: int, user: str = "+1") -> AnswerHandling:
    return AnswerHandling(HandlingKind.SIP_URI, f"sip:{user}@127.0.0.1:{port}")


async def test_an_answered_call_is_handed_to_the_agent(tmp_path: Path) -> None:
    async with (
        running_sipp(tmp_path / "carrier") as peer,
        running_sipp(tmp_path / "agent") as agent,
        running_driver() as driver,
    ):
        request = replace(
            request_for(trunk_to(peer.port), "+1001", agent_at(agent.port)),
            parameters={"name": "Asha\r\nX-Evil: 1", "call_id": "one"},
        )
        await driver.originate(request)
        listener = Listener(driver)
        await listener.until(Answered)
        async with asyncio.timeout(10):
            while "ACK sip:" not in agent.messages:  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.02)
        await driver.release(request.attempt_id)
        released = await listener.until(Released)
        assert isinstance(released, Released)
        assert (released.was_answered, released.agent_failed) == (True, False)
        for side in (peer, agent):
            counted = await side.finished()
            assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)
        first_invite = peer.messages.split("SIP/2.0 100", maxsplit=1)[0]
        assert "v=0" not in first_invite
        assert re.search(r"ACK sip:.*?m=audio", peer.messages, re.DOTALL)
        assert "X-Ringoff-Name: Asha X-Evil: 1" in agent.messages
        assert "X-Ringoff-Call-Id: one" in agent.messages
        assert not re.search(r"^X-Evil", agent.messages, re.MULTILINE)


@pytest.mark.parametrize(
    "agent_user",
    ["+3", "+2", "+9", "+81", "+84"],
    ids=["refuses", "hangs up", "silent", "challenges", "has no common codec"],
)
async def test_without_its_agent_the_callee_is_released(tmp_path: Path, agent_user: str) -> None:
    async with (
        running_sipp(tmp_path / "carrier") as peer,
        running_sipp(tmp_path / "agent") as agent,
        running_driver() as driver,
    ):
        trunk = trunk_to(peer.port, agent_answer_timeout_s=1)
        await driver.originate(request_for(trunk, "+1001", agent_at(agent.port, agent_user)))
        listener = Listener(driver)
        released = await listener.until(Released)
        assert isinstance(released, Released)
        assert (released.was_answered, released.agent_failed) == (True, True)
        assert is_in_order(listener.seen)
        counted = await peer.finished()
        assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)
        # The BYE is ours, and comes once.
        assert len(re.findall(r"^(BYE sip:)", peer.messages, re.MULTILINE)) == 1


async def test_the_callee_that_hangs_up_takes_the_agent_along(tmp_path: Path) -> None:
    async with (
        running_sipp(tmp_path / "carrier") as peer,
        running_sipp(tmp_path / "agent") as agent,
        running_driver() as driver,
    ):
        await driver.originate(request_for(trunk_to(peer.port), "+2001", agent_at(agent.port)))
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert (released.was_answered, released.agent_failed) == (True, False)
        assert (await agent.finished())["FailedCall"] == 0


async def test_the_next_gateway_is_asked_only_with_a_permit(tmp_path: Path) -> None:
    async with running_sipp(tmp_path / "one") as one, running_sipp(tmp_path / "two") as two, running_driver() as driver:
        request = request_for(trunk_to(one.port, two.port), "+5001")
        await driver.originate(request)
        async with asyncio.timeout(10):
            events = list(await driver.events(10))
            while not any(isinstance(event, PermitWanted) for event in events):
                events += await driver.events(10)
        assert two.messages == ""
        with pytest.raises(OriginateTooLate):
            await driver.resume(request.attempt_id, SystemClock().monotonic() - 1)
        assert two.messages == ""
        await driver.resume(request.attempt_id, SystemClock().monotonic() + 10)
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert released.cause.sip_status == 503
        assert two.messages.count("INVITE sip:+5001") >= 1


@pytest.mark.parametrize("number", ["+8001", "+8101"])
async def test_released_instead_of_resumed_nothing_more_is_sent(tmp_path: Path, number: str) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        request = request_for(trunk_to(peer.port), number)
        await driver.originate(request)
        async with asyncio.timeout(10):
            events = list(await driver.events(10))
            while not any(isinstance(event, PermitWanted) for event in events):
                events += await driver.events(10)
        await driver.release(request.attempt_id)
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert released.cause.sip_status in {401, 407}
        assert "uthorization: Digest" not in peer.messages
        assert await driver.live() == frozenset()


async def test_a_wrong_password_ends_as_what_the_carrier_says(tmp_path: Path) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        await driver.originate(request_for(trunk_to(peer.port, password="wrong"), "+8101"))
        listener = Listener(driver)
        released = await listener.until(Released)
        assert isinstance(released, Released)
        assert released.cause.sip_status == 403
        assert listener.count(PermitWanted) == 1


async def test_the_digest_of_a_407_is_right(tmp_path: Path) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        await driver.originate(request_for(trunk_to(peer.port), "+8001"))
        await Listener(driver).until(Answered)
        said = re.search(r"Proxy-Authorization: Digest (.*)", peer.messages)
        assert said is not None
        part = {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]*))', said[1])}
        secret = md5(f"alice:{part['realm']}:secret".encode()).hexdigest()
        what = md5(f"INVITE:{part['uri']}".encode()).hexdigest()
        whole = f"{secret}:{part['nonce']}:{part['nc']}:{part['cnonce']}:{part['qop']}:{what}"
        assert part["response"] == md5(whole.encode()).hexdigest()


async def test_a_caller_that_is_not_allowed(tmp_path: Path) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        await driver.originate(request_for(trunk_to(peer.port), "+8301"))
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert (released.cause.sip_status, released.cause.text) == (403, "Caller not allowed")


async def test_a_redirect_is_the_outcome_and_its_ack_goes_where_the_invite_went(tmp_path: Path) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        await driver.originate(request_for(trunk_to(peer.port), "+8801"))
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert released.cause.sip_status == 302
        counted = await peer.finished()
        assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)


async def test_the_cause_of_a_reason_header_is_reported(tmp_path: Path) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        await driver.originate(request_for(trunk_to(peer.port), "+4001"))
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert (released.cause.sip_status, released.cause.q850_cause) == (404, 1)


async def test_what_cannot_be_dialled_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        trunk = trunk_to(peer.port)
        for kind in (HandlingKind.MEDIA_URL, HandlingKind.PLAY):
            with pytest.raises(OriginateRefused, match="no audio"):
                await driver.originate(request_for(trunk, "+1001", AnswerHandling(kind, "wss://agent.example")))
        with pytest.raises(OriginateRefused, match="SIP URI must"):
            await driver.originate(request_for(trunk, "+1001", AnswerHandling(HandlingKind.SIP_URI, "sips:a@b")))
        with pytest.raises(OriginateTooLate):
            await driver.originate(replace(request_for(trunk, "+1001"), send_until=0.0))
        assert await driver.live() == frozenset()
        assert peer.messages == ""


async def test_a_name_that_does_not_resolve_is_refused_and_reported() -> None:
    async with running_driver() as driver:
        trunk = trunk_to(5060)
        known = read_config({**trunk.config, "gateways": [{"host": "gateway.invalid"}]})
        with pytest.raises(OriginateRefused, match="resolves") as refused:
            await driver.originate(request_for(replace(trunk, config=known), "+1001"))
        assert refused.value.outcome.disposition is Disposition.NETWORK_FAILURE
        report = (await driver.events(1))[0]
        assert isinstance(report, TrunkReport)
        assert not report.is_up


def answer_to(options: bytes) -> bytes:
    lines = options.split(b"\r\n")
    kept = [line for line in lines if line.split(b":")[0] in {b"Via", b"From", b"Call-ID", b"CSeq"}]
    to = next(line for line in lines if line.startswith(b"To"))
    return b"\r\n".join([b"SIP/2.0 200 OK", *kept, to + b";tag=1", b"Content-Length: 0", b"", b""])


@pytest.mark.slow
async def test_options_tell_when_a_trunk_comes_and_goes() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.setblocking(False)
        async with running_driver() as driver:
            trunk = trunk_to(gateway.getsockname()[1], options_interval_s=1)
            await driver.use_trunks([trunk])
            packet, sender = await asyncio.get_running_loop().sock_recvfrom(gateway, 65_536)
            assert packet.startswith(b"OPTIONS sip:127.0.0.1")
            gateway.sendto(answer_to(packet), sender)
            reports = list(await driver.events(1))
            used = driver._trunks[trunk.trunk_id]
            assert used.down == set()
            # The next question stays without an answer.
            async with asyncio.timeout(60):
                reports += await driver.events(1)
            assert used.down == set(used.config.gateways)
        kept = [(report.trunk_id, report.is_up) for report in reports if isinstance(report, TrunkReport)]
        assert kept == [(trunk.trunk_id, True), (trunk.trunk_id, False)]


async def test_packets_from_nowhere_neither_stop_nor_fill_it(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with running_sipp(tmp_path) as peer, running_driver() as driver:
        trunk = trunk_to(peer.port)
        request = request_for(trunk, "+1001")
        await driver.originate(request)
        listener = Listener(driver)
        await listener.until(Answered)
        stack = driver._trunks[trunk.trunk_id].stack
        samples = [part.encode() for part in re.findall(r"(?:INVITE|SIP/2.0) .*?\n\n", peer.messages, re.DOTALL)]
        open_before = stack.open_transactions()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for serial in range(1_000):
                sample = bytearray(chance.choice(samples).replace(b"\n", b"\r\n")) or bytearray(b"x")
                match serial % 4:
                    case 0:
                        packet = chance.randbytes(chance.randrange(1, 2_000))
                    case 1:
                        packet = bytes(sample[: chance.randrange(len(sample))])
                    case 2:
                        for _ in range(8):
                            sample[chance.randrange(len(sample))] = chance.randrange(256)
                        packet = bytes(sample)
                    case _:
                        packet = b"SIP/2.0 200 OK\r\n" + b"X: " + chance.randbytes(60_000) + b"\r\n\r\n"
                stranger.sendto(packet, stack.address)
                await asyncio.sleep(0)
        assert stack.open_transactions() - open_before < 1_000
        assert await driver.live() == {request.attempt_id}
        await driver.release(request.attempt_id)
        await listener.until(Released)
        second = request_for(trunk, "+3001")
        await driver.originate(second)
        released = await listener.until(Released, times=2)
        assert isinstance(released, Released)
        assert released.cause.sip_status == 486


@pytest.mark.slow
@pytest.mark.parametrize("number", ["+1001", "+2001", "+3001", "+7001"])
async def test_a_call_that_is_over_needs_no_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    monkeypatch.setattr(UA, "godead_timeout", 0.1)
    gc.collect()
    before = kept_of_calls()
    gc.disable()
    try:
        async with running_sipp(tmp_path / "carrier") as peer, running_driver() as driver:
            await one_call_to_its_end(driver, peer.port, number)
            async with asyncio.timeout(10):
                while kept_of_calls() != before:  # noqa: ASYNC110 - freed by a timer of the stack
                    await asyncio.sleep(0.02)
    finally:
        gc.enable()


async def one_call_to_its_end(driver: SipDriver, port: int, number: str) -> None:
    request = request_for(trunk_to(port), number)
    await driver.originate(request)
    listener = Listener(driver)
    if number.startswith(("+1", "+7")):
        await listener.until(Answered if number.startswith("+1") else Rang)
        await driver.release(request.attempt_id)
    await listener.until(Released)


async def test_hundreds_of_releases_at_once_lose_no_answer(tmp_path: Path) -> None:
    async with running_sipp(tmp_path / "carrier") as peer, running_driver() as driver:
        trunk, listener = trunk_to(peer.port), Listener(driver)
        requests = [request_for(trunk, f"+1{n:04}") for n in range(400)]
        for request in requests:
            await driver.originate(request)
            await asyncio.sleep(0.01)
        await listener.until(Answered, len(requests))
        await asyncio.gather(*(driver.release(request.attempt_id) for request in requests))
        await listener.until(Released, len(requests))
        assert (await peer.finished())["SuccessfulCall"] == len(requests)
        # Sent again after half a second without an answer: sipp ends a call with the first.
        assert peer.messages.count("\nBYE sip:") == len(requests)


def kept_of_calls() -> Counter[str]:
    kept = (SipAttempt, Leg, UA)
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kept))


@pytest.mark.slow
async def test_a_port_that_swallows_everything_ends_without_a_reply(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with running_sipp(tmp_path) as peer, running_driver() as driver:
            trunk = trunk_to(silent.getsockname()[1], peer.port)
            await driver.originate(request_for(trunk, "+3001"))
            async with asyncio.timeout(60):
                events = list(await driver.events(10))
            assert [type(event) for event in events] == [PermitWanted]
            await driver.resume(events[0].attempt_id, SystemClock().monotonic() + 10)  # type: ignore[union-attr]
            released = await Listener(driver).until(Released)
            assert isinstance(released, Released)
            assert released.cause.sip_status == 486
