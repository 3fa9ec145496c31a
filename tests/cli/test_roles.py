"""Roles apart as real processes: what each does, when it is ready, and how it leaves."""

import asyncio
import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx2
import pytest

from ringoff.store.embedded import EmbeddedPostgres
from tests.acceptance.client import Client
from tests.cli.test_processes import data_dir
from tests.cli.test_watched_processes import running, said
from tests.support.processes import ServerProcess, until

__all__ = ["data_dir"]  # a fixture

LONG_S = "3600"
"""A stop that waited for something it should not wait for would run into the time limit of the test."""


@contextmanager
def systemd(path: Path) -> Iterator[list[str]]:
    """Stands in for it: what it was told so far."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))

        def listen() -> None:
            while (heard := listening.recv(100).decode()) != "over":
                told.append(heard)

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            yield told
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
                teller.sendto(b"over", str(path))
            listener.join()


def readiness(url: str) -> tuple[int, str]:
    answer = httpx2.get(url.replace("/metrics", "/readyz"), trust_env=False)
    said = answer.json()
    return answer.status_code, said["error"]["code"] if "error" in said else said["status"]


@pytest.mark.slow
def test_three_processes_serve_dial_and_deliver(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    directory = ("--data-dir", str(data_dir))
    settings = {"simulated_speed": "1e9", "drain_s": LONG_S, "webhook_allow_private": "true"}
    with (
        systemd(tmp_path / "notify") as told,
        running("ringoff serve ready", tmp_path / "serve", "serve", *directory, "--port", "0", **settings) as serve,
        running("ringoff dispatch ready", tmp_path / "dispatch", "dispatch", *directory, **settings) as dispatch,
        running("ringoff deliver ready", tmp_path / "deliver", "deliver", *directory, **settings) as deliver,
    ):
        key, url = said(serve[1], "ringoff api_key"), said(serve[1], "ringoff serve ready url")
        until(lambda: told.count("READY=1") == 3, "all of them are ready")
        headers = {"X-API-KEY": key}
        with httpx2.Client(base_url=url, headers=headers, trust_env=False) as http:
            assert [http.get(path).status_code for path in ("/livez", "/healthz", "/readyz")] == [200] * 3
            client = Client(cast(ServerProcess, SimpleNamespace(http=http)))
            # The receiver is the server itself, whose answer (404) is one, too.
            hook = {"event_type": ["call_completed"], "callback_url": f"{url}/hook", "agent_id": client.agent_id}
            assert http.put("/api/v1/webhooks", json=hook).status_code == 200
            client.wait_until_over(client.campaign(["+12025550001"]))
            tried = "/api/v1/webhooks/deliveries"
            until(lambda: [each["status"] for each in http.get(tried).json()["deliveries"]] == [404], "it is told")
            assert http.post("/login", data={"api_key": key}).status_code == 303
            with http.stream("GET", "/events/overview") as stream:
                chunks = stream.iter_bytes()
                assert next(chunks)
                for process, _lines in (deliver, dispatch, serve):
                    process.send_signal(signal.SIGTERM)
                # An open page holds nobody up: its stream ends like any other answer.
                assert b"".join(chunks).count(b"event: trouble") == 0
            assert [process.wait() for process, _lines in (serve, dispatch, deliver)] == [0, 0, 0]
        assert (told.count("STOPPING=1"), told.count("READY=1")) == (3, 3)


@pytest.mark.slow
def test_a_dispatcher_waits_for_its_database_at_its_start_and_later(data_dir: Path, tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    dsn = asyncio.run(postgres.start())
    asyncio.run(postgres.stop())
    log = tmp_path / "log"
    with running("ringoff metrics", log, "dispatch", database_url=dsn, metrics_port="0") as (process, lines):
        url = said(lines, "ringoff metrics url")
        until(lambda: readiness(url) == (503, "not_ready"), "it answers that it waits")
        assert httpx2.get(url.replace("/metrics", "/livez"), trust_env=False).status_code == 200
        assert "process_open_fds" in httpx2.get(url, trust_env=False).text
        until(lambda: "starting waits for the database" in log.read_text(), "it says what it waits for")
        for _time in range(2):
            asyncio.run(postgres.start())
            until(lambda: readiness(url) == (200, "ready"), "it goes on by itself")
            asyncio.run(postgres.stop())
            until(lambda: readiness(url)[0] == 503, "it says that it cannot work")
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


@pytest.mark.slow
def test_a_process_that_waits_for_its_database_can_be_stopped_or_gives_up(data_dir: Path, tmp_path: Path) -> None:
    nowhere = f"postgresql:///ringoff?host={data_dir}&port=1&user=postgres"
    with running("ringoff metrics", tmp_path / "log", "deliver", database_url=nowhere, metrics_port="0") as (
        process,
        _,
    ):
        until(lambda: "starting waits" in (tmp_path / "log").read_text(), "it waits")
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    log = tmp_path / "another"
    with running("never", log, "deliver", database_url=nowhere, start_wait_s="0", log_format="json") as (process, _):
        assert process.wait() == 1
    assert "the database cannot be reached" in log.read_text()


@pytest.mark.slow
def test_a_dispatcher_drains_unready_and_a_second_signal_cuts_it_short(data_dir: Path, tmp_path: Path) -> None:
    directory, slow = ("--data-dir", str(data_dir)), {"simulated_mix": "answered=1", "drain_s": LONG_S}
    wire = tmp_path / "wire"
    with (
        running("ringoff serve ready", tmp_path / "serve", "serve", *directory, "--port", "0") as (serve, lines),
        running(
            "ringoff dispatch ready",
            tmp_path / "dispatch",
            "dispatch",
            *directory,
            metrics_port="0",
            simulated_wire_log=str(wire),
            **slow,
        ) as (dispatch, dispatch_lines),
    ):
        headers = {"X-API-KEY": said(lines, "ringoff api_key")}
        url = said(dispatch_lines, "ringoff metrics url")
        with httpx2.Client(base_url=said(lines, "ringoff serve ready url"), headers=headers, trust_env=False) as http:
            Client(cast(ServerProcess, SimpleNamespace(http=http))).campaign(["+12025550001"])
            until(lambda: wire.exists() and len(wire.read_text().splitlines()) == 1, "one call is up")
            dispatch.send_signal(signal.SIGTERM)
            until(lambda: readiness(url) == (503, "not_ready"), "it drains")
            Client(cast(ServerProcess, SimpleNamespace(http=http))).campaign(["+12025550002"])
            assert dispatch.poll() is None
            dispatch.send_signal(signal.SIGTERM)
            assert dispatch.wait() == 1
        assert len(wire.read_text().splitlines()) == 1
        assert json.loads(wire.read_text().splitlines()[0])["called_number"] == "+12025550001"
        serve.send_signal(signal.SIGTERM)
        assert serve.wait() == 0


@pytest.mark.slow
def test_a_server_that_stops_says_so_before_it_refuses_connections(data_dir: Path, tmp_path: Path) -> None:
    settings = {"drain_notice_s": "300", "metrics_port": "0"}
    serving = running(
        "ringoff serve ready", tmp_path / "serve", "serve", "--data-dir", str(data_dir), "--port", "0", **settings
    )
    with serving as (serve, lines):
        url, headers = said(lines, "ringoff serve ready url"), {"X-API-KEY": said(lines, "ringoff api_key")}
        serve.send_signal(signal.SIGTERM)
        for probed in (url + "/readyz", said(lines, "ringoff metrics url")):
            until(lambda probed=probed: readiness(probed) == (503, "not_ready"), "it is not ready")  # type: ignore[misc]
        # Each on a connection of its own, and an order too: nobody who is still sent here may be refused.
        assert httpx2.get(url + "/livez", trust_env=False).status_code == 200
        ended = httpx2.patch(
            url + "/ca/api/v0/campaign/terminate",
            json={"mobile_numbers": ["+12025550001"]},
            headers=headers,
            trust_env=False,
        )
        assert (ended.status_code, "detail" in ended.json()) == (400, True), "there is nothing to end, and it says so"
        assert serve.poll() is None
        serve.send_signal(signal.SIGTERM)
        assert serve.wait() == 1
