"""A program that was written for the public API, from its documents alone: it knows a base URL and a key."""

import itertools
import json
from typing import Any

import httpx2

from tests.contract.facts.shapes import check

PREFIX = "/ca/api/v0"
SCHEDULED = {"call_time": {"scheduled_at": "2040-01-05T10:00:00", "timezone": "Asia/Kolkata"}}
VOICE = "11111111-1111-4111-8111-111111111111"
NOBODY = "00000000-0000-4000-8000-000000000000"
TERMINATED = {"message": "Calls terminated successfully!"}
AGENT = {
    "agent_name": "From the documents",
    "introduction_and_objective": "Calls about renewals.",
    "response_guidelines": "Short.",
    "task": "Ask whether to renew.",
    "primary_language": "en-US",
    "voice_id": VOICE,
    "intro_message": "Hello @{{callee_name}}.",
}


class Caller:
    """Every answer's status is said by the caller; an unexpected one fails with its text."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx2.Client(
            base_url=url + PREFIX, headers={"X-API-KEY": key}, timeout=30, trust_env=False, follow_redirects=False
        )
        self._lines = itertools.count(1)

    def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer with this status."""
        response = self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:500]}"
        assert response.headers["content-type"].startswith("application/json")
        return response.json()

    def get(self, path: str, status: int = 200, /, **query: Any) -> Any:
        return self.ask("GET", path, status, params=query)

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        return self.ask("POST", path, status, json=body)

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return self.ask("PATCH", path, status, json=body)

    def number(self, ending: str = "0000") -> str:
        """A number that nobody else of this run has."""
        return f"+9198{next(self._lines):04}{ending}"

    def agent(self, **changes: Any) -> str:
        agent_id: str = self.post("/public/agent", AGENT | changes)["data"]["id"]
        return agent_id

    def calling_number(self) -> dict[str, Any]:
        numbers: list[dict[str, Any]] = self.get("/workspace/numbers")["workspace_numbers"]
        return numbers[0]

    def call(self, agent_id: str, number: str, **changes: Any) -> str:
        """A call that waits until 2040, unless the changes say otherwise."""
        body = {
            "name": "Asha Rao",
            "mobile_number": number,
            "agent_id": agent_id,
            "from_number": self.calling_number()["number"],
            "call_config": SCHEDULED,
        } | changes
        answer = self.post("/calling/v2/outbound/individual", {k: v for k, v in body.items() if v is not None})
        call_id: str = answer["data"]["call_id"]
        return call_id

    def save(
        self, agent_id: str, numbers: list[str], status: int = 200, /, csv: str | None = None, **changes: Any
    ) -> Any:
        """An upload that may be dialled from 2040 on."""
        rows = "".join(f"{number},Asha,Orchid\n" for number in numbers)
        fields = {
            "agent_id": agent_id,
            "campaign_name": "Renewals",
            "country_code": "+91",
            "variables_map": json.dumps({"callee_name": "Name", "company_name": "Company"}),
            "call_config": json.dumps({"call_time": {"timezone": "Asia/Kolkata"}}),
            "campaign_start_time": "01/02/2040, 09:00",
            "campaign_end_time": "28/02/2040, 20:00",
        } | changes
        content = csv if csv is not None else f"Mobile Number,Name,Company\n{rows}"
        return self.ask(
            "POST",
            "/campaign/save",
            status,
            data={name: value for name, value in fields.items() if value is not None},
            files={"file": ("contacts.csv", content.encode(), "text/csv")},
        )

    def start(self, agent_id: str, list_id: str, status: int = 200, path: str = "/campaign/start") -> Any:
        body = {"agent_id": agent_id, "list_id": list_id, "from_numbers": [self.calling_number()["number"]]}
        return self.post(path, body, status)

    def campaign(self, agent_id: str, numbers: list[str]) -> str:
        list_id: str = self.save(agent_id, numbers)["list_id"]
        self.start(agent_id, list_id)
        return list_id

    def terminate(self, status: int = 200, path: str = "", **selector: Any) -> Any:
        return self.patch(f"/campaign/terminate{path}", selector, status)

    def statuses(self, list_id: str) -> dict[str, tuple[str, str]]:
        """Status and sub-status by number."""
        calls = self.get("/calling/history", bulk_list_id=list_id, limit=100)["calls"]
        return {call["to_number"]: (call["status"], call["sub_status"]) for call in calls}

    def call_status(self, call_id: str) -> tuple[str, str]:
        view = self.get("/calling/call-details", id=call_id)["data"]
        return view["call_status"], view["call_sub_status"]

    def expect(self, answer: Any, shape: Any) -> Any:
        """The answer again, when it has the shape."""
        check(answer, shape)
        return answer
