"""What a client of the compatible API does, step by step: agents, uploads, starts, orders, looking at the outcome."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

import httpx2

from ringoff.clock import SystemClock
from tests.support.processes import until

COMPATIBLE = "/ca/api/v0"
CALLING_NUMBER = "+12025550100"
TERMINATED = {"message": "Calls terminated successfully!"}
NOT_OVER = ("registered", "ongoing", "retry")

_clock = SystemClock()


def numbers(first: int, count: int) -> list[str]:
    """Possible Indian numbers that all end in 0, so that the simulated carrier's mix decides what becomes of them."""
    return [f"+91{9_000_000_000 + 10 * (first + offset)}" for offset in range(count)]


def csv_of(called: Iterable[str]) -> bytes:
    return ("Mobile Number,Name\n" + "".join(f"{number},Somebody\n" for number in called)).encode()


class Answering(Protocol):
    """A server, whoever started it."""

    @property
    def http(self) -> httpx2.Client:
        """With its address and a key."""


class Client:
    """Speaks to one server. Every answer but an expected one fails the test with its text."""

    def __init__(self, server: Answering) -> None:
        self._server = server
        self.agent_id: str = self.get("/agent/all")["data"]["agents"][0]["id"]

    def get(self, path: str, **query: str) -> Any:
        response = self._server.http.get(COMPATIBLE + path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        response = self._server.http.post(COMPATIBLE + path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def set_pace(self, *, cps_max: float, channels_max: int) -> None:
        """Of the one trunk of the default workspace."""
        trunk_id = self._server.http.get("/api/v1/trunks").json()["trunks"][0]["trunk_id"]
        limits = {"cps_max": cps_max, "channels_max": channels_max}
        response = self._server.http.patch(f"/api/v1/trunks/{trunk_id}", json=limits)
        assert response.status_code == 200, response.text

    def another_agent(self) -> str:
        answer = self.post(
            "/public/agent",
            {
                "agent_name": "Another agent",
                "introduction_and_objective": "Calls.",
                "response_guidelines": "Short.",
                "task": "Talk.",
                "primary_language": "en-US",
                "voice_id": "11111111-1111-4111-8111-111111111111",
                "intro_message": "Hello.",
            },
        )
        agent_id: str = answer["data"]["id"]
        return agent_id

    def upload(
        self, content: bytes, *, agent_id: str | None = None, retry_count: int = 0, **changes: str
    ) -> dict[str, Any]:
        """A draft that opens now; retries come at once."""
        now = _clock.now()
        retry = {"retry_count": retry_count, "retry_busy": 0, "retry_not_picked": 0, "retry_failed": 0}
        fields = {
            "agent_id": agent_id or self.agent_id,
            "campaign_name": "Acceptance",
            "country_code": "+1",
            "variables_map": json.dumps({"mobile_number": "Mobile Number", "callee_name": "Name"}),
            "call_config": json.dumps({"call_time": {"timezone": "UTC"}, "call_retry_config": retry}),
            "campaign_start_time": f"{now:%d/%m/%Y, %H:%M}",
            "campaign_end_time": f"{now + timedelta(days=2):%d/%m/%Y, %H:%M}",
        }
        response = self._server.http.post(
            f"{COMPATIBLE}/campaign/save", data=fields | changes, files={"file": ("list.csv", content, "text/csv")}
        )
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def start(self, campaign_id: str, *, agent_id: str | None = None) -> None:
        body = {"agent_id": agent_id or self.agent_id, "list_id": campaign_id, "from_numbers": [CALLING_NUMBER]}
        answer = self.post("/campaign/start", body)
        assert answer["status"] == "campaign registered successfully!"

    def campaign(self, called: Iterable[str], *, agent_id: str | None = None, retry_count: int = 0) -> str:
        """Uploaded and started."""
        campaign_id: str = self.upload(csv_of(called), agent_id=agent_id, retry_count=retry_count)["list_id"]
        self.start(campaign_id, agent_id=agent_id)
        return campaign_id

    def call(self, number: str, *, agent_id: str | None = None) -> str:
        """An individual call's id."""
        answer = self.post(
            "/calling/outbound/individual",
            {
                "name": "Somebody",
                "mobile_number": number,
                "agent_id": agent_id or self.agent_id,
                "from_number": CALLING_NUMBER,
            },
        )
        call_id: str = answer["data"]["call_id"]
        return call_id

    def terminate(self, path: str = "", **selector: object) -> int:
        """Give an order that must succeed; the monotonic nanoseconds at which its 200 had been received."""
        acknowledged_ns = self.terminate_pending(path, **selector)
        assert acknowledged_ns is not None, "nothing was pending"
        return acknowledged_ns

    def terminate_pending(self, path: str = "", **selector: object) -> int | None:
        """The same where nothing may be pending just now: None then, and nothing was changed."""
        response = self._server.http.patch(f"{COMPATIBLE}/campaign/terminate{path}", json=selector)
        acknowledged_ns = _clock.monotonic_ns()
        if response.status_code == 400 and "No terminable calls" in response.text:
            return None
        assert (response.status_code, response.json()) == (200, TERMINATED), response.text
        assert response.headers["X-Termination-Id"]
        return acknowledged_ns

    def history(self, campaign_id: str | None = None, **query: str) -> list[dict[str, Any]]:
        """Every call, page by page."""
        if campaign_id is not None:
            query["bulk_list_id"] = campaign_id
        calls: list[dict[str, Any]] = []
        while True:
            page = self.get("/calling/history", limit="1000", offset=str(len(calls)), **query)
            calls += page["calls"]
            if len(calls) >= page["total"]:
                return calls

    def status_count(self, campaign_id: str, status: str) -> int:
        """How many calls of the campaign have this effective status."""
        query = {"bulk_list_id": campaign_id, "status": status, "limit": "1"}
        response = self._server.http.get(f"{COMPATIBLE}/calling/history", params=query)
        assert response.status_code == 200, response.text
        total: int = response.json()["total"]
        is_exact = response.headers["X-Total-Is-Exact"] == "true"
        return total if is_exact else sum(1 for _ in self._calls(campaign_id, status))

    def _calls(self, campaign_id: str, status: str) -> Iterator[Mapping[str, Any]]:
        """All of them, page by page, for counts that the history only says the least of."""
        query = {"campaign_id": campaign_id, "status": status, "limit": "1000"}
        while True:
            response = self._server.http.get("/api/v1/calls", params=query)
            assert response.status_code == 200, response.text
            page = response.json()
            yield from page["calls"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def statuses(self, campaign_id: str) -> Counter[str]:
        return Counter(call["status"] for call in self.history(campaign_id))

    def wait_until_over(self, *campaign_ids: str, within_s: float = 60) -> None:
        """Until every call of the campaigns has ended, one way or another."""
        for campaign_id in campaign_ids:
            what = f"every call of {campaign_id} is over"
            until(partial(self._is_over, campaign_id), what, within_s, poll_s=0.25)

    def _is_over(self, campaign_id: str) -> bool:
        # Twice, because a call may go back from ongoing to retry between two looks; over is over for ever.
        return not any(self.status_count(campaign_id, status) for status in (*NOT_OVER, *NOT_OVER))
