"""The commands as processes on one data directory: they start, share it, and leave in order."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringoff.client import RingoffClient

# A process that has to be killed would hide why: the time limit of the test is the limit here.
COMMAND = [sys.executable, "-m", "ringoff.cli"]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's directory, which is private to one user: PostgreSQL runs as another one under root."""
    path = Path(tempfile.mkdtemp(prefix="ringoff-processes-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(*arguments: str, ready: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process and the lines that it printed up to the one that begins with ``ready``."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith(ready):
                break
        yield process, lines
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def stopped_by(process: subprocess.Popen[str], number: signal.Signals) -> int:
    process.send_signal(number)
    return process.wait()


def run_to_end(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_up_prints_its_first_key_serves_and_stops_its_database(data_dir: Path) -> None:
    directory = ("--data-dir", str(data_dir))
    pid_file = data_dir / "postgres" / "postmaster.pid"
    with running("up", *directory, "--port", "0", ready="ringoff ready") as (process, lines):
        first_key, url = (line.partition("=")[2] for line in lines)
        with RingoffClient(url, first_key) as client:
            assert client.workspace.get().id

        code, printed = run_to_end("key", "create", *directory, "--workspace", "Another one")
        assert code == 0
        with RingoffClient(url, printed.strip()) as client:
            assert client.workspace.get().name == "Another one"

        code, printed = run_to_end("doctor", *directory)
        assert (code, [line[:4] for line in printed.splitlines()]) == (0, ["ok  "] * 9)
        code, printed = run_to_end("doctor", *directory, "--json")
        assert (code, [json.loads(line)["is_good"] for line in printed.splitlines()]) == (0, [True] * 9)

        code, printed = run_to_end("up", *directory, "--port", url.rpartition(":")[2])
        assert (code, "Address already in use" in printed) == (1, True)

        with running("dispatch", *directory, ready="ringoff dispatch ready") as (dispatching, _lines):
            assert stopped_by(dispatching, signal.SIGTERM) == 0
        assert pid_file.exists()
        with RingoffClient(url, first_key) as client:
            assert client.native.is_ready()

        assert stopped_by(process, signal.SIGTERM) == 0
        assert not pid_file.exists()


def test_the_next_start_takes_over_what_a_killed_process_left(data_dir: Path) -> None:
    pid_file = data_dir / "postgres" / "postmaster.pid"
    arguments = ("up", "--data-dir", str(data_dir), "--port", "0")
    with running(*arguments, ready="ringoff ready") as (process, _lines):
        postmaster = pid_file.read_text().split()[0]
        stopped_by(process, signal.SIGKILL)
    with running(*arguments, ready="ringoff ready") as (process, lines):
        assert pid_file.read_text().split()[0] == postmaster
        assert [line.partition("=")[0] for line in lines] == ["ringoff ready url"]  # and no second first key
        assert stopped_by(process, signal.SIGINT) == 0
    assert not pid_file.exists()


def test_doctor_says_that_there_is_no_database_yet_and_makes_none(data_dir: Path) -> None:
    code, printed = run_to_end("doctor", "--data-dir", str(data_dir))
    assert code == 1
    assert "BAD  database: there is none in" in printed
    assert list(data_dir.iterdir()) == []
