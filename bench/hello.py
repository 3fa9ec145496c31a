"""The least that the server's stack can answer: one bare route of Starlette under uvicorn, set as Ringoff sets it."""

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

READY = "bare route ready url="


async def _hello(_request: Request) -> Response:
    return Response(b'{"hello":"world"}', media_type="application/json")


async def main() -> None:
    """Serve on a free port until terminated; say the port first."""
    config = uvicorn.Config(
        Starlette(routes=[Route("/hello", _hello)]),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
    )
    # With its protocol named: only then the event loop sets TCP_NODELAY, as for a socket that uvicorn opens itself.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    print(f"{READY}http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    asyncio.run(main())
