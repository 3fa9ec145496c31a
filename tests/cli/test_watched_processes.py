"""Real processes under watch: a dispatcher with a port for its metrics, and a server whose every line is JSON."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.client import Client
from tests.cli.test_processes import COMMAND, data_dir
from tests.support.processes import ServerProcess, clean_environment, until

__all__ = ["data_dir"]  # a fixture

NUMBER = "+919876543297"
DIALLED = [f"+1202555000{last}" for last in (1, 2, 3, 4, 5, 9)]
"""Answered, busy, not answered, rejected, no number, a voicemail: by the simulated carrier's last digit."""


@contextmanager
def running(
    ready: str, log: Path, *arguments: str, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process, whose log goes to a file, and what it said up to the line that begins with ``ready``."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=clean_environment({f"RINGOFF_{name.upper()}": text for name, text in settings.items()}),
        )
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


def said(lines: list[str], begin: str) -> str:
    [line] = [line for line in lines if line.startswith(begin)]
    return line.partition("=")[2]


def test_a_dispatcher_shows_its_metrics_and_its_health_on_a_port_of_its_own(data_dir: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(
        "ringoff dispatch ready", log, "dispatch", "--data-dir", str(data_dir), metrics_port="0", poll_s="0.05"
    ) as (process, lines):
        url = said(lines, "ringoff metrics")
        with httpx2.Client(base_url=url.removesuffix("/metrics")) as http:
            assert http.get("/healthz").json() == {"status": "ok"}
            assert http.get("/readyz").json() == {"status": "ready"}
            assert http.get("/ca/api/v0/workspace").status_code == 404
            families = {family.name for family in text_string_to_metric_families(http.get("/metrics").text)}
        assert {"ringoff_database_up", "ringoff_dial_step_seconds", "process_open_fds"} <= families
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert [json.loads(line) for line in log.read_text().splitlines()] != []


def test_a_server_with_a_port_for_metrics_shows_them_there_and_not_to_its_clients(
    data_dir: Path, tmp_path: Path
) -> None:
    arguments = ("up", "--data-dir", str(data_dir), "--port", "0")
    with running("ringoff ready", tmp_path / "log", *arguments, metrics_port="0") as (_process, lines):
        assert "ringoff_calls_open" in httpx2.get(said(lines, "ringoff metrics")).text
        assert httpx2.get(said(lines, "ringoff ready url") + "/metrics").status_code == 404


def test_every_line_of_a_server_that_dials_is_json_without_numbers(data_dir: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(
        "ringoff ready",
        log,
        "up",
        "--data-dir",
        str(data_dir),
        "--port",
        "0",
        log_level="debug",
        simulated_speed="1e9",
        otel_endpoint="http://127.0.0.1:9",
    ) as (process, lines):
        key, url = said(lines, "ringoff api_key"), said(lines, "ringoff ready url")
        with httpx2.Client(base_url=url, headers={"X-API-KEY": key}) as http:
            agents = http.get("/ca/api/v0/agent/all").json()
            assert agents is not None
            answer = http.patch("/ca/api/v0/campaign/terminate", json={"mobile_numbers": [NUMBER]})
            assert answer.status_code == 400
            http.get(f"/api/v1/suppressions?number={NUMBER.replace('+', '%2B')}")
            added = http.post("/api/v1/suppressions", json={"mobile_numbers": [NUMBER], "reason": f"asked {NUMBER}"})
            assert added.status_code < 500
            client = Client(cast(ServerProcess, SimpleNamespace(http=http)))
            client.campaign([*DIALLED, NUMBER])
            client.call(DIALLED[0])
            until(lambda: '"event": "campaign completed"' in log.read_text(), "the campaign is done")
        os.kill(process.pid, signal.SIGTERM)
        process.wait()
    written = log.read_text()
    events = [json.loads(line) for line in written.splitlines()]
    assert all({"event", "level", "timestamp"} <= set(event) for event in events)
    assert {event["event"] for event in events} >= {
        "migration applied",
        "request",
        "suppressed numbers were skipped",
        "campaign completed",
    }
    requests = [event for event in events if event["event"] == "request"]
    assert all(event["request_id"] and len(event["trace_id"]) == 32 for event in requests)
    assert [number for number in (*DIALLED, NUMBER) if number.lstrip("+") in written] == []
    assert re.findall(r"\+[0-9]{8,}", written) == []
