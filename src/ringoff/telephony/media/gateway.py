"""Connects one answered call to its agent's WebSocket and carries audio, marks and digits until one side ends it.

Knows the Twilio Media Streams protocol on the agent's side and a ``CarrierLeg`` on the other, no carrier in particular.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp import WSMsgType

from ringoff.ports import Clock
from ringoff.telephony.media.playout import CarrierEar, Playout
from ringoff.telephony.media.twilio_messages import (
    AgentAudio,
    AgentClear,
    AgentMark,
    MessageWriter,
    StreamStart,
    read_agent_message,
)

log = structlog.get_logger()

CONNECT_TIMEOUT_S: Final = 5.0
"""How long an agent may take to accept the WebSocket: the callee is on the line and hears nothing."""
SEND_TIMEOUT_S: Final = 5.0
"""How long an agent may stop reading before it counts as gone."""
HEARTBEAT_S: Final = 10.0
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
CLOSE_TIMEOUT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class HeardMark:
    """The callee has heard everything before the mark of this number."""

    number: int


@dataclass(frozen=True, slots=True)
class PressedDigit:
    digit: str


class CarrierLeg(CarrierEar, Protocol):
    """The carrier's side of a call's audio."""

    async def receive(self) -> bytes | HeardMark | PressedDigit | None:
        """The callee's audio as mu-law, or what happened; None when the call is over."""


class StreamEnd(StrEnum):
    """Who ended the stream."""

    CALLEE = "callee"
    AGENT = "agent"
    """The agent closed its WebSocket with the code 1000: it has said what it had to say, and hangs up."""
    AGENT_FAILED = "agent failed"
    """It could not be reached, stopped reading, or went away without a goodbye (RFC 6455 section 7.4.1)."""


class _AgentGone(Exception):
    """It closed, or does not read any more."""

    def __init__(self, end: StreamEnd, reason: str) -> None:
        super().__init__(reason)
        self.end = end


def is_agent_url(url: str) -> bool:
    """Whether a WebSocket may be opened to it: ws or wss, with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("ws", "wss") and bool(parts.hostname)


class MediaGateway:
    """Opens WebSockets to agents; ``start`` before and ``stop`` after, streams of any number between."""

    def __init__(self, clock: Clock, *, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        # One socket for each call; the engine bounds the calls.
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def connect(self, url: str) -> aiohttp.ClientWebSocketResponse | None:
        """The agent's WebSocket, or None when it cannot be had within ``connect_timeout_s``."""
        if self._http is None or not is_agent_url(url):
            log.warning("an agent has no address that a WebSocket can be opened to")
            return None
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return await self._http.ws_connect(
                    url,
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MESSAGE_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # The host only: paths and queries of agents may hold secrets.
            log.warning("an agent could not be reached", host=urlsplit(url).hostname, reason=type(error).__name__)
            return None

    async def carry(self, leg: CarrierLeg, agent: aiohttp.ClientWebSocketResponse, start: StreamStart) -> StreamEnd:
        """Carry the stream until one side ends it; closes the agent's socket, and leaves the leg to its owner."""
        return await _Stream(leg, agent, start, self._clock).carry()


class _Stream:
    """One call's audio. Three tasks: from the agent, to the callee, and from the callee."""

    def __init__(
        self, leg: CarrierLeg, agent: aiohttp.ClientWebSocketResponse, start: StreamStart, clock: Clock
    ) -> None:
        self._leg = leg
        self._agent = agent
        self._start = start
        self._messages = MessageWriter(start)
        self._playout = Playout(leg, clock)
        self._has_dropped = False

    async def carry(self) -> StreamEnd:
        end = StreamEnd.CALLEE
        try:
            await self._tell(self._messages.connected())
            await self._tell(self._messages.start())
            async with asyncio.TaskGroup() as tasks:
                readers = [tasks.create_task(self._hear_agent()), tasks.create_task(self._playout.run())]
                await self._hear_callee()
                for reader in readers:
                    reader.cancel()
            await self._tell(self._messages.stop())
        except* _AgentGone as gone:
            end = self._end_of(gone)
        except* (OSError, aiohttp.ClientError):
            # The carrier's socket broke: whether the call did is for the carrier to say.
            log.info("the carrier's audio ended", call_sid=self._start.call_sid)
        finally:
            await self._agent.close()
        return end

    def _end_of(self, gone: ExceptionGroup[_AgentGone]) -> StreamEnd:
        first: BaseException = gone
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        end = first.end if isinstance(first, _AgentGone) else StreamEnd.AGENT_FAILED
        log.info("an agent ended the stream", call_sid=self._start.call_sid, end=end.value, reason=str(first))
        return end

    async def _tell(self, message: str) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._agent.send_str(message)
        except TimeoutError as error:
            raise _AgentGone(StreamEnd.AGENT_FAILED, "it does not read") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _AgentGone(self._how_it_closed(), "its socket is closed") from error

    def _how_it_closed(self) -> StreamEnd:
        is_goodbye = self._agent.close_code == aiohttp.WSCloseCode.OK
        return StreamEnd.AGENT if is_goodbye else StreamEnd.AGENT_FAILED

    async def _hear_agent(self) -> None:
        while True:
            message = await self._agent.receive()
            if message.type is WSMsgType.TEXT:
                await self._obey(message.data)
            elif message.type is not WSMsgType.BINARY:
                raise _AgentGone(self._how_it_closed(), f"closed with {self._agent.close_code}")

    async def _obey(self, text: str) -> None:
        match read_agent_message(text):
            case AgentAudio(audio):
                is_taken = self._playout.say(audio)
            case AgentMark(name):
                is_taken = self._playout.mark(name)
            case AgentClear():
                is_taken = True
                for name in await self._playout.clear():
                    await self._tell(self._messages.mark(name))
            case _:
                return
        if not is_taken and not self._has_dropped:
            self._has_dropped = True
            log.warning("an agent is too far ahead and loses audio", call_sid=self._start.call_sid)

    async def _hear_callee(self) -> None:
        while (heard := await self._leg.receive()) is not None:
            match heard:
                case bytes():
                    await self._tell(self._messages.media(heard))
                case HeardMark(number):
                    name = self._playout.heard(number)
                    if name is not None:
                        await self._tell(self._messages.mark(name))
                case PressedDigit(digit):
                    await self._tell(self._messages.dtmf(digit))
