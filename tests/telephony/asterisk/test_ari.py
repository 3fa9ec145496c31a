"""The one request that must know whether it has left, against a server that misbehaves on purpose."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from ringoff.clock import SystemClock
from ringoff.telephony.asterisk.ari import AriClient, AriRefused, AriUnreachable, TooLate
from ringoff.telephony.asterisk.media_leg import read_report
from ringoff.telephony.media.gateway import HeardMark, PressedDigit
from tests.support.asterisk import free_ports
from tests.support.virtual_clock import VirtualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def asterisk_that(answers: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_of(url: str, clock: VirtualClock | SystemClock | None = None) -> AsyncIterator[AriClient]:
    client = AriClient(clock or SystemClock(), url, "user", "pass")
    try:
        yield client
    finally:
        await client.close()


async def test_a_request_arrives_whole_with_its_credentials() -> None:
    got = []

    async def answer(request: web.Request) -> web.Response:
        got.append((request.path, await request.json(), request.headers["Authorization"]))
        return web.json_response({"id": "x"})

    async with asterisk_that(answer) as url, client_of(url) as client:
        assert await client.post_until("/channels/x", {"a": "b"}, math.inf) == {"id": "x"}
    assert got == [("/ari/channels/x", {"a": "b"}, "Basic dXNlcjpwYXNz")]


async def test_the_clock_is_looked_at_after_the_wait_for_a_connection() -> None:
    """The deadline passes while the connection is being made: the body does not leave."""
    bodies = []
    clock = VirtualClock()

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.json_response({})

    async with asterisk_that(answer) as url, client_of(url, clock) as client:
        sending = asyncio.create_task(client.post_until("/channels/x", {}, clock.monotonic() + 1.0))
        await asyncio.sleep(0)
        clock.skip(2.0)
        with pytest.raises(TooLate):
            await sending
        assert await client.post_until("/channels/y", {}, clock.monotonic()) == {}
    assert bodies == [b"{}"]


async def test_a_connection_that_cannot_be_made_has_let_nothing_out() -> None:
    async with client_of(f"http://127.0.0.1:{free_ports(1)[0]}") as client:
        with pytest.raises(AriUnreachable) as unreachable:
            await client.post_until("/channels/x", {}, math.inf)
    assert not unreachable.value.has_left


async def test_a_connection_that_breaks_after_the_request_leaves_a_doubt() -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with asterisk_that(answer) as url, client_of(url) as client:
        with pytest.raises(AriUnreachable) as unreachable:
            await client.post_until("/channels/x", {}, math.inf)
    assert unreachable.value.has_left


async def test_a_refusal_keeps_its_status_and_reason() -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=409, text=json.dumps({"message": "there is one"}))

    async with asterisk_that(answer) as url, client_of(url) as client:
        with pytest.raises(AriRefused, match="there is one") as refused:
            await client.post_until("/channels/x", {}, math.inf)
    assert refused.value.status == 409


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ("DTMF_END digit:5 duration_ms:100", PressedDigit("5")),
        ("DTMF_END digit:x", None),
        ("MEDIA_MARK_PROCESSED 17", HeardMark(17)),
        ("MEDIA_MARK_PROCESSED correlation_id:17", HeardMark(17)),
        ("MEDIA_MARK_PROCESSED", None),
        ("MEDIA_START connection_id:a channel_id:b format:ulaw", None),
        ("MEDIA_XOFF", None),
        ("", None),
    ],
)
def test_reports_of_the_media_channel(text: str, report: HeardMark | PressedDigit | None) -> None:
    assert read_report(text) == report
