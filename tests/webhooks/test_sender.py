"""Bad subscribers on real sockets: redirects, silence, endless answers, and names that resolve to somewhere else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from ringoff.clock import SystemClock
from ringoff.webhooks.sender import EXCERPT_BYTES_MAX, Sender

pytestmark = pytest.mark.anyio


class Subscriber:
    """A server that answers as its path says, and remembers who came."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.peers: set[object] = set()
        self.cut = asyncio.Event()
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.peers.add(request.transport and request.transport.get_extra_info("peername"))
        if request.path == "/short":
            return web.Response(text="thanks")
        if request.path == "/redirect":
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{self.port}/taken"})
        if request.path == "/never":
            await self.cut.wait()
        if request.path == "/flood":
            return web.Response(status=200, headers={"X-Flood": "x" * 100_000})
        if request.path == "/drip":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"x")
            await self.cut.wait()
        if request.path == "/endless":
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                while True:
                    await response.write(b"x" * 65_536)
            except ConnectionError:
                self.cut.set()
            return response
        return web.Response(status=204)


@asynccontextmanager
async def subscribing() -> AsyncIterator[Subscriber]:
    subscriber = Subscriber()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", subscriber.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    subscriber.port = runner.addresses[0][1]
    try:
        yield subscriber
    finally:
        subscriber.cut.set()
        await runner.cleanup()


def open_sender(timeout_s: float = 10.0) -> Sender:
    return Sender(SystemClock(), timeout_s=timeout_s, allow_private=True, connections_max=4)


async def test_any_2xx_is_a_delivery_and_a_redirect_is_not_followed() -> None:
    async with subscribing() as subscriber, open_sender() as sender:
        root = f"http://127.0.0.1:{subscriber.port}"
        assert (await sender.send("POST", f"{root}/fine", {}, b"{}")).is_delivered
        redirected = await sender.send("PUT", f"{root}/redirect", {}, b"{}")
        assert (redirected.status, redirected.is_delivered) == (302, False)
        assert subscriber.paths == ["/fine", "/redirect"]


async def test_a_connection_is_used_again_after_an_answer_that_was_read_to_its_end() -> None:
    async with subscribing() as subscriber, open_sender() as sender:
        for path in ("empty", "short", "short"):
            assert (await sender.send("POST", f"http://127.0.0.1:{subscriber.port}/{path}", {}, b"{}")).is_delivered
        assert len(subscriber.peers) == 1


async def test_silence_ends_with_the_timeout() -> None:
    async with subscribing() as subscriber, open_sender(0.05) as sender:
        never = await sender.send("POST", f"http://127.0.0.1:{subscriber.port}/never", {}, b"{}")
        assert (never.status, never.excerpt) == (None, "no answer within 0.05 s")


async def test_an_answer_that_never_comes_to_its_end_is_not_waited_for() -> None:
    """Its status has come. Waiting for the rest would hold the slot until the timeout."""
    async with subscribing() as subscriber, open_sender() as sender:
        drip = await sender.send("POST", f"http://127.0.0.1:{subscriber.port}/drip", {}, b"{}")
        assert (drip.status, drip.excerpt) == (200, "x")
        assert not subscriber.cut.is_set()


async def test_a_flood_of_headers_is_cut_and_the_next_request_is_well() -> None:
    async with subscribing() as subscriber, open_sender() as sender:
        root = f"http://127.0.0.1:{subscriber.port}"
        flood = await sender.send("POST", f"{root}/flood", {}, b"{}")
        assert (flood.status, flood.excerpt.startswith("no answer: ")) == (None, True)
        assert (await sender.send("POST", f"{root}/fine", {}, b"{}")).is_delivered


async def test_an_endless_answer_is_cut_after_its_excerpt() -> None:
    async with subscribing() as subscriber, open_sender() as sender:
        endless = await sender.send("POST", f"http://127.0.0.1:{subscriber.port}/endless", {}, b"{}")
        assert (endless.status, len(endless.excerpt)) == (200, EXCERPT_BYTES_MAX)
        await subscriber.cut.wait()


async def test_nobody_there_is_a_try_without_a_status() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with open_sender() as sender:
            nobody = await sender.send("POST", f"http://127.0.0.1:{taken.getsockname()[1]}/token", {}, b"{}")
    assert nobody.status is None
    assert "token" not in nobody.excerpt


async def test_a_name_that_turns_private_between_check_and_connect_is_not_connected_to() -> None:
    """Each connection asks again, and connects only to what that look-up gave and what was judged."""
    async with subscribing() as subscriber:

        async def turned(host: str, port: int, _family: socket.AddressFamily) -> list[ResolveResult]:
            public, private = (
                ResolveResult(hostname=host, host=host_is, port=port, family=socket.AF_INET, proto=0, flags=0)
                for host_is in ("93.184.216.34", "127.0.0.1")
            )
            return [public, private]

        clock = SystemClock()
        async with Sender(clock, timeout_s=10, allow_private=False, connections_max=4, look_up=turned) as sender:
            refused = await sender.send("POST", f"http://hook.example:{subscriber.port}/", {}, b"{}")
        assert refused.excerpt == "the host resolves to a private, loopback or link-local address"
        assert subscriber.paths == []


async def test_a_private_address_that_was_stored_when_it_was_allowed_is_refused_now() -> None:
    async with subscribing() as subscriber:
        async with Sender(SystemClock(), timeout_s=10, allow_private=False, connections_max=4) as sender:
            refused = await sender.send("POST", f"http://127.0.0.1:{subscriber.port}/", {}, b"{}")
        assert refused.status is None
        assert subscriber.paths == []
