"""Agents on loopback: anything that does something with a WebSocket, and the example that echoes."""

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

from aiohttp import web

EXAMPLES = Path(__file__).parents[2] / "examples"
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """The WebSocket URL of an application's ``/agent`` on a free port."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/agent"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def agent(talk: Talk) -> AsyncIterator[str]:
    """The URL of an agent that does this with each WebSocket."""

    async def accept(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await talk(websocket)
        return websocket

    app = web.Application()
    app.router.add_get("/agent", accept)
    async with served(app) as url:
        yield url


def example(name: str) -> ModuleType:
    """One of the examples, as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
