"""The client for an event loop; files are read and written in threads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from ringoff.client.connection import TIMEOUT_S, Kept, address, is_file, parameters, reply_of
from ringoff.client.errors import Unreachable
from ringoff.client.exchange import Dice, Page, Reply, Request, Retries, concluded, roll, wait_before_next
from ringoff.client.methods import NonBlocking
from ringoff.client.root import Root
from ringoff.client.transfers import Sink, Upload

T = TypeVar("T")


class AsyncRingoffClient(Root[NonBlocking], NonBlocking):
    """One server and one key, in one event loop. ``Misused`` for an address or a key that cannot be one."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        retries: Retries | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        dice: Dice = roll,
    ) -> None:
        super().__init__(self)
        self._address = address(url, api_key)
        self._http = httpx2.AsyncClient(transport=transport, **self._address.options(timeout_s))
        self._retries = retries or Retries()
        self._sleep = sleep
        self._dice = dice

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def perform(self, request: Request[T]) -> T:
        """Send it, again if that is right, and read the answer. ``OSError`` from a file of the caller's."""
        attempt = 1
        while True:
            outcome = await self._send(request)
            wait_s = wait_before_next(request, outcome, attempt, self._retries, self._dice)
            if wait_s is None:
                return concluded(request, outcome, attempt)
            await self._sleep(wait_s)
            attempt += 1

    async def walk(self, first: Request[Page[T]]) -> AsyncIterator[T]:
        """The rows of a page and of all that follow it, one page in memory."""
        request: Request[Page[T]] | None = first
        while request is not None:
            page = await self.perform(request)
            for row in page.rows:
                yield row
            request = page.following

    async def _send(self, request: Request[Any]) -> Reply | Unreachable:
        built = dict(parameters(request))
        if request.upload is not None:
            built["content"] = _parts(request.upload)
        try:
            async with self._http.stream(**built) as response:
                if request.sink is not None and is_file(request, response):
                    return reply_of(response, (), await _pour(response, request.sink))
                kept = Kept()
                async for chunk in response.aiter_bytes():
                    kept.add(chunk)
                return reply_of(response, kept.chunks)
        except httpx2.RequestError as error:
            return self._address.unreachable(error)


async def _parts(upload: Upload) -> AsyncIterator[bytes]:
    total = upload.file_size()
    chunks = upload.chunks()
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk.content
        upload.note(chunk, total)


async def _pour(response: httpx2.Response, sink: Sink) -> int:
    written = 0
    with sink.opened() as file:
        async for chunk in response.aiter_bytes():
            await asyncio.to_thread(file.write, chunk)
            written += len(chunk)
    return written
