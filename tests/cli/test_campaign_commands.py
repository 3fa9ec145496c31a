"""A campaign from its file to its end by the command line, on a terminal and in a pipe."""

import json
from pathlib import Path
from typing import Any

import pytest

from ringoff.commands.campaign_upload import Terms
from ringoff.commands.contacts import variables_of
from ringoff.commands.ending import Ended
from tests.acceptance.client import CALLING_NUMBER, Client, csv_of, numbers
from tests.support.processes import ServerProcess
from tests.support.terminal import CTRL_C, Terminal

HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]\u202eName"


@pytest.fixture
def contacts(tmp_path: Path) -> Path:
    path = tmp_path / "January renewals.csv"
    path.write_text("Mobile Number,Name,Company\n+91 98765-40001,Asha,Orchid\n98765 40001 1,Bala,Lotus\nnope,Nobody,\n")
    return path


def uploading(server: ServerProcess, path: Path, *more: str) -> list[str]:
    agent_id = Client(server).agent_id
    return ["campaign", "upload", str(path), "--agent-id", agent_id, "--country-code", "+91", *more]


def document(server: ServerProcess, here: dict[str, str], *arguments: str) -> Any:
    done = server.command(*arguments, "--json", **here)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_row_that_cannot_be_called_refuses_the_file_or_is_listed(
    server: ServerProcess, here: dict[str, str], contacts: Path
) -> None:
    refused = server.command(*uploading(server, contacts), **here)
    assert refused.returncode == 1
    for words in ("line 4", "--skip-invalid", "Nothing was registered"):
        assert words in refused.stderr
    done = server.command(*uploading(server, contacts, "--skip-invalid"), **here)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Campaign: ")
    assert lines[-1].split("\t") == ["4", "Mobile Number", "nope", "holds no digits"]
    assert "company = Company" in done.stderr


def test_a_look_stores_nothing_and_names_every_row(server: ServerProcess, here: dict[str, str], contacts: Path) -> None:
    contacts.write_text(contacts.read_text() + "+91 98765-40001,Asha,Again\n12,Short,\n")
    campaigns = document(server, here, "campaign", "list", "--limit", "0")
    looked = server.command(*uploading(server, contacts, "--dry-run"), **here)
    assert (looked.returncode, looked.stdout.splitlines()[0].startswith("Would register 2 calls of 5 rows")) == (
        1,
        True,
    )
    assert [line.split("\t")[0] for line in looked.stdout.splitlines()[1:]] == ["Line", "4", "5", "6"]
    refused = server.command(*uploading(server, contacts), **here)
    assert [f"line {line}, Mobile Number: " in refused.stderr for line in (4, 5, 6)] == [True] * 3
    assert document(server, here, "campaign", "list", "--limit", "0") == campaigns
    contacts.write_bytes(csv_of(numbers(0, 3)))
    assert document(server, here, *uploading(server, contacts, "--dry-run"))["valid_rows"] == 3


def test_a_terminal_shows_bars_and_the_command_that_comes_next(
    server: ServerProcess, here: dict[str, str], contacts: Path
) -> None:
    with Terminal(*uploading(server, contacts, "--skip-invalid"), variables=here) as terminal:
        assert terminal.exit_code() == 0
        for words in ("the server keeps it", "verifying: 3 rows", "holds no digits", "ringoff campaign start"):
            assert words in terminal.written
        assert b"\x1b[?25h" in terminal.raw, "the cursor is back"


def test_a_small_list_is_uploaded_as_it_is(server: ServerProcess, here: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(csv_of(numbers(0, 3)))
    with Terminal(*uploading(server, path, "--name", "Three"), variables=here) as terminal:
        assert terminal.exit_code() == 0
        assert "3 calls are registered" in terminal.shown
        assert "the server reads it" in terminal.written
    saved = document(server, here, *uploading(server, path, "--window", "09:00-20:00", "--timezone", "UTC"))
    assert (saved["successful_rows"], saved["failed_rows"]) == (3, 0)


def test_a_list_that_is_none_is_refused(server: ServerProcess, here: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("A,B\n1,2\n")
    for more in ((), ("--large",)):
        done = server.command(*uploading(server, path, *more), **here)
        assert (done.returncode, done.stdout) == (1, "")
        assert "--map mobile_number=COLUMN" in done.stderr
    path.write_text("Mobile Number\nnope\n")
    done = server.command(*uploading(server, path, "--large"), **here)
    assert done.returncode == 1
    assert "no call was registered" in done.stderr
    assert server.command(*uploading(server, tmp_path / "none.csv"), **here).returncode == 2


def test_a_campaign_is_started_watched_and_over(server: ServerProcess, here: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(csv_of(numbers(0, 20)))
    campaign_id = document(server, here, *uploading(server, path))["list_id"]
    missing = server.command("campaign", "start", campaign_id, **here)
    assert (missing.returncode, CALLING_NUMBER in missing.stderr) == (2, True)
    started = ("campaign", "start", campaign_id, "--from-number", CALLING_NUMBER, "--watch")
    with Terminal(*started, variables=here) as terminal:
        assert terminal.exit_code() == 0
        assert "completed: 0 registered, 0 ongoing, 0 retry" in terminal.written
        for status in ("registered", "ongoing", "retry", "failed", "20/20"):
            assert status in terminal.written
    lines = server.command("campaign", "watch", campaign_id, **here)
    assert (lines.returncode, len(lines.stdout.splitlines())) == (0, 1)
    assert document(server, here, "campaign", "watch", campaign_id)["status"] == "completed"
    assert server.command("campaign", "start", campaign_id, "--from-number", CALLING_NUMBER, **here).returncode == 1


def test_a_campaign_is_held_released_and_ended(server: ServerProcess, here: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(csv_of(numbers(0, 2)))
    campaign_id = document(
        server, here, *uploading(server, path, "--starts-at", "2040-01-01T09:00", "--ends-at", "2040-02-01T09:00")
    )["list_id"]
    document(server, here, "campaign", "start", campaign_id, "--from-number", CALLING_NUMBER)
    shared = server.command("campaign", "share", campaign_id, **here)
    assert "has weight 10, at most 100 % of the trunk's channels" in shared.stdout + shared.stderr
    changed = document(server, here, "campaign", "share", campaign_id, "--weight", "30")
    assert (changed["weight"], changed["concurrency_percentage"]) == (30, 100)
    wrong = server.command("campaign", "share", campaign_id, "--weight", "1000", **here)
    assert (wrong.returncode, "weight" in wrong.stderr) == (1, True)
    assert document(server, here, "campaign", "pause", campaign_id)["status"] == "paused"
    listed = document(server, here, "campaign", "list", "--status", "paused")
    assert campaign_id in [row["campaign_id"] for row in listed]
    assert document(server, here, "campaign", "resume", campaign_id)["status"] == "scheduled"
    with Terminal("campaign", "watch", campaign_id, variables=here) as terminal:
        terminal.wait_for_shown("0/2")
        terminal.wait_for("done about 20")
        terminal.type(CTRL_C)
        assert terminal.exit_code() == 0
        assert "the campaign goes on as it was" in terminal.shown
    with Terminal("campaign", "watch", campaign_id, variables=here, columns=40) as terminal:
        terminal.wait_until(lambda: "in all" in terminal.shown and "━━━ 0/2" in terminal.shown, "bars that fit")
        terminal.type(CTRL_C)
        assert terminal.exit_code() == 0
    unasked = server.command("campaign", "end", campaign_id, **here)
    assert (unasked.returncode, "nothing was ended" in unasked.stderr) == (2, True)
    with Terminal("campaign", "end", campaign_id, variables=here) as terminal:
        terminal.wait_for("[y/N]")
        terminal.type("y\n")
        assert terminal.exit_code() == 0
        assert "X-Termination-Id: " in terminal.shown
    assert Client(server).statuses(campaign_id) == {"cancelled": 2}


@pytest.mark.parametrize("command", [["campaign", "list"], ["history"], ["history", "--csv"], ["history", "--json"]])
def test_names_that_would_take_the_terminal_over_are_only_text(
    server: ServerProcess, here: dict[str, str], command: list[str]
) -> None:
    rows = f'Mobile Number,Name\n+919876540001,"{HOSTILE}"\n'.encode()
    Client(server).upload(rows, campaign_name=HOSTILE)
    with Terminal(*command, variables=here, columns=160) as terminal:
        assert terminal.exit_code() == 0
        assert "[red]" in terminal.written
        for sequence in (b"\x1b]", b"\x1b[2J", "\u202e".encode()):
            assert sequence not in terminal.raw


@pytest.mark.parametrize(
    ("header", "given", "expected"),
    [
        (
            "Mobile Number,Name,Company",
            [],
            {"mobile_number": "Mobile Number", "callee_name": "Name", "company": "Company"},
        ),
        ("\ufeffPhone,Full Name", [], {"mobile_number": "Phone", "callee_name": "Full Name"}),
        ("mobile,Due Date,", [], {"mobile_number": "mobile", "due_date": "Due Date"}),
        ("A,B", [], {"a": "A", "b": "B"}),
        ("A,B", ["mobile_number=A", "x=B"], {"mobile_number": "A", "x": "B"}),
        ("", [], {}),
    ],
)
def test_the_header_says_which_column_is_what(
    tmp_path: Path, header: str, given: list[str], expected: dict[str, str]
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{header}\n1,2,3\n", encoding="utf-8")
    assert variables_of(path, given) == expected


@pytest.mark.parametrize("pair", ["company", "=Company", "company="])
def test_a_pair_is_a_pair(tmp_path: Path, pair: str) -> None:
    with pytest.raises(Ended, match="VARIABLE=COLUMN"):
        variables_of(tmp_path, [pair])


def test_options_go_over_the_json_of_the_call() -> None:
    terms = Terms(
        call_config='{"max_call_length": 60, "call_time": {"timezone": "UTC"}}', window="9:00-20:00", retries=2
    )
    assert terms.config() == {
        "max_call_length": 60,
        "call_time": {"timezone": "UTC", "call_start_time": "9:00", "call_end_time": "20:00"},
        "call_retry_config": {"retry_count": 2},
    }


@pytest.mark.parametrize(
    "terms", [Terms(call_config="{"), Terms(call_config="[]"), Terms(window="9"), Terms(window="-20")]
)
def test_terms_that_are_none(terms: Terms) -> None:
    with pytest.raises(Ended):
        terms.config()
