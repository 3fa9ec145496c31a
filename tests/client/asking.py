"""One test body for both clients: a wish is carried out by whichever the test was given."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2

from ringoff.client import AsyncRingoffClient, Retries, RingoffClient

Answer = httpx2.Response | Exception
Handler = Callable[[httpx2.Request], httpx2.Response]


class Asker:
    """Asks one of the clients; lists what comes one by one."""

    def __init__(self, client: RingoffClient | AsyncRingoffClient) -> None:
        self.client = client

    async def __call__(self, wish: Callable[[Any], Any]) -> Any:
        if isinstance(self.client, RingoffClient):
            return await asyncio.to_thread(self._blocking, wish)
        found = wish(self.client)
        return [row async for row in found] if isinstance(found, AsyncIterator) else await found

    def _blocking(self, wish: Callable[[Any], Any]) -> Any:
        found = wish(self.client)
        return list(found) if isinstance(found, Iterator) else found

    async def close(self) -> None:
        if isinstance(self.client, RingoffClient):
            self.client.close()
        else:
            await self.client.aclose()


class Script:
    """A server that gives these answers in turn, and keeps what it was asked. Nobody waits for long here."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[httpx2.Request] = []
        self.waits_s: list[float] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, kind: str, url: str = "http://ringoff.test", **options: Any) -> Asker:
        transport = httpx2.MockTransport(self.answer)
        shared: dict[str, Any] = {"transport": transport, "dice": lambda: 0.0, "retries": Retries()} | options
        if kind == "blocking":
            return Asker(RingoffClient(url, "the-key", sleep=self.waits_s.append, **shared))
        return Asker(AsyncRingoffClient(url, "the-key", sleep=self._sleep, **shared))

    async def _sleep(self, wait_s: float) -> None:
        self.waits_s.append(wait_s)


def json_answer(status: int, body: Any, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})
