"""`ringoff terminate` when the server fails or does not answer: the words never promise what nobody knows."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import CTRL_C, Terminal
from tests.support.troubled_server import Troubled

RECEIPT: dict[str, Any] = {
    "termination_id": "the-receipt",
    "level": "agent",
    "selector": {"agent_id": "a"},
    "suppress": False,
    "state": "settling",
    "counts": {"cancelled": 0, "left_ongoing": 0, "retry_barred": 0, "hung_up": 0, "suppressed": 0},
}
AWAY = (503, {"error": {"code": "database_unavailable", "message": "the database is away"}})
PREVIEW = "/api/v1/terminations/preview"
ORDERS = "/api/v1/terminations"


def test_a_preview_that_fails_does_not_stand_before_the_switch(
    troubled: tuple[type[Troubled], dict[str, str]],
) -> None:
    desk, here = troubled
    desk.answers |= {PREVIEW: AWAY, ORDERS: (202, RECEIPT | {"state": "settled"})}
    with Terminal("terminate", "--agent-id", "a", variables=here) as terminal:
        terminal.wait_for("[y/N]")
        assert "cannot be shown" in terminal.written
        terminal.type("y\n")
        assert terminal.exit_code() == 0
        assert "X-Termination-Id: the-receipt" in terminal.shown


def test_ctrl_c_while_the_order_is_on_its_way_names_its_key(troubled: tuple[type[Troubled], dict[str, str]]) -> None:
    desk, here = troubled
    with Terminal("terminate", "--agent-id", "a", "--yes", variables=here, columns=200) as terminal:
        terminal.wait_until(desk.arrived.is_set, "the order arrives")
        terminal.type(CTRL_C)
        assert terminal.exit_code() == 3
        [(path, key)] = desk.asked
        assert path == ORDERS
        assert f"whether it was carried out is unknown: give it again with --idempotency-key {key}" in terminal.shown


def test_ctrl_c_before_the_question_has_terminated_nothing(troubled: tuple[type[Troubled], dict[str, str]]) -> None:
    desk, here = troubled
    with Terminal("terminate", "--agent-id", "a", variables=here) as terminal:
        terminal.wait_until(desk.arrived.is_set, "the preview arrives")
        terminal.type(CTRL_C)
        assert terminal.exit_code() == 1
        assert "nothing was terminated" in terminal.shown
    assert [path for path, _key in desk.asked] == [PREVIEW]


def test_a_server_that_goes_away_while_it_settles_takes_nothing_back(
    troubled: tuple[type[Troubled], dict[str, str]],
) -> None:
    desk, here = troubled
    desk.answers |= {ORDERS: (202, RECEIPT), f"{ORDERS}/the-receipt": AWAY}
    with Terminal("terminate", "--agent-id", "a", "--yes", variables=here) as terminal:
        assert terminal.exit_code() == 0
        said = re.sub(r"\s+", " ", terminal.written)
        assert "The order is carried out and holds" in said
        assert "its settling cannot be followed" in said.lower()
        assert "`ringoff receipt the-receipt` shows the final counts" in said


def test_an_order_that_covers_nothing_is_not_asked_for(troubled: tuple[type[Troubled], dict[str, str]]) -> None:
    desk, here = troubled
    counts = {"registered": 0, "retry": 0, "ongoing": 2}
    nothing = {
        "terminable_count": 0,
        "is_verifying": False,
        "counts": counts,
        "level": "campaign",
        "campaign_count": 0,
        "by_campaign": [],
    }
    desk.answers[PREVIEW] = (200, nothing)
    with Terminal("terminate", "--number", "+12025550101", "--suppress", variables=here, columns=200) as terminal:
        assert terminal.exit_code() == 1
        assert "nothing was terminated" in terminal.shown
        assert "ringoff suppress add" in terminal.shown


def test_a_list_that_is_still_verified_is_asked_about_though_nothing_is_counted(
    troubled: tuple[type[Troubled], dict[str, str]],
) -> None:
    desk, here = troubled
    counts = {"registered": 0, "retry": 0, "ongoing": 0}
    unknown = {
        "terminable_count": 0,
        "is_verifying": True,
        "counts": counts,
        "level": "campaign",
        "campaign_count": 0,
        "by_campaign": [],
    }
    desk.answers |= {PREVIEW: (200, unknown), ORDERS: (202, RECEIPT | {"state": "settled"})}
    with Terminal("terminate", "--campaign-id", "k", variables=here, columns=200) as terminal:
        terminal.wait_for("whatever comes of large lists that are still being verified? [y/N]")
        terminal.type("y\n")
        assert terminal.exit_code() == 0


def test_an_answer_that_nobody_reads_is_told_of_all_the_same(troubled: tuple[type[Troubled], dict[str, str]]) -> None:
    desk, here = troubled
    desk.answers[ORDERS] = (202, RECEIPT | {"state": "settled"})
    reader, writer = os.pipe()
    os.close(reader)
    program = str(Path(sys.executable).with_name("ringoff"))
    command = [program, "terminate", "--agent-id", "a", "--yes"]
    try:
        ended = subprocess.run(
            command, env=os.environ | here, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert ended.returncode == 0
    assert "The order is carried out and holds" in ended.stderr
    assert "X-Termination-Id: the-receipt" in ended.stderr


def _covering(count: int) -> tuple[int, dict[str, Any]]:
    counts = {"registered": count, "retry": 0, "ongoing": 0}
    of = {"level": "campaign", "campaign_count": 0, "by_campaign": []}
    return 200, of | {"terminable_count": count, "is_verifying": False, "counts": counts}


def test_what_has_grown_while_somebody_was_asked_is_asked_for_again(
    troubled: tuple[type[Troubled], dict[str, str]],
) -> None:
    desk, here = troubled
    desk.answers |= {PREVIEW: _covering(5)}
    desk.later[PREVIEW] = _covering(500_000)
    with Terminal("terminate", "--campaign-id", "k", variables=here, columns=200) as terminal:
        terminal.wait_for("Terminate 5 calls? [y/N]")
        terminal.type("y\n")
        terminal.wait_for("Type 500000 to go on:")
        assert "it would now end 500,000 calls, and 5 were shown to you" in terminal.shown
        terminal.type("y\n")
        assert terminal.exit_code() == 1
    assert ORDERS not in {path for path, _key in desk.asked}


@pytest.mark.parametrize("later", [_covering(15), _covering(0), AWAY], ids=["a little more", "nothing", "no answer"])
def test_somebody_who_was_asked_is_not_asked_twice_without_need(
    troubled: tuple[type[Troubled], dict[str, str]], later: tuple[int, dict[str, Any]]
) -> None:
    desk, here = troubled
    desk.answers |= {PREVIEW: _covering(5), ORDERS: (202, RECEIPT | {"state": "settled"})}
    desk.later[PREVIEW] = later
    with Terminal("terminate", "--campaign-id", "k", variables=here, columns=200) as terminal:
        terminal.wait_for("Terminate 5 calls? [y/N]")
        terminal.type("y\n")
        assert terminal.exit_code() == 0


def test_an_order_given_again_by_its_name_brings_its_receipt_though_nothing_is_left(
    troubled: tuple[type[Troubled], dict[str, str]],
) -> None:
    desk, here = troubled
    desk.answers |= {PREVIEW: _covering(0), ORDERS: (202, RECEIPT | {"state": "settled"})}
    arguments = ("terminate", "--campaign-id", "k", "--idempotency-key", "mine")
    with Terminal(*arguments, variables=here, columns=200) as terminal:
        terminal.wait_for("show the receipt of that order? [y/N]")
        assert "nothing was terminated" not in terminal.shown
        terminal.type("y\n")
        assert terminal.exit_code() == 0
        assert "X-Termination-Id: the-receipt" in terminal.shown
    assert desk.asked[-1] == (ORDERS, "mine")


@pytest.mark.parametrize("body", [{}, {"termination_id": 1}, {"termination_id": "x", "level": "agent", "selector": 1}])
def test_an_answer_that_is_something_else_is_no_promise(
    troubled: tuple[type[Troubled], dict[str, str]], body: dict[str, Any]
) -> None:
    desk, here = troubled
    desk.answers[ORDERS] = (200, body)
    with Terminal("terminate", "--agent-id", "a", "--yes", variables=here, columns=250) as terminal:
        assert terminal.exit_code() == 3
        assert "whether it was carried out is unknown" in terminal.shown
        assert "successfully" not in terminal.shown


def test_words_of_the_server_are_only_text(troubled: tuple[type[Troubled], dict[str, str]]) -> None:
    desk, here = troubled
    desk.answers[ORDERS] = (400, {"error": {"code": "x", "message": "no \x1b]0;owned\x07\x1b[2J[red] way"}})
    with Terminal("terminate", "--agent-id", "a", "--yes", variables=here) as terminal:
        assert terminal.exit_code() == 1
        assert "[2J[red]" in terminal.shown
        assert b"\x1b" not in terminal.raw
