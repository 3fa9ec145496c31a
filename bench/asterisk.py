"""Calls through a real Asterisk and the whole of Ringoff: how many a second, and the audio of a hundred at once."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
from aiohttp import web

from bench.figures import Say, Verdict
from bench.rows import first_tenant
from bench.server import KeptConnection, running_server
from bench.sip import Line, numbers
from bench.sip_carrier import left_out, running_carrier
from bench.sizes import Run
from tests.support.agents import agent
from tests.support.asterisk import PASSWORD, USERNAME, RunningAsterisk, missing, running_asterisk
from tests.support.asterisk_peer import SipPeer

_TALK_S = 2.0
_FRAME_BYTES = 160
_VOICE = 0x20
_CHUNK_FRAMES = 50
_START_CPS = 50.0
_PATIENCE_S = 90.0


@dataclass(slots=True)
class _Heard:
    """What came back to the agents."""

    voice_bytes: int = 0
    marks: int = 0
    over: int = 0
    all_over: asyncio.Event = field(default_factory=asyncio.Event)


async def measure(run: Run, say: Say) -> list[Verdict]:
    """A rate with nobody to talk to, then a hundred conversations."""
    if reason := left_out() or missing():
        say(reason if reason.startswith("left out") else f"left out: {reason}")
        return []
    sizes = run.sizes
    with (
        running_carrier(run.work_dir / "carrier", talk_s=_TALK_S, seconds_max=600) as carrier,
        running_asterisk(carrier.port) as asterisk,
        running_server(run.work_dir / "asterisk") as server,
        server.http() as http,
    ):
        async with server.database() as database:
            line = Line(run.work_dir, carrier, server, database, await first_tenant(database))
            line.use_trunk(http, "asterisk", _config(asterisk, "PJSIP/{number}@trunk"))
            await line.until_up()
            before_s = _spent_s(asterisk)
            step = await line.step(sizes.asterisk_cps, sizes.asterisk_step_s)
            asterisk_ms = (_spent_s(asterisk) - before_s) * 1000 / step.wanted
            say(f"{step}; Asterisk {asterisk_ms:.2f} ms more")
            heard, took_s = await _conversations(run, asterisk, http, line)
    wanted = sizes.asterisk_talks * sizes.asterisk_frames
    frames = heard.voice_bytes / _FRAME_BYTES
    words = f"{frames:,.0f} of {wanted:,} frames came back, {heard.marks} of {sizes.asterisk_talks} marks"
    talks_s = sizes.asterisk_frames / 50
    say(f"{sizes.asterisk_talks} conversations of {talks_s:.0f} s at once, {took_s:.1f} s in all: {words}")
    is_fast = step.is_clean and step.cps >= 100
    return [
        Verdict("asterisk: at least 100 CPS through the whole of Ringoff", f"{step.cps:.0f} CPS", is_fast),
        Verdict(
            f"asterisk: {sizes.asterisk_talks} audio calls full duplex, no frame lost", words,
            frames == wanted and heard.marks == sizes.asterisk_talks,
        ),
    ]  # fmt: skip


async def _conversations(run: Run, asterisk: RunningAsterisk, http: KeptConnection, line: Line) -> tuple[_Heard, float]:
    """Each agent speaks, the callee's telephone echoes, and the agent counts what it hears."""
    sizes = run.sizes
    async with _peer() as peer, _agents(sizes.asterisk_frames, sizes.asterisk_talks) as (url, heard):
        http.close()  # it has been idle
        line.use_trunk(http, "asterisk", _config(asterisk, f"PJSIP/trunk/sip:{{number}}@127.0.0.1:{peer.port}"))
        await line.until_up()
        handling = {"kind": "media_url", "target": url}
        http.send("PUT", f"/api/v1/agents/{line.tenant.agent_id}/handling", handling)
        began = time.perf_counter()
        await line.dial(numbers("+1", 900, sizes.asterisk_talks), _START_CPS)
        async with asyncio.timeout(_PATIENCE_S):
            await heard.all_over.wait()
        return heard, time.perf_counter() - began


@asynccontextmanager
async def _peer() -> AsyncIterator[SipPeer]:
    peer = SipPeer()
    await peer.start(0)
    try:
        yield peer
    finally:
        await peer.stop()


@asynccontextmanager
async def _agents(frames: int, talks: int) -> AsyncIterator[tuple[str, _Heard]]:
    heard = _Heard()

    async def talk(websocket: web.WebSocketResponse) -> None:
        marks = 0
        async for message in websocket:
            event: dict[str, Any] = json.loads(message.data)
            if event["event"] == "start":
                await _speak(websocket, event["streamSid"], frames)
            elif event["event"] == "media":
                heard.voice_bytes += base64.b64decode(event["media"]["payload"]).count(_VOICE)
            elif event["event"] == "mark" and event["mark"]["name"] == "said":
                heard.marks += 1
                marks += 1
                # What is still on its way back from the callee.
                asyncio.get_running_loop().call_later(1.0, lambda: asyncio.ensure_future(websocket.close(code=1000)))
        heard.over += 1
        if heard.over == talks:
            heard.all_over.set()

    async with agent(talk) as url:
        yield url, heard


async def _speak(websocket: web.WebSocketResponse, stream: str, frames: int) -> None:
    payload = base64.b64encode(bytes([_VOICE]) * _FRAME_BYTES * _CHUNK_FRAMES).decode()
    for _ in range(frames // _CHUNK_FRAMES):
        await websocket.send_str(json.dumps({"event": "media", "streamSid": stream, "media": {"payload": payload}}))
    await websocket.send_str(json.dumps({"event": "mark", "streamSid": stream, "mark": {"name": "said"}}))


def _config(asterisk: RunningAsterisk, endpoint: str) -> dict[str, str]:
    return {"url": asterisk.url, "username": USERNAME, "password": PASSWORD, "endpoint": endpoint}


def _spent_s(asterisk: RunningAsterisk) -> float:
    times = psutil.Process(asterisk.process.pid).cpu_times()
    return times.user + times.system
