"""A subscriber on the clients' host: takes every event of one agent's calls, and knows in the end which never came."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

from tests.multihost.installation import Installation
from tests.support.processes import until

_DELIVERED_WITHIN_S = 90.0
_PENDING = "SELECT count(*) FROM webhook_delivery WHERE state = 'pending'"
_EVENTS = """
    SELECT o.event_id::text AS event_id
    FROM outbox_event o
    JOIN call c ON c.workspace_id = o.workspace_id AND c.call_id = o.call_id
    JOIN campaign k ON k.workspace_id = c.workspace_id AND k.campaign_id = c.campaign_id
    WHERE k.agent_id = $1::text::uuid AND o.event_type = 'call_completed'
"""
_UNTOLD = """
    SELECT c.call_id::text AS call_id
    FROM call c
    JOIN campaign k ON k.workspace_id = c.workspace_id AND k.campaign_id = c.campaign_id
    WHERE k.agent_id = $1::text::uuid AND NOT EXISTS (
        SELECT FROM outbox_event o
        WHERE o.workspace_id = c.workspace_id AND o.call_id = c.call_id AND o.payload->>'status' = c.status
    )
"""


class Subscriber:
    """Listens while it is entered. ``lost`` is for the end of a run, when every call is over."""

    def __init__(self, installation: Installation, agent_id: str) -> None:
        self._installation = installation
        self._agent_id = agent_id
        self.event_ids: set[str] = set()
        self._server = ThreadingHTTPServer((installation.clients.address, 0), _taking(self.event_ids))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        entry = {
            "event_type": ["call_completed"],
            "callback_url": f"http://{self._installation.clients.address}:{self._server.server_port}/",
            "agent_id": self._agent_id,
        }
        answer = self._installation.http.put("/api/v1/webhooks", json=entry)
        assert answer.status_code == 200, answer.text
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def lost(self) -> list[str]:
        """What the run did to this agent's calls and the subscriber was never told, in words."""
        until(lambda: not self._installation.look_for_one(_PENDING), "all is delivered", _DELIVERED_WITHIN_S, 0.3)
        events = [row["event_id"] for row in self._installation.look(_EVENTS, self._agent_id)]
        untold = [row["call_id"] for row in self._installation.look(_UNTOLD, self._agent_id)]
        words = [f"event {event_id} was never delivered" for event_id in events if event_id not in self.event_ids]
        return words + [f"the end of call {call_id} is no event" for call_id in untold]


def _taking(event_ids: set[str]) -> type[BaseHTTPRequestHandler]:
    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            event_ids.add(str(json.loads(body)["event_id"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Not to the test's output."""

    return Taking
