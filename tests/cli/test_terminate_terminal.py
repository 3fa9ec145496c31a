"""`ringoff terminate` as somebody sees it: a table, a question, the id, then the bar."""

import json
import signal

import pytest

from tests.acceptance.client import Client, csv_of, numbers
from tests.support.processes import ServerProcess
from tests.support.terminal import CTRL_C, Terminal

HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]\u202eName"


def waiting(server: ServerProcess, count: int, name: str = "Spring") -> str:
    """A draft of so many calls of its own."""
    client = Client(server)
    campaign_id: str = client.upload(csv_of(numbers(0, count)), campaign_name=name)["list_id"]
    return campaign_id


def test_the_order_is_shown_and_no_is_no(server: ServerProcess, here: dict[str, str]) -> None:
    campaign_id = waiting(server, 12)
    with Terminal("terminate", "--campaign-id", campaign_id, variables=here) as terminal:
        terminal.wait_for("Terminate 12 calls? [y/N]")
        lines = [line.split() for line in terminal.shown.splitlines()]
        assert ["Campaign", "Registered", "Retry", "Ongoing"] in lines
        assert ["Spring", "12", "0", "0"] in lines
        terminal.type("n\n")
        assert terminal.exit_code() == 1
        assert "nothing was terminated" in terminal.shown
    assert Client(server).statuses(campaign_id) == {"registered": 12}


@pytest.mark.parametrize("typed", [CTRL_C, "\x04", "\n"], ids=["Ctrl-C", "Ctrl-D", "return"])
def test_whoever_leaves_the_question_has_terminated_nothing(
    server: ServerProcess, here: dict[str, str], typed: str
) -> None:
    campaign_id = waiting(server, 2)
    with Terminal("terminate", "--campaign-id", campaign_id, variables=here) as terminal:
        terminal.wait_for("[y/N]")
        if typed == CTRL_C:
            terminal.interrupt()
        else:
            terminal.type(typed)
        assert terminal.exit_code() == 1
        assert "nothing was terminated" in terminal.shown
    assert Client(server).statuses(campaign_id) == {"registered": 2}


def test_yes_is_an_order_with_its_id_and_its_bar(server: ServerProcess, here: dict[str, str]) -> None:
    campaign_id = waiting(server, 150)
    with Terminal("terminate", "--campaign-id", campaign_id, variables=here) as terminal:
        terminal.wait_for("Terminate 150 calls? [y/N]")
        terminal.type("y\n")
        assert terminal.exit_code() == 0
        written = terminal.written
        assert "settled: 150 cancelled" in written
        assert "100%" in written
        # Before anything is waited for: somebody who is cut off here must still be able to account for it.
        assert written.index("X-Termination-Id: ") < written.index("settling")
        assert b"\x1b[?25h" in terminal.raw, "the cursor is back"
    assert Client(server).statuses(campaign_id) == {"cancelled": 150}


def test_a_large_order_needs_its_number_typed(server: ServerProcess, here: dict[str, str]) -> None:
    campaign_id = waiting(server, 1_000)
    for typed in ("y", "100"):
        with Terminal("terminate", "--campaign-id", campaign_id, variables=here) as terminal:
            terminal.wait_for("Type 1000 to go on:")
            terminal.type(f"{typed}\n")
            assert terminal.exit_code() == 1
            assert "nothing was terminated" in terminal.shown
    with Terminal("terminate", "--campaign-id", campaign_id, "--no-wait", variables=here) as terminal:
        terminal.wait_for("This ends 1,000 calls. Type 1000 to go on:")
        terminal.type("1,000\n")
        assert terminal.exit_code() == 0
        assert "X-Termination-Id: " in terminal.shown
    assert Client(server).status_count(campaign_id, "cancelled") == 1_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_it_settles_takes_nothing_back_and_says_so(
    server: ServerProcess, here: dict[str, str], number: signal.Signals
) -> None:
    campaign_id = waiting(server, 3_000)
    with Terminal("terminate", "--campaign-id", campaign_id, "--yes", variables=here) as terminal:
        terminal.wait_for("settling")
        terminal.send(number)
        assert terminal.exit_code() == 0
        assert "The order is carried out and holds" in terminal.shown
        assert "X-Termination-Id: " in terminal.written
        assert b"\x1b[?25h" in terminal.raw, "the cursor is back"
    assert Client(server).status_count(campaign_id, "cancelled") == 3_000


def test_a_name_that_would_take_the_terminal_over_is_only_text(server: ServerProcess, here: dict[str, str]) -> None:
    campaign_id = waiting(server, 3, HOSTILE)
    with Terminal("terminate", "--campaign-id", campaign_id, variables=here) as terminal:
        terminal.wait_for("[y/N]")
        assert "]0;owned" in terminal.shown
        assert "[red]" in terminal.shown
        terminal.type("n\n")
        assert terminal.exit_code() == 1
        for sequence in (b"\x1b]", b"\x1b[2J", "\u202e".encode()):
            assert sequence not in terminal.raw


def test_the_json_of_a_terminal_is_one_document_after_the_question(server: ServerProcess, here: dict[str, str]) -> None:
    campaign_id = waiting(server, 2)
    with Terminal("terminate", "--campaign-id", campaign_id, "--json", variables=here) as terminal:
        terminal.wait_for("[y/N]")
        terminal.type("yes\n")
        assert terminal.exit_code() == 0
        _question, brace, document = terminal.written.partition("{")
        receipt = json.loads(brace + document)
        assert receipt["selector"] == {"campaign_id": campaign_id}


def test_what_is_not_there_is_not_asked_about(server: ServerProcess, here: dict[str, str]) -> None:
    with Terminal("terminate", "--number", "+919999999990", variables=here) as terminal:
        assert terminal.exit_code() == 1
        assert "No terminable calls found" in terminal.shown
