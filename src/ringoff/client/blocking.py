"""The client whose calls return when they are done."""

from collections.abc import Callable, Iterator
from threading import Event
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from ringoff.client.connection import TIMEOUT_S, Kept, address, is_file, parameters, reply_of
from ringoff.client.errors import Unreachable
from ringoff.client.exchange import Dice, Page, Reply, Request, Retries, concluded, roll, wait_before_next
from ringoff.client.methods import Blocking
from ringoff.client.root import Root
from ringoff.client.transfers import Sink, Upload

T = TypeVar("T")


def _sleep(wait_s: float) -> None:
    Event().wait(wait_s)


class RingoffClient(Root[Blocking], Blocking):
    """One server and one key. Threads may share it. ``Misused`` for an address or a key that cannot be one."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        retries: Retries | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = _sleep,
        dice: Dice = roll,
    ) -> None:
        super().__init__(self)
        self._address = address(url, api_key)
        self._http = httpx2.Client(transport=transport, **self._address.options(timeout_s))
        self._retries = retries or Retries()
        self._sleep = sleep
        self._dice = dice

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def perform(self, request: Request[T]) -> T:
        """Send it, again if that is right, and read the answer. ``OSError`` from a file of the caller's."""
        attempt = 1
        while True:
            outcome = self._send(request)
            wait_s = wait_before_next(request, outcome, attempt, self._retries, self._dice)
            if wait_s is None:
                return concluded(request, outcome, attempt)
            self._sleep(wait_s)
            attempt += 1

    def walk(self, first: Request[Page[T]]) -> Iterator[T]:
        """The rows of a page and of all that follow it, one page in memory."""
        request: Request[Page[T]] | None = first
        while request is not None:
            page = self.perform(request)
            yield from page.rows
            request = page.following

    def _send(self, request: Request[Any]) -> Reply | Unreachable:
        built = dict(parameters(request))
        if request.upload is not None:
            built["content"] = _parts(request.upload)
        try:
            with self._http.stream(**built) as response:
                if request.sink is not None and is_file(request, response):
                    return reply_of(response, (), _pour(response, request.sink))
                kept = Kept()
                for chunk in response.iter_bytes():
                    kept.add(chunk)
                return reply_of(response, kept.chunks)
        except httpx2.RequestError as error:
            return self._address.unreachable(error)


def _parts(upload: Upload) -> Iterator[bytes]:
    total = upload.file_size()
    for chunk in upload.chunks():
        yield chunk.content
        upload.note(chunk, total)


def _pour(response: httpx2.Response, sink: Sink) -> int:
    written = 0
    with sink.opened() as file:
        for chunk in response.iter_bytes():
            file.write(chunk)
            written += len(chunk)
    return written
