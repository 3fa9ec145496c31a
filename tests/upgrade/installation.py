"""An installation of several processes, of this release and of the one before, on one database and one wire log."""

import asyncio
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import asyncpg
import httpx2
import msgspec
import pytest

from ringoff.telephony.wire_log import WireLine
from tests.acceptance.client import Client
from tests.support.processes import BackgroundProcess, ServerProcess, clean_environment

ROOT = Path(__file__).parents[2]
RELEASE_BEFORE = "ff673a47b1ca175955cabcb2cb2a92d96b74fd8e"
"""0.2.0, whose schema ends with 0012."""
KEY = "upgrade-key"


class Build:
    """A source tree that is run as it is."""

    def __init__(self, source: Path) -> None:
        self._source = source

    @property
    def program(self) -> Sequence[str]:
        return (sys.executable, "-m", "ringoff.cli")

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PYTHONPATH": str(self._source)}

    def add_migrations(self, **texts: str) -> None:
        """Files by their names, with ``__`` for dots."""
        for name, text in texts.items():
            path = self._source / "ringoff" / "store" / "sql" / "migrations" / f"{name.lstrip('_').replace('__', '.')}"
            path.write_text(text, encoding="utf-8")


def release_before(place: Path) -> Build:
    """Out of the history; the test is skipped where that is not there."""
    archived = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", RELEASE_BEFORE, "src"], capture_output=True, check=False
    )
    if archived.returncode != 0:
        pytest.skip(f"the release before is not in this history: {archived.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=BytesIO(archived.stdout)) as archive:
        archive.extractall(place, filter="data")
    return Build(place / "src")


def this_release(place: Path) -> Build:
    """A copy, which may be given more migrations than there are."""
    shutil.copytree(ROOT / "src", place / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return Build(place / "src")


class Installation:
    """Processes are started by their build and role. All are removed in the end, whatever has happened."""

    def __init__(self, dsn: str, root: Path) -> None:
        self.dsn = dsn
        self._root = root
        self._processes: list[BackgroundProcess] = []
        self._https: list[httpx2.Client] = []
        self._settings = {
            "RINGOFF_DATABASE_URL": dsn,
            "RINGOFF_DATA_DIR": str(root / "none"),
            "RINGOFF_BOOTSTRAP_API_KEY": KEY,
            "RINGOFF_SIMULATED_WIRE_LOG": str(root / "wire.jsonl"),
            "RINGOFF_SIMULATED_SPEED": "200",
            "RINGOFF_SIMULATED_MIX": "answered=1,busy=1",
            "RINGOFF_LEASE_S": "5",
            "RINGOFF_DRAIN_S": "5",
            "RINGOFF_WEBHOOK_ALLOW_PRIVATE": "true",
            "RINGOFF_POOL_MAX": "3",
            "RINGOFF_DISPATCH_POOL_MAX": "5",
        }

    def start(self, build: Build, *arguments: str, **settings: str) -> BackgroundProcess:
        """Not waited for."""
        log_path = self._root / f"{len(self._processes)}-{arguments[0]}.log"
        given = {f"RINGOFF_{name.upper()}": text for name, text in settings.items()}
        process = BackgroundProcess(
            arguments, {**self._settings, **build.environment, **given}, log_path, build.program
        )
        self._processes.append(process)
        return process

    def serve(self, build: Build, role: str, **settings: str) -> tuple[BackgroundProcess, Client]:
        """``up`` or ``serve``, and a client of it."""
        process = self.start(build, role, "--port", "0", **settings)
        url = process.wait_for_line("ringoff ready url=" if role == "up" else "ringoff serve ready url=")
        http = httpx2.Client(base_url=url, headers={"X-API-KEY": KEY}, timeout=30, trust_env=False)
        self._https.append(http)
        return process, Client(cast(ServerProcess, _Server(http)))

    def work(self, build: Build, role: str, **settings: str) -> BackgroundProcess:
        """``dispatch`` or ``deliver``."""
        process = self.start(build, role, **settings)
        process.wait_for_line(f"ringoff {role} ready")
        return process

    def command(self, build: Build, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One that ends."""
        return subprocess.run(
            [*build.program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            env=clean_environment({**self._settings, **build.environment}),
        )

    def wire(self) -> list[WireLine]:
        path = self._root / "wire.jsonl"
        whole_lines = path.read_bytes().rpartition(b"\n")[0].splitlines() if path.exists() else []
        decoder = msgspec.json.Decoder(WireLine)
        return [decoder.decode(line) for line in whole_lines]

    def look(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Behind the API, or at it."""

        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return list(await connection.fetch(statement, *arguments))
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def remove(self) -> None:
        for http in self._https:
            http.close()
        for process in self._processes:
            process.remove()
        for path in sorted(self._root.glob("*.log")):  # for the report of a failed test
            lines = path.read_text(errors="replace").splitlines()[-25:]
            print("\n".join([f"--- {path.name}, its last lines:", *lines]))


class _Server:
    def __init__(self, http: httpx2.Client) -> None:
        self.http = http


@contextmanager
def installation(dsn: str, root: Path) -> Iterator[Installation]:
    installed = Installation(dsn, root)
    try:
        yield installed
    finally:
        installed.remove()


def checks(doctor: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """By name: whether it is good."""
    lines = [json.loads(line) for line in doctor.stdout.splitlines() if line.startswith("{")]
    return {line["name"]: line["is_good"] for line in lines}
