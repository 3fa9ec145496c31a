"""A voice agent in one page: says every word back, hangs up on # or after a while. Twilio Media Streams protocol.

    python examples/echo_agent.py --port 9000 --seconds 60

Then give an agent the media URL ws://127.0.0.1:9000/. Needs aiohttp only. See docs/agents.md.
"""

import argparse
import asyncio
import json
from contextlib import suppress

from aiohttp import WSMsgType, web

SECONDS = web.AppKey("seconds", float)


async def talk(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    # A close with the code 1000 hangs up; any other end counts as a failure of the agent.
    with suppress(TimeoutError):
        async with asyncio.timeout(request.app[SECONDS]):
            await echo(websocket)
    await websocket.close(code=1000, message=b"goodbye")
    return websocket


async def echo(websocket: web.WebSocketResponse) -> None:
    async for frame in websocket:
        if frame.type is not WSMsgType.TEXT:
            continue
        message = json.loads(frame.data)
        match message["event"]:
            case "start":
                print("call", message["start"]["callSid"], flush=True)
            case "media":
                # The payload is 20 ms of mu-law in base64; what is sent back is what the callee hears.
                answer = {"event": "media", "streamSid": message["streamSid"]}
                await websocket.send_str(json.dumps(answer | {"media": {"payload": message["media"]["payload"]}}))
            case "dtmf" if message["dtmf"]["digit"] == "#":
                return
            case "stop":
                return


def application(seconds: float) -> web.Application:
    app = web.Application()
    app[SECONDS] = seconds
    app.router.add_get("/{path:.*}", talk)
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An agent that echoes.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--seconds", type=float, default=60.0, help="hang up after so many")
    asked = parser.parse_args()
    web.run_app(application(asked.seconds), host=asked.host, port=asked.port)
