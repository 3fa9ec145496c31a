"""Real Ringoff processes for acceptance tests: started, killed and stopped as an operator would, and always removed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self, TypeVar

import httpx2
import msgspec
import psutil

from ringoff.clock import SystemClock
from ringoff.telephony.wire_log import WireLine

RINGOFF = Path(sys.executable).with_name("ringoff")
START_WITHIN_S = 40.0
STOP_WITHIN_S = 30.0
_POLL_S = 0.05
_LOG_TAIL_LINES = 60

_clock = SystemClock()
_never = Event()
T = TypeVar("T")


def until(condition: Callable[[], T], what: str, within_s: float = 30.0, poll_s: float = _POLL_S) -> T:
    """The first true value of ``condition``; fails with ``what`` was waited for when the time is over."""
    give_up_at = _clock.monotonic() + within_s
    while not (value := condition()):
        assert _clock.monotonic() < give_up_at, f"after {within_s:g} s still not: {what}"
        _never.wait(poll_s)
    return value


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without Ringoff's own variables, and with ``settings``."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("RINGOFF_")}
    return inherited | {"PYTHONUNBUFFERED": "1"} | dict(settings)


class BackgroundProcess:
    """One `ringoff` command that stays; what it says goes to a file."""

    def __init__(
        self,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        log_path: Path,
        program: Sequence[str] = (str(RINGOFF),),
    ) -> None:
        self.log_path = log_path
        self._said_before = log_path.stat().st_size if log_path.exists() else 0
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(settings),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def said(self) -> str:
        """Everything since the start of this process."""
        return self.log_path.read_bytes()[self._said_before :].decode(errors="replace")

    def wait_for_line(self, beginning: str) -> str:
        """The rest of the first line that begins so."""

        def found() -> str | None:
            lines = [line for line in self.said().splitlines() if line.startswith(beginning)]
            assert lines or self.exit_code is None, f"ended with {self.exit_code} before it said {beginning!r}"
            return lines[0] if lines else None

        line = until(found, f"the line {beginning!r}", START_WITHIN_S)
        assert line is not None
        return line.removeprefix(beginning)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill9(self) -> None:
        """As a crash; whatever it was doing."""
        self._process.kill()
        self._process.wait(STOP_WITHIN_S)

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self._process.terminate()
        return self._process.wait(STOP_WITHIN_S)

    def remove(self) -> None:
        """Whatever state it is in, stopped by a signal too."""
        if self.exit_code is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(STOP_WITHIN_S)


class ServerProcess:
    """`ringoff up` with a database, a key and a wire log of its own. May be started again after it died.

    ``options`` are the command's; ``settings`` are the environment's, without the prefix: ``lease_s="2"``. Another
    ``program`` with another ``environment`` runs another build.
    """

    key = "acceptance-key"

    def __init__(
        self,
        *options: str,
        program: Sequence[str] = (str(RINGOFF),),
        environment: Mapping[str, str] | None = None,
        shows_logs: bool = True,
        **settings: str,
    ) -> None:
        self._options = options
        self._program = program
        self._shows_logs = shows_logs
        # Not below pytest's own directory: that is private to its user, and PostgreSQL runs as another one under root.
        self.root = Path(tempfile.mkdtemp(prefix="ringoff-acceptance-"))
        self.root.chmod(0o755)
        self.data_dir = self.root / "state"
        self.wire_log_path = self.root / "wire.jsonl"
        own = {
            "data_dir": str(self.data_dir),
            "bootstrap_api_key": self.key,
            "simulated_wire_log": str(self.wire_log_path),
            "simulated_speed": "200",
            "drain_s": "2",
        }
        self.settings = {f"RINGOFF_{name.upper()}": text for name, text in (own | settings).items()}
        self.settings |= environment or {}
        self.url = ""
        self._process: BackgroundProcess | None = None
        self._companions: list[BackgroundProcess] = []
        self._http: httpx2.Client | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.stop()
        finally:
            self._remove()

    @property
    def process(self) -> BackgroundProcess:
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def http(self) -> httpx2.Client:
        """A client with the server's address and key."""
        assert self._http is not None, "the server was not started"
        return self._http

    @property
    def postmaster_pid(self) -> int | None:
        """The embedded PostgreSQL, or None when it does not run."""
        try:
            pid = int((self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(pid)
            is_ours = process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self.data_dir / "postgres")
        except (OSError, IndexError, ValueError, psutil.Error):
            return None
        return pid if is_ours else None

    @property
    def dsn(self) -> str:
        """For looking behind the API at what has no route."""
        lines = (self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
        return f"postgresql:///ringoff?host={lines[4]}&port={lines[3]}&user=postgres"

    def start(self) -> None:
        """Returns when it accepts requests."""
        arguments = ["up", "--port", "0", *self._options]
        self._process = BackgroundProcess(arguments, self.settings, self.root / "up.log", self._program)
        self.url = self._process.wait_for_line("ringoff ready url=")
        self._close_http()
        self._http = httpx2.Client(base_url=self.url, headers={"X-API-KEY": self.key}, timeout=30, trust_env=False)

    def dispatcher(self) -> BackgroundProcess:
        """One more process that dials, on the same database and wire log."""
        log_path = self.root / f"dispatch-{len(self._companions)}.log"
        process = BackgroundProcess(["dispatch"], self.settings, log_path, self._program)
        self._companions.append(process)
        process.wait_for_line("ringoff dispatch ready")
        return process

    def command(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A command that ends, with the server's settings and ``variables`` around it."""
        return subprocess.run(
            [*self._program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean_environment(self.settings | variables),
        )

    def kill9(self) -> None:
        """The server process dies; its PostgreSQL stays behind."""
        self.process.kill9()

    def kill9_postgres(self) -> None:
        """The postmaster dies as by a crash of the database; returns when the server has started another."""
        pid = self.postmaster_pid
        assert pid is not None, "no PostgreSQL to kill"
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.postmaster_pid not in (None, pid), "another PostgreSQL", START_WITHIN_S)

    def stop(self) -> None:
        """As by an operator: every process ends well, and so does PostgreSQL."""
        for process in (*self._companions, self.process):
            if process.exit_code is None:
                code = process.terminate()
                assert code == 0, f"{process.log_path.name}: exit code {code} after SIGTERM"
        assert self.postmaster_pid is None, "PostgreSQL outlived its last process"
        assert not self._database_processes(), "processes of PostgreSQL are left"

    def wire(self) -> list[WireLine]:
        """What has left for the carrier so far, in the order of the file."""
        if not self.wire_log_path.exists():
            return []
        whole_lines, _newline, _being_written = self.wire_log_path.read_bytes().rpartition(b"\n")
        decoder = msgspec.json.Decoder(WireLine)
        return [decoder.decode(line) for line in whole_lines.splitlines()]

    def wire_count(self) -> int:
        return self.wire_log_path.read_bytes().count(b"\n") if self.wire_log_path.exists() else 0

    def wait_for_rings(self, count: int) -> None:
        """Until this many more calls have left."""
        wanted = self.wire_count() + count
        until(lambda: self.wire_count() >= wanted, f"{count} more rings")

    def _print_logs(self) -> None:
        """For the report of a failed test, which shows what was printed."""
        for path in sorted(self.root.glob("*.log")) if self._shows_logs else ():
            tail = path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
            print("\n".join([f"--- {path.name}, its last lines:", *tail]))

    def _database_processes(self) -> list[psutil.Process]:
        directory = str(self.data_dir / "postgres")
        return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == directory]

    def _remove(self) -> None:
        self._close_http()
        for process in (*self._companions, self._process):
            if process is not None:
                process.remove()
        self._print_logs()
        # SIGINT asks the postmaster for a fast shutdown; whoever is left after that is not asked.
        if (pid := self.postmaster_pid) is not None:
            with suppress(psutil.Error):
                psutil.Process(pid).send_signal(signal.SIGINT)
            psutil.wait_procs(self._database_processes(), timeout=STOP_WITHIN_S)
        for left in self._database_processes():
            with suppress(psutil.Error):
                left.kill()
        psutil.wait_procs(self._database_processes(), timeout=STOP_WITHIN_S)
        shutil.rmtree(self.root, ignore_errors=True)

    def _close_http(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None


@contextmanager
def paused(process: BackgroundProcess) -> Iterator[None]:
    """The process stands still, as under a hypervisor that took its time away."""
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)
