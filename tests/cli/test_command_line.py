"""Each command line ends with its documented code and says why."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from ringoff import __version__
from ringoff.cli import run


class Desk(BaseHTTPRequestHandler):
    """Stands in for a server: keeps what it was asked and gives the answer it was told to."""

    answer: ClassVar[tuple[int, dict[str, Any]]] = (200, {"message": "Calls terminated successfully!"})
    asked: ClassVar[list[tuple[str, str | None, Any]]] = []

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["X-API-KEY"], body))
        status, shown = self.answer
        self.send_response(status)
        self.send_header("X-Termination-Id", "the-receipt")
        self.end_headers()
        self.wfile.write(json.dumps(shown).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Desk]]:
    class OwnDesk(Desk):
        asked: ClassVar[list[tuple[str, str | None, Any]]] = []

    server = HTTPServer(("127.0.0.1", 0), OwnDesk)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("RINGOFF_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("RINGOFF_API_KEY", "from-the-environment")
    yield OwnDesk
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("options", "body"),
    [
        (["--agent-id", "a"], {"agent_id": "a"}),
        (["--call-id", "c1", "--call-id", "c2"], {"call_ids": ["c1", "c2"]}),
        (["--campaign-id", "k"], {"campaign_id": "k"}),
        (["--campaign-id", "k", "--number", "+12025550101"], {"campaign_id": "k", "mobile_numbers": ["+12025550101"]}),
        (
            ["--number", "+12025550101", "--number", "+12025550102"],
            {"mobile_numbers": ["+12025550101", "+12025550102"]},
        ),
    ],
)
def test_each_level_of_termination_is_one_request(
    desk: type[Desk], capsys: pytest.CaptureFixture[str], options: list[str], body: dict[str, Any]
) -> None:
    assert run(["terminate", *options]) == 0
    assert desk.asked == [("/ca/api/v0/campaign/terminate", "from-the-environment", body)]
    assert capsys.readouterr().out == "Calls terminated successfully!\nX-Termination-Id: the-receipt\n"


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((400, {"detail": "No terminable calls found for the specified parameters"}), 1, "No terminable calls"),
        ((401, {"detail": "Invalid credentials"}), 1, "Invalid credentials"),
        ((400, {"error": {"code": "x", "message": "the native shape"}}), 1, "the native shape"),
        ((500, {"detail": "An unexpected error occurred."}), 3, "give the order again"),
    ],
)
def test_a_refusal_says_so(
    desk: type[Desk],
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, dict[str, Any]],
    code: int,
    words: str,
) -> None:
    desk.answer = answer
    assert run(["terminate", "--agent-id", "a", "--api-key", "given"]) == code
    assert desk.asked[0][1] == "given"
    assert words in capsys.readouterr().err


def test_a_server_that_is_not_there_is_code_3_and_nothing_was_terminated(
    desk: type[Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["terminate", "--agent-id", "a", "--url", "http://127.0.0.1:9"]) == 3
    assert "nothing was terminated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["terminate"], "give --agent-id"),
        (["terminate", "--agent-id", "a"], "RINGOFF_API_KEY"),
        (["terminate", "--agent-id", "a", "--api-key", "k", "--url", "ftp://x"], "must begin with http"),
        (["terminate", "--agent", "a"], "--agent"),
        (["up", "--port", "http"], "--port"),
        (["up", "--port", "70000"], "--port must be a whole number from 0 to 65535"),
        (["hang-up"], "hang-up"),
    ],
)
def test_misuse_is_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    monkeypatch.delenv("RINGOFF_API_KEY", raising=False)
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err + captured.out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__
