"""One test body for both clients: a wish is carried out by whichever the test was given."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2

from ringoff.client import AsyncRingoffClient, Retries, RingoffClient
from tests.contract.tenants import CONTACTS, Tenant

ONCE = Retries(attempts_max=1)
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


def save(api: Any, tenant: Tenant, file: Any = None, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "agent_id": tenant.agent_id,
        "campaign_name": "Spring",
        "country_code": "+1",
        "variables_map": {"callee_name": "Name", "company": "Company"},
        "call_config": {"call_time": {"timezone": "UTC"}},
        "campaign_start_time": "05/01/2026, 10:00",
        "campaign_end_time": "31/12/2026, 20:00",
    }
    return api.campaigns.save(file or io.BytesIO(CONTACTS.encode()), **fields | changes)


def start_call(api: Any, tenant: Tenant, number: str = "+14155550111", **changes: Any) -> Any:
    fields = {"name": "Ada", "mobile_number": number, "agent_id": tenant.agent_id, "from_number": tenant.number}
    return api.calls.start(**fields | changes)
