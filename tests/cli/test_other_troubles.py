"""Every change by the command line when no answer comes, and what cannot be asked at all."""

import os
from pathlib import Path

import pytest

from tests.support.terminal import CTRL_C, Terminal
from tests.support.troubled_server import Troubled

SAVE, LARGE = "/ca/api/v0/campaign/save", "/ca/api/v0/campaign/upload-csv"
AWAY = (503, {"error": {"code": "database_unavailable", "message": "the database is away"}})
CHANGES = {
    "/api/v1/campaigns/k": ["campaign", "share", "k", "--weight", "20"],
    "/api/v1/campaigns/k/pause": ["campaign", "pause", "k"],
    "/api/v1/campaigns/k/resume": ["campaign", "resume", "k"],
    "/api/v1/campaigns/k/end": ["campaign", "end", "k", "--yes"],
    "/ca/api/v0/calling/v2/outbound/individual": ["call", "+12025550101", "--agent-id", "a"],
    "/api/v1/suppressions": ["suppress", "add", "+12025550101"],
}
Found = tuple[type[Troubled], dict[str, str]]


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_whose_answer_does_not_come_says_what_to_do(troubled: Found, path: str) -> None:
    desk, here = troubled
    with Terminal(*CHANGES[path], variables=here, columns=200) as terminal:
        terminal.wait_until(desk.arrived.is_set, "the request arrives")
        terminal.type(CTRL_C)
        assert terminal.exit_code() == 3
        assert "interrupted before the answer; " in terminal.shown
    assert [asked for asked, _key in desk.asked] == [path]
    desk.answers[path] = AWAY
    with Terminal(*CHANGES[path], variables=here, columns=200) as terminal:
        assert terminal.exit_code() == 3
        assert "503 the database is away; " in terminal.shown


@pytest.mark.parametrize(
    ("size", "options", "path"),
    [
        (100, [], SAVE),
        (100, ["--large"], LARGE),
        (100, ["--skip-invalid"], LARGE),
        (8 * 1024 * 1024 - 1, [], SAVE),
        (8 * 1024 * 1024, [], LARGE),
    ],
)
def test_the_size_of_a_list_says_which_way_it_goes(
    troubled: Found, tmp_path: Path, size: int, options: list[str], path: str
) -> None:
    desk, here = troubled
    desk.answers |= {SAVE: AWAY, LARGE: AWAY}
    contacts = tmp_path / "list.csv"
    contacts.write_bytes(b"Mobile Number\n+12025550101\n".ljust(size, b"\n"))
    command = ["campaign", "upload", str(contacts), "--agent-id", "a", "--country-code", "+1", *options]
    with Terminal(*command, variables=here, columns=200) as terminal:
        assert terminal.exit_code() == 3
        assert "`ringoff campaign list` before you upload it again" in terminal.written
    assert [asked for asked, _key in desk.asked] == [path]


@pytest.mark.parametrize(
    "command",
    [
        ["receipt", os.fsdecode(b"\xff")],
        ["terminate", "--agent-id", "a", "--yes", "--idempotency-key", "caf\xe9"],
        ["history", "--limit", "-1"],
        ["receipt", "--limit", "0"],
        ["receipt", "--limit", "1001"],
        ["campaign", "list", "--limit", "-1"],
        ["suppress", "list", "--limit", "x"],
    ],
)
def test_what_cannot_be_asked_is_code_2(troubled: Found, command: list[str]) -> None:
    desk, here = troubled
    with Terminal(*command, variables=here) as terminal:
        assert terminal.exit_code() == 2
        assert "Traceback" not in terminal.written
    assert desk.asked == []
