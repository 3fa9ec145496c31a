"""`ringoff watch` on real terminals: what stands there, in any size, and that the terminal is given back."""

import json
import signal

import pytest

from tests.acceptance.client import Client, csv_of, numbers
from tests.support.processes import ServerProcess
from tests.support.terminal import CTRL_C, Terminal

HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]\u202eName"
LEAVES_SCREEN = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"


def started(server: ServerProcess, name: str) -> str:
    """A campaign that is held before its first call, so that it stays to be looked at."""
    client = Client(server)
    campaign_id: str = client.upload(csv_of(numbers(0, 30)), campaign_name=name)["list_id"]
    client.start(campaign_id)
    response = server.http.post(f"/api/v1/campaigns/{campaign_id}/pause")
    assert response.status_code == 200, response.text
    return campaign_id


def assert_given_back(terminal: Terminal) -> None:
    assert terminal.modes_after == terminal.modes_before
    assert terminal.raw.rindex(LEAVES_SCREEN) > terminal.raw.rindex(b"\x1b[?1049h")
    assert terminal.raw.rindex(SHOWS_CURSOR) > terminal.raw.rindex(b"\x1b[?25l")


@pytest.mark.parametrize("columns", [80, 40])
def test_it_shows_what_goes_on_and_q_gives_the_terminal_back(
    server: ServerProcess, here: dict[str, str], columns: int
) -> None:
    campaign_id = started(server, "Summer")
    ended = Client(server).upload(csv_of(numbers(0, 2)))["list_id"]
    order = {"campaign_id": ended, "reason": "wrong prompt"}
    assert server.http.post("/api/v1/terminations", json=order).status_code == 202
    with Terminal("watch", variables=here, columns=columns) as terminal:
        terminal.wait_for_shown("q leaves")
        for words in ("Trunks", "channels", "database", "webhooks", "Campaigns", "Summer", "paused", "wrong prompt"):
            terminal.wait_for_shown(words)
        rates = "dialled/s" if columns == 80 else "dial 0/s"
        assert rates in terminal.shown
        terminal.type("xyz\x1b[A")
        terminal.type("q")
        assert terminal.exit_code() == 0
        assert_given_back(terminal)
    assert server.http.post("/api/v1/terminations", json={"campaign_id": campaign_id}).status_code == 202


def test_ctrl_c_gives_the_terminal_back(server: ServerProcess, here: dict[str, str]) -> None:
    with Terminal("watch", variables=here) as terminal:
        terminal.wait_for_shown("q leaves")
        terminal.type(CTRL_C)
        assert terminal.exit_code() == 0
        assert_given_back(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(server: ServerProcess, here: dict[str, str], number: signal.Signals) -> None:
    with Terminal("watch", variables=here) as terminal:
        terminal.wait_for_shown("q leaves")
        terminal.send(number)
        assert terminal.exit_code() == 0
        assert_given_back(terminal)


def test_it_follows_the_size_of_the_window(server: ServerProcess, here: dict[str, str]) -> None:
    variables = here | {"COLUMNS": "200", "LINES": "60"}  # as a shell exports them, and nobody keeps them true
    with Terminal("watch", "--every-s", "3600", variables=variables, columns=80) as terminal:
        terminal.wait_for_shown("dialled/s")
        terminal.resize(40, 12)
        terminal.wait_for_shown("dial 0/s")
        assert all(len(line) <= 40 for line in terminal.shown.splitlines())
        terminal.type("q")
        assert terminal.exit_code() == 0
        assert_given_back(terminal)


def test_a_name_that_would_take_the_terminal_over_is_only_text(server: ServerProcess, here: dict[str, str]) -> None:
    started(server, HOSTILE)
    order = {"campaign_id": started(server, "Ended"), "reason": HOSTILE}
    assert server.http.post("/api/v1/terminations", json=order).status_code == 202
    with Terminal("watch", variables=here) as terminal:
        terminal.wait_until(lambda: terminal.shown.count("[red]") == 2, "both texts as they are")
        terminal.type("q")
        assert terminal.exit_code() == 0
        for sequence in (b"\x1b]", b"\x1b[2J", "\u202e".encode()):
            assert sequence not in terminal.raw


def test_a_server_that_goes_away_is_said_so_and_q_still_leaves() -> None:
    with ServerProcess(shows_logs=False) as server:
        variables = {"RINGOFF_URL": server.url, "RINGOFF_API_KEY": server.key}
        with Terminal("watch", "--every-s", "0.2", variables=variables) as terminal:
            terminal.wait_for_shown("q leaves")
            assert server.process.terminate() == 0
            terminal.wait_for_shown("NO ANSWER")
            assert "Trunks" in terminal.shown, "what was last known stays"
            terminal.type("q")
            assert terminal.exit_code() == 0
            assert_given_back(terminal)


def test_a_wrong_key_is_said_before_the_screen_is_taken(server: ServerProcess, here: dict[str, str]) -> None:
    with Terminal("watch", variables=here | {"RINGOFF_API_KEY": "wrong"}) as terminal:
        assert terminal.exit_code() == 1
        assert "Invalid credentials" in terminal.shown
        assert b"\x1b[?1049h" not in terminal.raw


def test_elsewhere_than_on_a_terminal_it_prints_lines(server: ServerProcess, here: dict[str, str]) -> None:
    lines = server.command("watch", "--count", "2", "--every-s", "0.2", **here)
    assert (lines.returncode, lines.stderr) == (0, "")
    assert [line.count("dialled/s") for line in lines.stdout.splitlines()] == [1, 1]
    documents = server.command("watch", "--count", "2", "--every-s", "0.2", "--json", **here)
    assert [len(json.loads(line)["rates"]) for line in documents.stdout.splitlines()] == [60, 60]


@pytest.mark.parametrize("options", [["--every-s", "0.1"], ["--every-s", "x"], ["--count", "-1"]])
def test_misuse_is_code_2(server: ServerProcess, here: dict[str, str], options: list[str]) -> None:
    assert server.command("watch", *options, **here).returncode == 2
