"""Answered calls through a real Asterisk: to WebSocket agents, to SIP agents, to a recording."""

import asyncio
import base64
import json

import pytest
from aiohttp import WSMsgType, web

from ringoff.domain.carrier import AnswerHandling, HandlingKind
from ringoff.domain.events import Answered
from tests.support.agents import agent, example, served
from tests.support.asterisk import free_ports
from tests.support.asterisk_peer import header
from tests.telephony.asterisk.conftest import WAIT_S, Stage

pytestmark = pytest.mark.anyio
TONE = bytes([0x20]) * 160
HASH = 11


async def test_audio_goes_to_the_agent_and_back(stage: Stage) -> None:
    """The agent's tone passes Asterisk, is echoed by the peer's RTP, and comes back; its mark returns when heard."""
    echoed, marked, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
    starts = []

    async def talk(websocket: web.WebSocketResponse) -> None:
        async for frame in websocket:
            event = json.loads(frame.data)
            if event["event"] == "start":
                starts.append(event["start"])
                payload = base64.b64encode(TONE * 50).decode()
                stream = {"streamSid": event["streamSid"]}
                await websocket.send_str(json.dumps({"event": "media", "media": {"payload": payload}, **stream}))
                await websocket.send_str(json.dumps({"event": "mark", "mark": {"name": "said"}, **stream}))
            elif event["event"] == "media" and base64.b64decode(event["media"]["payload"]).count(0x20) > 100:
                echoed.set()
            elif event["event"] == "mark":
                assert event["mark"]["name"] == "said"
                marked.set()
            elif event["event"] == "stop":
                stopped.set()

    async with agent(talk) as url:
        request = stage.request("+15550001", AnswerHandling(HandlingKind.MEDIA_URL, url))
        await stage.driver.originate(request)
        async with asyncio.timeout(WAIT_S):
            await echoed.wait()
            await marked.wait()
        await stage.driver.release(request.attempt_id)
        released = await stage.listener.released(request.attempt_id)
        async with asyncio.timeout(WAIT_S):
            await stopped.wait()
    assert not released.agent_failed
    assert starts[0]["callSid"] == str(request.attempt_id)
    assert starts[0]["customParameters"] == {"call_id": "c-1", "callee_name": "Asha"}


async def test_the_callee_hangs_up_on_the_agent(stage: Stage) -> None:
    async with served(example("echo_agent").application(60.0)) as url:
        request = stage.request("+25550001", AnswerHandling(HandlingKind.MEDIA_URL, url))
        await stage.driver.originate(request)
        released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert not released.agent_failed


async def test_the_echo_agent_hangs_up_on_a_digit(stage: Stage) -> None:
    async with served(example("echo_agent").application(60.0)) as url:
        request = stage.request("+15550001", AnswerHandling(HandlingKind.MEDIA_URL, url))
        await stage.driver.originate(request)
        await stage.listener.kinds(request.attempt_id, Answered)
        async with asyncio.TaskGroup() as tasks:
            # A callee presses again when nothing happens: the agent may not be there yet.
            pressing = tasks.create_task(press_on(stage, HASH))
            released = await stage.listener.released(request.attempt_id)
            pressing.cancel()
    assert released.was_answered
    assert not released.agent_failed


async def press_on(stage: Stage, event: int) -> None:
    while True:
        stage.peer.rtp.press(event)
        await asyncio.sleep(0.2)


async def test_an_agent_that_goes_away_has_failed_and_the_callee_is_hung_up(stage: Stage) -> None:
    async def talk(websocket: web.WebSocketResponse) -> None:
        while (await websocket.receive()).type is WSMsgType.TEXT:
            await websocket.close(code=1011)

    async with agent(talk) as url:
        request = stage.request("+15550001", AnswerHandling(HandlingKind.MEDIA_URL, url))
        await stage.driver.originate(request)
        released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert released.agent_failed
    async with asyncio.timeout(WAIT_S):
        await next(iter(stage.peer.calls.values())).over.wait()


async def test_an_agent_that_is_not_there_has_failed(stage: Stage) -> None:
    url = f"ws://127.0.0.1:{free_ports(1)[0]}/agent"
    request = stage.request("+15550001", AnswerHandling(HandlingKind.MEDIA_URL, url))
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert released.agent_failed


async def test_a_sip_agent_is_called_and_told(stage: Stage) -> None:
    """It hangs up after a while: then the callee is hung up too."""
    uri = f"sip:2agent@127.0.0.1:{stage.peer.port}"
    request = stage.request("+15550001", AnswerHandling(HandlingKind.SIP_URI, uri))
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    callee, sip_agent = stage.peer.calls.values()
    assert header(sip_agent.invite, "X-Ringoff-Call-Id") == "c-1"
    assert header(sip_agent.invite, "X-Ringoff-Callee-Name") == "Asha"
    assert "X-Ringoff" not in callee.invite
    assert released.was_answered
    assert not released.agent_failed
    async with asyncio.timeout(WAIT_S):
        await callee.over.wait()


async def test_a_sip_agent_goes_with_the_callee(stage: Stage) -> None:
    uri = f"sip:1agent@127.0.0.1:{stage.peer.port}"
    request = stage.request("+15550001", AnswerHandling(HandlingKind.SIP_URI, uri))
    await stage.driver.originate(request)
    async with asyncio.timeout(WAIT_S):
        while len(stage.peer.calls) < 2 or not all(call.is_answered for call in stage.peer.calls.values()):
            stage.peer.arrived.clear()
            await stage.peer.arrived.wait()
    callee, sip_agent = stage.peer.calls.values()
    stage.peer.hang_up(callee)
    released = await stage.listener.released(request.attempt_id)
    assert not released.agent_failed
    async with asyncio.timeout(WAIT_S):
        await sip_agent.over.wait()


async def test_a_sip_agent_that_refuses_has_failed(stage: Stage) -> None:
    uri = f"sip:3busy@127.0.0.1:{stage.peer.port}"
    request = stage.request("+15550001", AnswerHandling(HandlingKind.SIP_URI, uri))
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert released.agent_failed


@pytest.mark.parametrize(("target", "has_failed"), [("digits:1", False), ("sound:there-is-no-such", True)])
async def test_a_recording_is_played_and_the_call_released(stage: Stage, target: str, has_failed: bool) -> None:
    request = stage.request("+15550001", AnswerHandling(HandlingKind.PLAY, target))
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert released.agent_failed is has_failed


async def test_barge_in_ends_what_asterisk_still_had_to_play(stage: Stage) -> None:
    """A minute of speech is cut when its first echo is heard: the mark behind it is back long before the minute."""
    marked, is_cut = asyncio.Event(), False

    async def talk(websocket: web.WebSocketResponse) -> None:
        nonlocal is_cut
        async for frame in websocket:
            event = json.loads(frame.data)
            stream = {"streamSid": event.get("streamSid")}
            if event["event"] == "start":
                payload = base64.b64encode(TONE * 50 * 60).decode()
                await websocket.send_str(json.dumps({"event": "media", "media": {"payload": payload}, **stream}))
                await websocket.send_str(json.dumps({"event": "mark", "mark": {"name": "said"}, **stream}))
            elif event["event"] == "media" and not is_cut:
                if base64.b64decode(event["media"]["payload"]).count(0x20) > 100:
                    is_cut = True
                    await websocket.send_str(json.dumps({"event": "clear", **stream}))
                    # Asterisk plays on after a flush: this mark is heard only if nothing is left before it.
                    await websocket.send_str(json.dumps({"event": "mark", "mark": {"name": "after"}, **stream}))
            elif event["event"] == "mark" and event["mark"]["name"] == "after":
                marked.set()

    async with agent(talk) as url:
        request = stage.request("+15550001", AnswerHandling(HandlingKind.MEDIA_URL, url))
        await stage.driver.originate(request)
        async with asyncio.timeout(WAIT_S):
            await marked.wait()
        await stage.driver.release(request.attempt_id)
        await stage.listener.released(request.attempt_id)
