"""Whatever packets come, the stack goes on, prints none, and keeps nothing of them once SIP's timers are over."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sippy.Network_server import Remote_address
from sippy.Time.MonoTime import MonoTime

from ringoff.domain.events import Released
from ringoff.domain.identifiers import AttemptId
from ringoff.telephony.sip import leg, stack
from ringoff.telephony.sip.driver import SipDriver
from tests.telephony.conformance import request_for
from tests.telephony.sip.test_driver import running_driver, trunk_to

_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
_STATUSES = ("100 Trying", "180 Ringing", "183 Progress", "200 OK", "302 Moved", "401 Who", "486 Busy", "503 Later")
# 64*T1 (Timers B, F, H), what they start, and the 300 s of sippy after a provisional answer.
_ALL_TIMERS_S = 1_000
_REQUESTS = ("INVITE", "BYE", "CANCEL", "ACK", "OPTIONS", "INFO", "NOTIFY")


def _answer(invite: bytes, status: str) -> bytes:
    lines = invite.decode().split("\r\n\r\n")[0].split("\r\n")
    kept = [line for line in lines if line.split(":")[0] in {"Via", "From", "Call-ID", "CSeq"}]
    to = next(line for line in lines if line.startswith("To:"))
    more = ["Contact: <sip:carrier@127.0.0.1:9>", "WWW-Authenticate: Digest realm=x, nonce=y", "Reason: Q.850;cause=17"]
    head = [f"SIP/2.0 {status}", *kept, f"{to};tag=t", *more, f"Content-Length: {len(_SDP)}"]
    return ("\r\n".join(head) + "\r\n\r\n" + _SDP).encode()


def _request(invite: bytes, method: str, *, is_ours: bool) -> bytes:
    call_id = next(line for line in invite.decode().split("\r\n") if line.startswith("Call-ID"))
    head = [
        f"{method} sip:ringoff@127.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-1;rport",
        "From: <sip:a@127.0.0.1>;tag=t", "To: <sip:b@127.0.0.1>", call_id if is_ours else "Call-ID: stranger",
        f"CSeq: 1 {method}", "Contact: <sip:a@127.0.0.1:9>", "Max-Forwards: 70", "Content-Length: 0",
    ]  # fmt: skip
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def _samples(invite: bytes) -> list[bytes]:
    answers = [_answer(invite, status) for status in _STATUSES]
    return answers + [_request(invite, method, is_ours=ours) for method in _REQUESTS for ours in (True, False)]


def _truncate(packet: bytes, at: int, _with: bytes) -> bytes:
    return packet[: at % (len(packet) + 1)]


def _overwrite(packet: bytes, at: int, text: bytes) -> bytes:
    at %= len(packet) + 1
    return packet[:at] + text + packet[at + len(text) :]


def _insert(packet: bytes, at: int, text: bytes) -> bytes:
    at %= len(packet) + 1
    return packet[:at] + text + packet[at:]


def _oversize(packet: bytes, at: int, text: bytes) -> bytes:
    return _insert(packet, at, (text or b"x") * (60_000 // (len(text) or 1)))[:65_507]


def _drop_line(packet: bytes, at: int, _with: bytes) -> bytes:
    lines = packet.split(b"\r\n")
    return b"\r\n".join(lines[: at % len(lines)] + lines[at % len(lines) + 1 :])


def _repeat_line(packet: bytes, at: int, text: bytes) -> bytes:
    lines = packet.split(b"\r\n")
    line = lines[at % len(lines)]
    return b"\r\n".join([*lines[:1], line, line + text, *lines[1:]])


_CHANGES = (_truncate, _overwrite, _insert, _oversize, _drop_line, _repeat_line)
_texts = st.binary(max_size=12) | st.sampled_from([b"\r\n", b"\0", b"sip:", b"-1", b"999999999999", b'<>;="', b"\xff"])
_changes = st.lists(st.tuples(st.sampled_from(_CHANGES), st.integers(0, 2_000), _texts), max_size=3)
_packets = st.lists(
    st.tuples(st.integers(0, len(_STATUSES) + 2 * len(_REQUESTS) - 1), _changes) | st.binary(max_size=300),
    max_size=25,
)


def _made(drawn: Any, samples: Sequence[bytes]) -> bytes:
    if isinstance(drawn, bytes):
        return drawn
    sample, changes = drawn
    packet: bytes = samples[sample]
    for change, at, text in changes:
        packet = change(packet, at, text)
    return packet


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def play_timers() -> None:
    """Every timer that would be due by then, without the time."""
    until = MonoTime()
    until.offset(_ALL_TIMERS_S)
    while any(timer.cb_func is not None and timer.etime <= until for timer in stack._ED.tlisteners):
        # A timer that starts another sets this back to now.
        stack._ED.last_ts = until.getCopy()
        stack._ED.dispatchTimers()
        await turns()


def _timers_count() -> int:
    return sum(timer.cb_func is not None for timer in stack._ED.tlisteners)


async def _ended(driver: SipDriver, attempt_id: AttemptId) -> None:
    ends = 0
    async with asyncio.timeout(20):
        while await driver.live() or not ends:
            ends += sum(isinstance(event, Released) for event in await driver.events(100))
    assert ends == 1
    assert attempt_id not in await driver.live()


async def _throw(packets: Sequence[Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.setblocking(False)
        async with running_driver() as driver:
            trunk = trunk_to(gateway.getsockname()[1])
            await driver.use_trunks([trunk])
            used = driver._trunks[trunk.trunk_id].stack
            timers_before = _timers_count()
            request = request_for(trunk, "+12025550123")
            await driver.originate(request)
            samples = _samples(await asyncio.get_running_loop().sock_recv(gateway, 65_536))
            for packet in packets:
                source = Remote_address(("127.0.0.1", 9), "udp")
                used.transactions.handleIncoming(_made(packet, samples), source, used._socket, MonoTime())
                await turns()
            await driver.release(request.attempt_id)
            await play_timers()
            await _ended(driver, request.attempt_id)
            await play_timers()
            assert used.open_transactions() == 0
            assert _timers_count() == timers_before
            assert not used.transactions.req_consumers
            assert not used.transactions.hops._addresses


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(packets=_packets)
# An answer that is cut off within To, and a stranger's INVITE whose answer cannot be made: found by this test.
@example(packets=[(3, [(_truncate, 1_246, b"")])])
@example(packets=[(8, [(_repeat_line, 48, b""), (_repeat_line, 0, b""), (_overwrite, 287, b"\0\0")])])
def test_packets_of_any_kind_leave_nothing_behind(packets: Sequence[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leg, "CANCEL_PATIENCE_S", 0.001)
        asyncio.run(_throw(packets))


async def _flood(count: int) -> int:
    async with running_driver() as driver:
        trunk = trunk_to(9)
        await driver.use_trunks([trunk])
        used = driver._trunks[trunk.trunk_id].stack
        source = Remote_address(("127.0.0.1", 9), "udp")
        for serial in range(count):
            packet = _request(b"Call-ID: x", "INVITE", is_ours=False).replace(b"stranger", b"stranger%d" % serial)
            used.transactions.handleIncoming(packet, source, used._socket, MonoTime())
        return used.open_transactions()


def test_strangers_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_STRANGERS_MAX", 50)
    assert asyncio.run(_flood(200)) == 50


def test_a_packet_is_never_printed(capsys: pytest.CaptureFixture[str]) -> None:
    async def throw() -> None:
        async with running_driver() as driver:
            trunk = trunk_to(9)
            await driver.use_trunks([trunk])
            used = driver._trunks[trunk.trunk_id].stack
            source = Remote_address(("127.0.0.1", 9), "udp")
            invite = _request(b"Call-ID: x", "INVITE", is_ours=True)
            bad = _answer(invite.replace(b"sip:b@", b"sip:+12025550123@"), "099 Odd")
            used.transactions.handleIncoming(bad, source, used._socket, MonoTime())

    asyncio.run(throw())
    said = capsys.readouterr()
    assert "2025550123" not in said.out + said.err
