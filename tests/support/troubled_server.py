"""A server with troubles, for tests of clients: it answers what it was told to, or holds a request for ever."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, ClassVar


class Troubled(BaseHTTPRequestHandler):
    """Answers what it was told to for each path; a path without an answer is held until the test is over.

    What is in ``later`` takes the place of the path's answer once that was given.
    """

    answers: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {}
    later: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {}
    asked: ClassVar[list[tuple[str, str | None]]] = []
    arrived: ClassVar[Event]
    over: ClassVar[Event]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_POST()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append((path, self.headers["Idempotency-Key"]))
        if path not in self.answers:
            self.arrived.set()
            self.over.wait()
            return
        status, body = self.answers[path]
        self.answers[path] = self.later.get(path, (status, body))
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@contextmanager
def troubled_server() -> Iterator[tuple[type[Troubled], dict[str, str]]]:
    """The one that was asked, and the variables that lead there."""

    class OwnTroubled(Troubled):
        answers: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {}
        later: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {}
        asked: ClassVar[list[tuple[str, str | None]]] = []
        arrived: ClassVar[Event] = Event()
        over: ClassVar[Event] = Event()

    server = ThreadingHTTPServer(("127.0.0.1", 0), OwnTroubled)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield OwnTroubled, {"RINGOFF_URL": f"http://127.0.0.1:{server.server_port}", "RINGOFF_API_KEY": "k"}
    OwnTroubled.over.set()
    server.shutdown()
    thread.join()
    server.server_close()
