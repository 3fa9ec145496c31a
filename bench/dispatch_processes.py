"""`ringoff dispatch`, as often as wanted, on one embedded PostgreSQL that the benchmark keeps running."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.server import Connection, UnexpectedAnswer, end_tree, environment, running_server, wait_for
from bench.slices import sliced
from ringoff.store.embedded import EmbeddedPostgres
from ringoff.store.postgres import connect_once

_READY = "ringoff dispatch ready"
_METRICS = "ringoff metrics url="
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningDispatcher:
    """One started process."""

    process: "subprocess.Popen[bytes]"
    wire_log: Path
    metrics_url: str

    @property
    def dialled(self) -> int:
        """Requests on its wire so far."""
        return self.wire_log.read_bytes().count(b"\n") if self.wire_log.exists() else 0


@asynccontextmanager
async def bare_database(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A database as the first `ringoff up` leaves it, with its workspace, agent and trunk, and nobody who dials."""
    with running_server(data_dir, log_level="warning"):
        pass
    postgres = EmbeddedPostgres(data_dir)
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop()


@asynccontextmanager
async def connected(postgres: EmbeddedPostgres) -> AsyncIterator[Connection]:
    connection = await connect_once(postgres.dsn)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def running_dispatchers(
    data_dir: Path, count: int, share: float | None, **settings: str
) -> Iterator[list[RunningDispatcher]]:
    """``count`` of them on the database of ``data_dir``, each with ``share`` of a core, or as much as it gets."""
    with ExitStack() as stack:
        yield [stack.enter_context(_running(data_dir, n, share, settings)) for n in range(count)]


@contextmanager
def _running(data_dir: Path, number: int, share: float | None, settings: dict[str, str]) -> Iterator[RunningDispatcher]:
    log_path, wire_log = (data_dir.with_name(f"{data_dir.name}-{number}.{suffix}") for suffix in ("log", "wire"))
    wire_log.unlink(missing_ok=True)
    named = {"log_level": "warning", "metrics_port": "0"} | settings | {"simulated_wire_log": str(wire_log)}
    command = [sys.executable, "-m", "ringoff.cli", "dispatch", "--data-dir", str(data_dir)]
    with log_path.open("wb") as log_file:
        process = subprocess.Popen(
            command, env=environment(**named), stdout=log_file, stderr=subprocess.STDOUT, start_new_session=True
        )
    with ExitStack() as stack:
        if share is not None:
            stack.enter_context(sliced(process.pid, str(number), share))
        stack.callback(end_tree, process)
        yield RunningDispatcher(process, wire_log, _metrics_url(process, log_path))


def _metrics_url(process: "subprocess.Popen[bytes]", log_path: Path) -> str:
    def looks() -> Iterator[bool]:
        while process.poll() is None:
            yield _READY in log_path.read_text(encoding="utf-8", errors="replace")

    if not wait_for(looks(), _START_S, 0.05):
        raise UnexpectedAnswer(f"a dispatcher did not start: {log_path.read_text(errors='replace')[-2000:]}")
    text = log_path.read_text(encoding="utf-8", errors="replace")
    return text.split(_METRICS, 1)[1].split(maxsplit=1)[0]
