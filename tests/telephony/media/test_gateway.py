"""The media gateway between a scripted carrier's leg and a real WebSocket agent."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from ringoff.clock import SystemClock
from ringoff.telephony.media.gateway import HeardMark, MediaGateway, PressedDigit, StreamEnd, is_agent_url
from ringoff.telephony.media.playout import AHEAD_S_MAX, Playout
from ringoff.telephony.media.twilio_messages import (
    AgentAudio,
    AgentClear,
    AgentMark,
    StreamStart,
    read_agent_message,
)
from tests.support.agents import agent
from tests.support.virtual_clock import VirtualClock

pytestmark = pytest.mark.anyio
START = StreamStart("CA-1", "MZ-1", {"callee_name": "Asha"})
FRAME = bytes(160)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class ScriptedLeg:
    """A carrier's side that says what the test puts in, and keeps what it was told."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes | HeardMark | PressedDigit | None] = asyncio.Queue()
        self.told: list[bytes | int | str] = []
        self.news = asyncio.Event()

    async def play(self, audio: bytes) -> None:
        self._keep(audio)

    async def mark(self, number: int) -> None:
        self._keep(number)

    async def flush(self) -> None:
        self._keep("flush")

    async def receive(self) -> bytes | HeardMark | PressedDigit | None:
        return await self.heard.get()

    def _keep(self, told: bytes | int | str) -> None:
        self.told.append(told)
        self.news.set()


async def carry(url: str, leg: ScriptedLeg) -> StreamEnd:
    gateway = MediaGateway(SystemClock())
    await gateway.start()
    try:
        websocket = await gateway.connect(url)
        assert websocket is not None
        async with asyncio.timeout(20):
            return await gateway.carry(leg, websocket, START)
    finally:
        await gateway.stop()


def message(event: str, **body: Any) -> str:
    return json.dumps({"event": event, "streamSid": "MZ-1", **body})


def media(audio: bytes) -> str:
    return message("media", media={"payload": base64.b64encode(audio).decode()})


async def test_a_stream_from_start_to_stop() -> None:
    leg, got = ScriptedLeg(), []

    async def talk(websocket: web.WebSocketResponse) -> None:
        async for frame in websocket:
            got.append(json.loads(frame.data))
            if got[-1]["event"] == "media":
                await websocket.send_str(media(b"\x01" * 320))
                await websocket.send_str(message("mark", mark={"name": "said"}))

    for heard in (FRAME, FRAME, PressedDigit("5")):
        leg.heard.put_nowait(heard)
    async with agent(talk) as url, asyncio.TaskGroup() as tasks:
        stream = tasks.create_task(carry(url, leg))
        while len(leg.told) < 4:
            leg.news.clear()
            await leg.news.wait()
        leg.heard.put_nowait(HeardMark(1))
        leg.heard.put_nowait(None)
        assert await stream is StreamEnd.CALLEE
    assert [each["event"] for each in got] == ["connected", "start", "media", "media", "dtmf", "mark", "stop"]
    assert [each["sequenceNumber"] for each in got[1:]] == ["1", "2", "3", "4", "5", "6"]
    assert got[1]["start"] == {
        "accountSid": "AC" + "0" * 32,
        "streamSid": "MZ-1",
        "callSid": "CA-1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"callee_name": "Asha"},
    }
    assert [(each["media"]["chunk"], each["media"]["timestamp"]) for each in got[2:4]] == [("1", "0"), ("2", "20")]
    assert base64.b64decode(got[2]["media"]["payload"]) == FRAME
    assert got[4]["dtmf"]["digit"] == "5"
    assert got[5]["mark"] == {"name": "said"}
    assert leg.told == [b"\x01" * 320, 1, b"\x01" * 320, 2]


async def test_barge_in_returns_the_marks_at_once() -> None:
    leg, marks = ScriptedLeg(), []

    async def talk(websocket: web.WebSocketResponse) -> None:
        await websocket.send_str(media(bytes(8_000 * 60)))
        for name in ("first", "second"):
            await websocket.send_str(message("mark", mark={"name": name}))
        await websocket.send_str(message("clear"))
        async for frame in websocket:
            event = json.loads(frame.data)
            if event["event"] == "mark":
                marks.append(event["mark"]["name"])
                if len(marks) == 2:
                    leg.heard.put_nowait(None)

    async with agent(talk) as url:
        assert await carry(url, leg) is StreamEnd.CALLEE
    assert marks == ["first", "second"]
    assert "flush" in leg.told


@pytest.mark.parametrize(
    ("code", "end"), [(1000, StreamEnd.AGENT), (1001, StreamEnd.AGENT_FAILED), (1011, StreamEnd.AGENT_FAILED)]
)
async def test_a_goodbye_is_told_from_a_failure(code: int, end: StreamEnd) -> None:
    async def talk(websocket: web.WebSocketResponse) -> None:
        await websocket.receive()
        await websocket.close(code=code)

    async with agent(talk) as url:
        assert await carry(url, ScriptedLeg()) is end


async def test_an_agent_that_breaks_off_has_failed() -> None:
    async def talk(websocket: web.WebSocketResponse) -> None:
        await websocket.receive()
        transport = websocket._req.transport if websocket._req else None
        assert transport is not None
        transport.abort()

    async with agent(talk) as url:
        assert await carry(url, ScriptedLeg()) is StreamEnd.AGENT_FAILED


async def test_nonsense_of_an_agent_costs_nothing() -> None:
    leg = ScriptedLeg()

    async def talk(websocket: web.WebSocketResponse) -> None:
        for text in ("{", "[]", "7", message("media"), message("media", media={"payload": "*"}), message("song")):
            await websocket.send_str(text)
        await websocket.send_bytes(b"x")
        await websocket.send_str(media(FRAME))
        while (await websocket.receive()).type is WSMsgType.TEXT:
            pass

    async with agent(talk) as url, asyncio.TaskGroup() as tasks:
        stream = tasks.create_task(carry(url, leg))
        await leg.news.wait()
        leg.heard.put_nowait(None)
        assert await stream is StreamEnd.CALLEE
    assert leg.told == [FRAME]


async def test_an_agent_that_hangs_is_given_up() -> None:
    released = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    gateway = MediaGateway(SystemClock(), connect_timeout_s=0.05)
    await gateway.start()
    port = server.sockets[0].getsockname()[1]
    assert await gateway.connect(f"ws://127.0.0.1:{port}/agent") is None
    released.set()
    await gateway.stop()
    server.close()
    await server.wait_closed()
    assert not is_agent_url("https://agent.example")


async def test_the_playout_stays_a_little_ahead_of_the_ear() -> None:
    clock, leg = VirtualClock(), ScriptedLeg()
    playout = Playout(leg, clock)
    assert playout.say(bytes(8_000 * 60))
    assert playout.mark("end")
    running = asyncio.create_task(playout.run())
    sent_s: Callable[[], float] = lambda: sum(len(each) for each in leg.told if isinstance(each, bytes)) / 8_000  # noqa: E731
    await clock.advance(0)
    for second in range(50):
        assert second + AHEAD_S_MAX - 1 <= sent_s() <= second + AHEAD_S_MAX + 1
        await clock.advance(1.0)
    await clock.advance(10.0)
    assert sent_s() == 60
    assert leg.told[-1] == 1
    assert playout.heard(1) == "end"
    assert playout.heard(1) is None
    assert max(len(each) for each in leg.told if isinstance(each, bytes)) <= 8_000
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_playout_is_bounded() -> None:
    playout = Playout(ScriptedLeg(), VirtualClock())
    assert playout.say(bytes(8_000 * 300))
    assert not playout.say(bytes(160))
    await playout.clear()
    assert playout.say(bytes(160))
    assert all(playout.mark("m") for _ in range(1_000))
    assert not playout.mark("m")


async def test_messages_of_an_agent_are_read() -> None:
    assert read_agent_message(media(b"abc")) == AgentAudio(b"abc")
    assert read_agent_message(message("mark", mark={"name": "x"})) == AgentMark("x")
    assert read_agent_message(message("mark", mark={"name": 7})) is None
    assert read_agent_message(message("clear")) == AgentClear()
    assert read_agent_message("[" * 100_000) is None
