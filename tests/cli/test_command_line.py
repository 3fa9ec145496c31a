"""Each command line ends with its documented code and says why."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from ringoff import __version__
from ringoff.cli import run

RECEIPT: dict[str, Any] = {
    "termination_id": "the-receipt",
    "level": "campaign_numbers",
    "selector": {"campaign_id": "k", "mobile_numbers": ["+12025550101"]},
    "reason": "wrong prompt",
    "ongoing": "finish",
    "suppress": False,
    "state": "settled",
    "counts": {"cancelled": 1_200, "left_ongoing": 2, "retry_barred": 2, "hung_up": 0, "suppressed": 0},
    "api_key": {"api_key_id": "i", "name": "Desk", "prefix": "ringoff_live_abcd"},
    "created_at": "2026-01-01T00:00:00+00:00",
    "settled_at": "2026-01-01T00:00:01+00:00",
    "calls": [],
    "next_cursor": None,
}
COUNTS = "settled: 1,200 cancelled, 2 left ongoing, 2 retries barred, 0 hung up"
PREVIEW: dict[str, Any] = {
    "level": "campaign",
    "terminable_count": 1_200,
    "is_verifying": False,
    "counts": {"registered": 1_000, "retry": 200, "ongoing": 3},
    "campaign_count": 2,
    "by_campaign": [
        {"campaign_id": "k", "name": "Spring", "agent_id": "a", "counts": {"registered": 1_000, "retry": 100}},
        {"campaign_id": None, "name": "individual calls", "agent_id": "a", "counts": {"registered": 0, "retry": 100}},
    ],
    "by_agent": [],
    "sample": [],
}


class Desk(BaseHTTPRequestHandler):
    """Stands in for a server: keeps what it was asked and gives the answer it was told to."""

    answer: ClassVar[tuple[int, dict[str, Any]]] = (202, RECEIPT)
    asked: ClassVar[list[tuple[str, str | None, Any]]] = []
    keys: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self) -> None:
        self._answer(None)

    def _answer(self, body: Any) -> None:
        self.asked.append((self.path, self.headers["X-API-KEY"], body))
        self.keys.append(self.headers["Idempotency-Key"])
        status, shown = self.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(shown).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Desk]]:
    class OwnDesk(Desk):
        asked: ClassVar[list[tuple[str, str | None, Any]]] = []
        keys: ClassVar[list[str | None]] = []

    server = HTTPServer(("127.0.0.1", 0), OwnDesk)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("RINGOFF_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("RINGOFF_API_KEY", "from-the-environment")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
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
        (
            ["--number", "+12025550101", "--hangup", "--suppress", "--reason", "asked to"],
            {"mobile_numbers": ["+12025550101"], "ongoing": "hangup", "suppress": True, "reason": "asked to"},
        ),
    ],
)
def test_each_level_of_termination_is_one_request(
    desk: type[Desk], capsys: pytest.CaptureFixture[str], options: list[str], body: dict[str, Any]
) -> None:
    assert run(["terminate", *options, "--yes"]) == 0
    assert desk.asked == [("/api/v1/terminations", "from-the-environment", body)]
    [key] = desk.keys
    assert key, "an order whose answer is lost can be given again"
    assert capsys.readouterr().out == f"Calls terminated successfully!\nX-Termination-Id: the-receipt\n{COUNTS}\n"


def test_a_dry_run_gives_no_order(desk: type[Desk], capsys: pytest.CaptureFixture[str]) -> None:
    desk.answer = (200, PREVIEW)
    assert run(["terminate", "--campaign-id", "k", "--dry-run", "--reason", "r"]) == 0
    assert desk.asked == [("/api/v1/terminations/preview", "from-the-environment", {"campaign_id": "k", "reason": "r"})]
    first, *campaigns = capsys.readouterr().out.splitlines()
    assert first == "Would terminate 1,200 calls: 1,000 registered, 200 in retry; 3 ongoing would be left to end"
    assert [line.split()[-1] for line in campaigns] == ["Spring", "calls"]
    assert run(["terminate", "--campaign-id", "k", "--dry-run", "--hangup", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == PREVIEW


def test_a_dry_run_names_what_cannot_be_counted_yet(desk: type[Desk], capsys: pytest.CaptureFixture[str]) -> None:
    desk.answer = (200, PREVIEW | {"is_verifying": True})
    assert run(["terminate", "--campaign-id", "k", "--dry-run"]) == 0
    assert "large lists that are still being verified" in capsys.readouterr().out


def test_a_receipt_is_read_back(desk: type[Desk], capsys: pytest.CaptureFixture[str]) -> None:
    desk.answer = (200, RECEIPT)
    assert run(["receipt", "the-receipt"]) == 0
    out = capsys.readouterr().out
    assert desk.asked[0][0].startswith("/api/v1/terminations/the-receipt")
    for words in ("wrong prompt", "Desk (ringoff_live_abcd...)", "1: +12025550101", COUNTS):
        assert words in out
    assert run(["receipt", "the-receipt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == RECEIPT
    desk.answer = (404, {"error": {"code": "not_found", "message": "Termination not found"}})
    assert run(["receipt", "another"]) == 1
    assert "Termination not found" in capsys.readouterr().err


def test_an_order_whose_answer_may_be_lost_names_its_key(desk: type[Desk], capsys: pytest.CaptureFixture[str]) -> None:
    desk.answer = (503, {"error": {"code": "database_unavailable", "message": "away"}})
    assert run(["terminate", "--agent-id", "a", "--yes"]) == 3
    assert f"--idempotency-key {desk.keys[0]}" in capsys.readouterr().err
    assert run(["terminate", "--agent-id", "a", "--idempotency-key", "mine", "-y"]) == 3
    assert desk.keys[1] == "mine"


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((400, {"detail": "No terminable calls found for the specified parameters"}), 1, "No terminable calls"),
        ((401, {"detail": "Invalid credentials"}), 1, "Invalid credentials"),
        ((400, {"error": {"code": "x", "message": "the native shape"}}), 1, "the native shape"),
        ((500, {"detail": "An unexpected error occurred."}), 3, "give it again"),
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
    assert run(["terminate", "--agent-id", "a", "--api-key", "given", "--yes"]) == code
    assert desk.asked[0][1] == "given"
    assert words in capsys.readouterr().err


def test_a_server_that_is_not_there_is_code_3_and_nothing_was_terminated(
    desk: type[Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["terminate", "--agent-id", "a", "--yes", "--url", "http://127.0.0.1:9"]) == 3
    assert "nothing was terminated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["terminate"], "give --agent-id"),
        (["terminate", "--agent-id", "a"], "give --yes; nothing was terminated"),
        (["terminate", "--agent-id", "a", "--json"], "give --yes; nothing was terminated"),
        (["terminate", "--agent-id", "a", "--yes"], "RINGOFF_API_KEY"),
        (["terminate", "--agent-id", "a", "-y", "--api-key", "k", "--url", "ftp://x"], "must begin with http"),
        (["terminate", "--agent", "a"], "--agent"),
        (["up", "--port", "http"], "--port"),
        (["up", "--port", "70000"], "--port must be a whole number from 0 to 65535"),
        (["hang-up"], "hang-up"),
    ],
)
def test_misuse_is_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.delenv("RINGOFF_API_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err + captured.out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__
