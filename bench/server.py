"""The real thing under measurement: `ringoff up` as a process of its own, its HTTP port and its database."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import psutil

from ringoff.store.embedded import EmbeddedPostgres
from ringoff.store.postgres import connect_once

API_KEY = "ringoff_bench_key_0123456789"
ROOT = Path(__file__).parents[1]
READY = "ringoff ready url="
_START_S = 60.0
_STOP_S = 90.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class UnexpectedAnswer(Exception):
    """The server refused what the benchmark needs; a figure about that would be a lie."""


TERMINATE = "/ca/api/v0/campaign/terminate"


class KeptConnection:
    """One HTTP/1.1 connection, kept alive, as a client of a kill switch would hold it."""

    def __init__(self, url: str) -> None:
        self._http = HTTPConnection(urlsplit(url).netloc, timeout=600)

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[float, Any]:
        """Seconds from the first byte of the request to the last of its answer, and the answer. Only 2xx passes."""
        encoded = json.dumps(body).encode() if isinstance(body, dict) else body
        sent_headers = {"X-API-KEY": API_KEY, "Content-Type": "application/json", **(headers or {})}
        began = time.perf_counter()
        self._http.request(method, path, encoded, sent_headers)
        response = self._http.getresponse()
        content = response.read()
        took_s = time.perf_counter() - began
        if not 200 <= response.status < 300:
            raise UnexpectedAnswer(f"{method} {path}: {response.status} {content[:500]!r}")
        return took_s, json.loads(content)

    def terminate(self, **selector: Any) -> float:
        """Seconds of one order, end to end: authentication, the order, its durable commit, the answer."""
        return self.send("PATCH", TERMINATE, selector)[0]

    def status(self, method: str, **selector: Any) -> int:
        """The status of one order, whatever it is."""
        headers = {"X-API-KEY": API_KEY, "Content-Type": "application/json"}
        self._http.request(method, TERMINATE, json.dumps(selector).encode(), headers)
        response = self._http.getresponse()
        response.read()
        return response.status

    def close(self) -> None:
        """The next request opens it again. The server itself closes what has been idle for seconds."""
        self._http.close()


class RunningServer:
    """A started `ringoff up`; see ``running_server``."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, data_dir: Path, log_path: Path) -> None:
        self.process = process
        self.url = url
        self._data_dir = data_dir
        self._log_path = log_path

    def took_s(self, path: str) -> list[float]:
        """What the server says each answered request of this path took, in order: from its first byte to the answer."""
        lines = [json.loads(line) for line in self._log_path.read_bytes().splitlines() if line.startswith(b"{")]
        return [line["elapsed_ms"] / 1000 for line in lines if line.get("path") == path and line["status"] < 300]

    @property
    def postmaster_pid(self) -> int:
        pid = EmbeddedPostgres(self._data_dir).postmaster_pid
        assert pid is not None, "it runs as long as the server"
        return pid

    @property
    def dsn(self) -> str:
        """Of its own database."""
        return EmbeddedPostgres(self._data_dir).dsn

    @contextmanager
    def http(self) -> Iterator[KeptConnection]:
        connection = KeptConnection(self.url)
        try:
            yield connection
        finally:
            connection.close()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Connection]:
        """A connection beside the server's own, for filling tables and looking at them."""
        connection = await connect_once(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()


@contextmanager
def running_server(data_dir: Path, **settings: str) -> Iterator[RunningServer]:
    """`ringoff up` on the embedded PostgreSQL of ``data_dir`` with its durable settings; stopped by SIGTERM."""
    log_path = data_dir.with_suffix(".log")
    # The console script's module, so that a benchmark runs what is in this tree.
    command = [sys.executable, "-m", "ringoff.cli", "up", "--port", "0", "--data-dir", str(data_dir)]
    with log_path.open("wb") as log_file:
        process = subprocess.Popen(
            command, env=environment(**settings), stdout=log_file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield RunningServer(process, _ready_url(process, log_path), data_dir, log_path)
        finally:
            end_tree(process)


def environment(**settings: str) -> dict[str, str]:
    """Ours without any setting of the user's own Ringoff."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("RINGOFF_")}
    named = {f"RINGOFF_{name.upper()}": text for name, text in settings.items()}
    return {**inherited, "RINGOFF_BOOTSTRAP_API_KEY": API_KEY, **named}


def end_tree(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the process and its children, as a terminal's Ctrl-C would reach them; then wait for all of them."""
    try:
        tree = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        tree = []
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    psutil.wait_procs(tree, timeout=_STOP_S)


def wait_for(found: Iterable[bool], timeout_s: float, every_s: float) -> bool:
    """Look again and again, at most for ``timeout_s``; whether it was seen."""
    give_up_at = time.monotonic() + timeout_s
    for is_there in found:
        if is_there:
            return True
        if time.monotonic() > give_up_at:
            return False
        time.sleep(every_s)
    return False


def has_lines(path: Path) -> Iterator[bool]:
    """For ``wait_for``: whether somebody has written to the file."""
    while True:
        yield path.exists() and path.stat().st_size > 0


def free_port() -> int:
    """Free a moment ago, which is good enough for a benchmark that is alone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready_url(process: "subprocess.Popen[bytes]", log_path: Path) -> str:
    def looks() -> Iterator[bool]:
        while process.poll() is None:
            yield READY in log_path.read_text(encoding="utf-8", errors="replace")

    if not wait_for(looks(), _START_S, 0.02):
        raise UnexpectedAnswer(f"the server did not start: {log_path.read_text(errors='replace')[-2000:]}")
    text = log_path.read_text(encoding="utf-8", errors="replace")
    return text.split(READY, 1)[1].split(maxsplit=1)[0]
