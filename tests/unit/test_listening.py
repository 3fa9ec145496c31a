"""A server that stops: requests in flight end, and those that never would are ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ringoff.domain.errors import Conflict
from ringoff.listening import Server, bound_socket, serve, url_of

pytestmark = pytest.mark.anyio

LONG_S = 3_600.0


class Slow:
    """An application whose answer waits until it is let go."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.may_go = asyncio.Event()
        self.app = Starlette()
        self.app.add_route("/", self._answer)

    async def _answer(self, _request: Request) -> Response:
        self.came.set()
        await self.may_go.wait()
        return PlainTextResponse("done")


@asynccontextmanager
async def stopping_in_the_middle(drain_s: float) -> AsyncIterator[tuple[Slow, "asyncio.Task[httpx2.Response]"]]:
    """A request is in flight, and the server has been told to end."""
    slow, stopping = Slow(), asyncio.Event()
    with bound_socket("127.0.0.1", 0) as listening:
        server = Server(slow.app, drain_s)
        serving = asyncio.create_task(serve(server, listening, stopping))
        await server.accepting.wait()
        async with httpx2.AsyncClient(base_url=url_of(listening), trust_env=False, timeout=60) as client:
            asking = asyncio.create_task(client.get("/"))
            await slow.came.wait()
            server.should_exit = True
            yield slow, asking
            await serving
            assert stopping.is_set()


async def test_a_request_in_flight_is_answered() -> None:
    async with stopping_in_the_middle(LONG_S) as (slow, asking):
        slow.may_go.set()
        assert (await asking).text == "done"


async def test_a_request_that_does_not_end_holds_nobody_up_for_longer() -> None:
    async with stopping_in_the_middle(0.0) as (_slow, asking):
        assert (await asking).status_code == 500


def test_a_port_that_is_taken_is_a_conflict_that_names_it() -> None:
    with bound_socket("127.0.0.1", 0) as listening:
        listening.listen()
        port = listening.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port}") as caught, bound_socket("127.0.0.1", port):
            pass
    assert caught.value.field == "port"
