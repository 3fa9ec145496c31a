"""Somebody's web server that is told of events: it keeps what comes, and answers as it was told to."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

BODY_BYTES_MAX = 1 << 20


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    """By lower-case name."""
    body: Any
    answered: int


class Receiver:
    """On a free port of loopback, from its ``with`` on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._answers: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str = "/events") -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def answer_with(self, *statuses: int) -> None:
        """The statuses of the next answers; after them it is 200."""
        with self._lock:
            self._answers = list(statuses)

    def received(self, event_type: str | None = None) -> list[Received]:
        """What has come so far, in its order; of one event type when it is named."""
        with self._lock:
            return [each for each in self._received if event_type in (None, each.body.get("event_type"))]

    def bodies(self, event_type: str) -> list[dict[str, Any]]:
        return [each.body for each in self.received(event_type)]

    def _keep(self, handler: BaseHTTPRequestHandler) -> int:
        length = int(handler.headers.get("content-length", "0"))
        assert length <= BODY_BYTES_MAX, f"a body of {length} bytes"
        body = json.loads(handler.rfile.read(length))
        parts = urlsplit(handler.path)
        headers = {name.lower(): text for name, text in handler.headers.items()}
        with self._lock:
            status = self._answers.pop(0) if self._answers else 200
            self._received.append(
                Received(handler.command, parts.path, parse_qs(parts.query), headers, body, answered=status)
            )
        return status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.send_response(keep(self))
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT = do_PATCH = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Nothing: the lines would hide those of the server under test."""

        return Handler
