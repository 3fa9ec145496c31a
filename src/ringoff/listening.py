"""Listening for HTTP: sockets that are bound before anything starts, and servers that leave signals to us."""

import asyncio
import math
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from ringoff.domain.errors import Conflict

_FINISH_RESPONSES_S: Final = 1


class Server(uvicorn.Server):
    """Tells when it accepts requests, and leaves signals to us."""

    def __init__(self, app: ASGIApp, drain_s: float = _FINISH_RESPONSES_S) -> None:
        """``drain_s``: how long requests in flight may take to end, from ``should_exit`` on."""
        super().__init__(_config(app, drain_s))
        self.accepting = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()


async def serve(server: Server, listening: socket.socket, stopping: asyncio.Event) -> None:
    """Until ``server.should_exit``; sets ``stopping`` when it ends, whatever the reason."""
    try:
        await server.serve(sockets=[listening])
    finally:
        stopping.set()


async def serve_until_stopped(app: ASGIApp, listening: socket.socket, stopping: asyncio.Event) -> None:
    """A server beside others: it ends by the event."""
    server = Server(app)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(server, listening, stopping))
        await stopping.wait()
        server.should_exit = True


@contextmanager
def bound_socket(host: str, port: int, field: str = "port") -> Iterator[socket.socket]:
    """Bound before anything is started, so that a taken port (``Conflict``) is the first thing that is said."""
    with ExitStack() as opened:
        try:
            family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listening = opened.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError as error:
            raise Conflict(f"cannot listen on {host} port {port}: {error.strerror or error}", field=field) from error
        yield listening


def url_of(listening: socket.socket) -> str:
    """Where it can be called."""
    host, port = listening.getsockname()[:2]
    # The address of "all interfaces" is none that can be called.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _config(app: ASGIApp, drain_s: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,  # the application writes its own, with the request's id
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(drain_s),
    )
