"""Single calls, their history, the suppression list, receipts, and what a shell completes."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ringoff.cli import run
from tests.acceptance.client import CALLING_NUMBER, Client, csv_of, numbers
from tests.support.processes import RINGOFF, ServerProcess
from tests.support.terminal import CTRL_C, Terminal

HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]\u202eName"
ANSWERS, BUSY = "+919876540001", "+919876540002"


def document(server: ServerProcess, here: dict[str, str], *arguments: str) -> Any:
    done = server.command(*arguments, "--json", **here)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def calling(server: ServerProcess, number: str, *more: str) -> list[str]:
    return ["call", number, "--agent-id", Client(server).agent_id, "--from-number", CALLING_NUMBER, *more]


def test_a_call_is_placed_and_waited_for(server: ServerProcess, here: dict[str, str]) -> None:
    with Terminal(*calling(server, ANSWERS, "--wait", "--var", "plan=Gold"), variables=here) as terminal:
        assert terminal.exit_code() == 0
        assert "completed: " in terminal.shown
        assert b"\x1b[?25h" in terminal.raw, "the cursor is back"
    busy = server.command(*calling(server, BUSY, "--wait", "--json"), **here)
    assert (busy.returncode, json.loads(busy.stdout)["call_status"]) == (1, "failed")
    assert document(server, here, *calling(server, ANSWERS))["call_id"]
    assert server.command(*calling(server, "12"), **here).returncode == 1
    assert server.command(*calling(server, ANSWERS, "--var", "plan"), **here).returncode == 2


def test_whoever_leaves_a_call_is_told_how_to_end_it(server: ServerProcess, here: dict[str, str]) -> None:
    later = calling(server, ANSWERS, "--wait", "--at", "2040-01-01T10:00:00", "--timezone", "UTC")
    with Terminal(*later, variables=here) as terminal:
        terminal.wait_for("registered")
        terminal.type(CTRL_C)
        assert terminal.exit_code() == 1
        assert "ringoff terminate --call-id" in terminal.written


def test_history_is_filtered_limited_and_safe_for_spreadsheets(server: ServerProcess, here: dict[str, str]) -> None:
    client = Client(server)
    rows = b'Mobile Number,Name\n+919876540001,"=HYPERLINK(""x"")"\n+919876540011,@SUM(1)\n+919876540021,Priya\n'
    campaign_id = client.upload(rows)["list_id"]
    only = ("history", "--campaign-id", campaign_id)
    printed = server.command(*only, "--csv", **here).stdout
    [header, *cells] = csv.reader(printed.splitlines())
    assert header[2:4] == ["Number", "Name"]
    assert sorted(row[3] for row in cells) == ['\'=HYPERLINK("x")', "'@SUM(1)", "Priya"]
    assert {row[2] for row in cells} == {"+919876540001", "+919876540011", "+919876540021"}
    assert len(document(server, here, *only, "--limit", "2")) == 2
    assert document(server, here, *only, "--status", "completed") == []
    assert len(server.command(*only, "--limit", "0", **here).stdout.splitlines()) == 4
    for wrong in (("--limit", "-1"), ("--csv", "--json")):
        assert server.command(*only, *wrong, **here).returncode == 2


def test_a_reader_that_has_enough_is_no_failure_with_words(server: ServerProcess, here: dict[str, str]) -> None:
    Client(server).upload(csv_of(numbers(0, 3_000)))
    shell = f"set -o pipefail; {RINGOFF} history --limit 0 --csv | head -n 1"
    environment = {"PATH": "/usr/bin:/bin", **here}
    done = subprocess.run(
        ["bash", "-c", shell], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("Registered,")
    assert done.stderr == ""


def test_numbers_are_suppressed_listed_and_released(
    server: ServerProcess, here: dict[str, str], tmp_path: Path
) -> None:
    many = [f"+9190000{number:05d}" for number in range(150)]
    assert document(server, here, "suppress", "add", *many, "--reason", "asked to") == {"added_count": 150}
    [row] = document(server, here, "suppress", "list", "--number", many[149])
    assert (row["mobile_number"], row["reason"]) == (many[149], "asked to")
    assert document(server, here, "suppress", "remove", many[0], many[1]) == {"removed": many[:2]}
    assert document(server, here, "suppress", "list", "--number", many[0]) == []
    again = server.command("suppress", "remove", many[0], **here)
    assert (again.returncode, "not suppressed" in again.stderr) == (1, True)

    path = tmp_path / "never.csv"
    path.write_text("Phone\n+919111111111\nnope\n")
    importing = ("suppress", "import", str(path), "--country-code", "+91", "--column", "Phone")
    assert server.command(*importing, **here).returncode == 1
    with Terminal(*importing, "--skip-invalid", variables=here) as terminal:
        assert terminal.exit_code() == 0
        assert "1 numbers are new on the list" in terminal.shown
        assert "1 of 2 rows" in terminal.shown
    exported = tmp_path / "all.csv"
    assert document(server, here, "suppress", "export", str(exported))["file_bytes"] == exported.stat().st_size
    assert "+919111111111" in exported.read_text()
    assert server.command("suppress", "add", **here).returncode == 2
    assert server.command("suppress", "add", "12", **here).returncode == 1


def test_the_latest_receipts_are_listed_found_and_exported(
    server: ServerProcess, here: dict[str, str], tmp_path: Path
) -> None:
    campaign_id = Client(server).upload(csv_of(numbers(0, 2)))["list_id"]
    given = document(
        server, here, "terminate", "--campaign-id", campaign_id, "--yes", "--wait", "--reason", "a rare word"
    )
    assert (given["state"], given["counts"]["cancelled"]) == ("settled", 2)
    assert document(server, here, "receipt")[0]["termination_id"] == given["termination_id"]
    assert given["termination_id"] in server.command("receipt", **here).stdout
    found = document(server, here, "receipt", "--find", "a rare word")
    assert [row["termination_id"] for row in found] == [given["termination_id"]]
    path = tmp_path / "covered.csv"
    assert server.command("receipt", given["termination_id"], "--export", str(path), **here).returncode == 0
    assert len(path.read_text().splitlines()) == 3
    assert server.command("receipt", "--export", str(path), **here).returncode == 2


def test_texts_of_agents_and_orders_are_only_text(server: ServerProcess, here: dict[str, str]) -> None:
    client = Client(server)
    agent_id = client.another_agent()
    renamed = server.http.patch(f"/ca/api/v0/public/agent/{agent_id}", json={"agent_name": HOSTILE})
    assert renamed.status_code == 200, renamed.text
    later = {"scheduled_at": "2040-01-01T10:00:00", "timezone": "UTC"}
    asked = {"name": HOSTILE, "mobile_number": ANSWERS, "agent_id": agent_id, "from_number": CALLING_NUMBER}
    call_id = client.post("/calling/outbound/individual", asked | {"call_config": {"call_time": later}})["data"][
        "call_id"
    ]
    order = {"call_ids": [call_id], "reason": HOSTILE}
    given = server.http.post("/api/v1/terminations", json=order).json()
    for command in (["receipt", given["termination_id"]], ["history", "--agent-id", agent_id]):
        with Terminal(*command, variables=here, columns=200) as terminal:
            assert terminal.exit_code() == 0
            assert "[red]" in terminal.written
            for sequence in (b"\x1b]", b"\x1b[2J", "\u202e".encode()):
                assert sequence not in terminal.raw


def test_bash_completes_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    typed = "COMP_WORDS=(ringoff term); COMP_CWORD=1; COMP_LINE='ringoff term'; COMP_POINT=12"
    asked = f"{script}\n{typed}\n_ringoff; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["terminate"], "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert run(["completion", shell]) == 0
    done = subprocess.run(
        [shell, "-n"], input=capsys.readouterr().out, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help_imports_none_of_the_commands() -> None:
    heavy = {"httpx2", "ringoff.client", "ringoff.wiring", "asyncpg"}
    looks = f"import sys; from ringoff.cli import run; run(['--help']); print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "terminate" in done.stdout


def test_a_person_is_erased_after_a_question(server: ServerProcess, here: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "numbers.txt"
    source.write_text("# who asked\n+919876540777\n\n+919876540778\n")
    with Terminal("erase", "--from", str(source), variables=here) as terminal:
        terminal.wait_for("Type 2 to go on:")
        terminal.type("1\n")
        assert terminal.exit_code() == 1
        assert "nothing was erased" in terminal.written
    assert server.command("erase", "+919876540777", **here).returncode == 2
    assert server.command("erase", "--yes", **here).returncode == 2
    assert server.command("erase", "9876540777", "--yes", **here).returncode == 1
    [ordered] = document(server, here, "erase", "+919876540777", "--from", str(source), "--yes", "--wait")
    assert (ordered["state"], ordered["percent"]) == ("done", 100)
    assert sorted(ordered["masked_numbers"]) == ["+9198…77", "+9198…78"]
    assert document(server, here, "suppress", "list", "--number", "+919876540778")
    said = server.command("erase", "+919876540777", "--yes", "--keep-ringable", **here).stdout
    assert "1 numbers, 0 calls" in said


def test_retention_wants_to_know_for_how_long(server: ServerProcess) -> None:
    unknown = server.command("retention")
    assert (unknown.returncode, "RINGOFF_RETENTION_DAYS" in unknown.stderr) == (2, True)
    assert server.command("retention", "--keep-days", "0").returncode == 2
    looked = server.command("retention", "--dry-run", RINGOFF_RETENTION_DAYS="30")
    assert (looked.returncode, looked.stdout.splitlines()[-1][:25]) == (0, "0 periods are older than ")
    done = json.loads(server.command("retention", "--keep-days", "30", "--json").stdout)
    assert (done["periods"], done["deleted_count"], done["is_dry_run"]) == ([], 0, False)
