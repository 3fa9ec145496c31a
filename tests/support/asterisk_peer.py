"""A SIP carrier on loopback for the tests: behaves by the first digit of the dialled number, and echoes RTP.

1 answers and waits for BYE, 2 answers and hangs up, 3 486, 4 404, 5 503, 6 603, 7 rings until CANCEL, 8 wants digest
of alice (87 as a proxy with 407, else 401) and then answers, 9 says nothing, 0 answers across the CANCEL.
"""

import asyncio
import hashlib
import re
import struct
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

_REFUSALS = {"3": "486 Busy Here", "4": "404 Not Found", "5": "503 Service Unavailable", "6": "603 Decline"}
_CHALLENGES = {
    False: ("401 Unauthorized", "WWW-Authenticate"),
    True: ("407 Proxy Authentication Required", "Proxy-Authenticate"),
}
_RINGS_S, _TALKS_S = 0.05, 0.2


@dataclass
class PeerCall:
    """One dialog as the peer sees it."""

    digit: str
    invite: str
    address: tuple[str, int]
    tag: str
    requests: list[str] = field(default_factory=list)
    """Methods in the order they came."""
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    is_answered: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class SipPeer(asyncio.DatagramProtocol):
    """The signalling; ``calls`` by Call-ID. A retransmitted request gets its answer again."""

    def __init__(self) -> None:
        self.calls: dict[str, PeerCall] = {}
        self.invites: list[str] = []
        self.arrived = asyncio.Event()
        self.rtp = _RtpEcho()
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        await loop.create_datagram_endpoint(lambda: self.rtp, local_addr=("127.0.0.1", 0))

    async def stop(self) -> None:
        for call in self.calls.values():
            for timer in call.timers:
                timer.cancel()
        for transport in (self._transport, self.rtp.transport):
            if transport is not None:
                transport.close()
        # The loop closes their sockets in its next turn.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        text = data.decode(errors="replace")
        method, call_id = text.split(" ", 1)[0], header(text, "Call-ID")
        call = self.calls.get(call_id)
        if method == "SIP/2.0":
            if call is not None and header(text, "CSeq").endswith("BYE"):
                call.over.set()
            return
        if method == "OPTIONS":
            self._answer(text, addr, "200 OK", "options")
        elif method == "INVITE" and (call is None or "Authorization" in text):
            self._invited(text, addr, call_id)
        elif call is not None:
            call.requests.append(method)
            self._in_dialog(call, method, text, addr)

    def hang_up(self, call: PeerCall) -> None:
        """The callee hangs up."""
        contact = re.search(r"<(sip:[^>]+)>", header(call.invite, "Contact"))
        assert contact is not None
        lines = [
            f"BYE {contact[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKbye{call.tag}",
            f"From: {header(call.invite, 'To')};tag={call.tag}",
            f"To: {header(call.invite, 'From')}",
            f"Call-ID: {header(call.invite, 'Call-ID')}",
            "CSeq: 7 BYE",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        self._send(lines, "", call.address)

    def _invited(self, text: str, addr: tuple[str, int], call_id: str) -> None:
        found = re.match(r"INVITE sip:\+?(\d)", text)
        assert found is not None
        self.invites.append(text)
        call = PeerCall(found[1], text, addr, uuid4().hex)
        self.calls[call_id] = call
        self.arrived.set()
        if call.digit == "9":
            return
        if call.digit in _REFUSALS:
            self._answer(text, addr, _REFUSALS[call.digit], call.tag)
        elif call.digit == "8" and "Authorization:" not in text:
            status, name = _CHALLENGES["INVITE sip:+87" in text]
            challenge = f'{name}: Digest realm="peer", nonce="47ebe028cda1", algorithm=MD5, qop="auth"'
            self._answer(text, addr, status, call.tag, challenge)
        elif call.digit == "8" and not is_digest_right(text, "alice", "secret"):
            self._answer(text, addr, "403 Forbidden", call.tag)
        else:
            self._answer(text, addr, "100 Trying", "")
            self._answer(text, addr, "180 Ringing", call.tag)
            if call.digit in "128":
                self._later(call, _RINGS_S, self._pick_up)

    def _pick_up(self, call: PeerCall) -> None:
        call.is_answered = True
        self.arrived.set()
        audio = re.search(r"^m=audio (\d+) ", call.invite, re.MULTILINE)
        if audio is not None:
            self.rtp.last_from = ("127.0.0.1", int(audio[1]))
        sdp = (
            "v=0\r\no=peer 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
            "a=fmtp:101 0-16\r\na=ptime:20\r\n"
        )
        self._answer(call.invite, call.address, "200 OK", call.tag, "Content-Type: application/sdp", sdp)
        if call.digit == "2":
            self._later(call, _TALKS_S, self.hang_up)

    def _in_dialog(self, call: PeerCall, method: str, text: str, addr: tuple[str, int]) -> None:
        if method == "BYE":
            self._answer(text, addr, "200 OK", call.tag)
            call.over.set()
        elif method == "CANCEL":
            self._answer(text, addr, "200 OK", call.tag)
            if call.digit == "0":
                self._pick_up(call)
            elif not call.is_answered:
                self._answer(call.invite, call.address, "487 Request Terminated", call.tag)
        elif method == "ACK" and not call.is_answered:
            call.over.set()

    def _later(self, call: PeerCall, delay_s: float, step: Any) -> None:
        call.timers.append(asyncio.get_running_loop().call_later(delay_s, step, call))

    def _answer(
        self, request: str, addr: tuple[str, int], status: str, tag: str, extra: str = "", body: str = ""
    ) -> None:
        to = header(request, "To")
        lines = [
            f"SIP/2.0 {status}",
            *(line for line in request.split("\r\n") if line.lower().startswith("via:")),
            f"From: {header(request, 'From')}",
            f"To: {to}" if not tag or "tag=" in to else f"To: {to};tag={tag}",
            f"Call-ID: {header(request, 'Call-ID')}",
            f"CSeq: {header(request, 'CSeq')}",
            f"Contact: <sip:peer@127.0.0.1:{self.port}>",
            *([extra] if extra else []),
            f"Content-Length: {len(body)}",
        ]
        self._send(lines, body, addr)

    def _send(self, lines: list[str], body: str, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), addr)

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])


class _RtpEcho(asyncio.DatagramProtocol):
    """Sends every packet back to whoever sent it."""

    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self.last_from: tuple[str, int] | None = None

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        assert self.transport is not None
        self.last_from = addr
        self.transport.sendto(data, addr)

    async def speak(self, *stretches: tuple[int, int]) -> None:
        """Milliseconds and a mu-law byte for each: 0xFF is silence, 0x00 and 0x80 in turn are as loud as can be."""
        assert self.transport is not None
        sequence = 0
        for duration_ms, byte in stretches:
            payload = bytes(([byte, byte ^ 0x80] if byte != 0xFF else [0xFF, 0xFF]) * 80)
            for _ in range(duration_ms // 20):
                head = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160, 7)
                if self.last_from is not None:
                    self.transport.sendto(head + payload, self.last_from)
                sequence += 1
                await asyncio.sleep(0.02)

    def press(self, event: int) -> None:
        """A digit as telephone events (RFC 4733): three that go on, three that end it."""
        assert self.transport is not None
        for number in range(6):
            start = bytes([0x80, 101 | (0x80 if number == 0 else 0)])
            ending = 0x80 if number >= 3 else 0
            packet = (
                start
                + (60_000 + number).to_bytes(2, "big")
                + (1_600).to_bytes(4, "big")
                + b"peer"
                + bytes([event, ending | 10])
                + (160 * (number + 1)).to_bytes(2, "big")
            )
            self.transport.sendto(packet, self.last_from)


def is_digest_right(request: str, username: str, password: str) -> bool:
    """Whether the answer to our challenge is right (RFC 2617, MD5 with qop)."""
    credentials = header(request, "Authorization") or header(request, "Proxy-Authorization")
    given = {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', credentials)}
    if given.get("username") != username:
        return False
    first = _md5(f"{username}:{given['realm']}:{password}")
    second = _md5(f"INVITE:{given['uri']}")
    middle = ":".join(given[name] for name in ("nonce", "nc", "cnonce", "qop"))
    return bool(given["response"] == _md5(f"{first}:{middle}:{second}"))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def header(message: str, name: str) -> str:
    """The first value of a header, or nothing."""
    found = re.search(rf"^{name}:[ \t]*(.*?)\r?$", message, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else ""
