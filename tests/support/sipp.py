"""Runs sipp as the carrier or the agent of a test: bounded in calls and time, on a port of its own."""

import asyncio
import csv
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.sipp_scenario import carrier_scenario

WHY_NOT = "sipp is not installed (Debian: apt-get install sip-tester)"
_CALLS_MAX = 1_000_000
_UP_TRIES = 200


def is_installed() -> bool:
    return shutil.which("sipp") is not None


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def why_failed(run_dir: Path) -> str:
    """Its own words for each call that it aborted. (It also logs there each pause of the scenario that ran out.)"""
    return "\n".join(re.findall(r"Aborting call.{0,200}", _said(run_dir)))


def dropped(run_dir: Path) -> frozenset[str]:
    """The Call-IDs (of sippy: 32 hex digits) that it aborted on a CANCEL.

    No scenario prevents it: between a ring that timed out and the answer sipp listens to its socket once more, and a
    CANCEL of that instant is not expected. It answers the CANCEL, drops the call and sends neither 487 nor 200.
    """
    return frozenset(re.findall(r"unexpected CANCEL for call: ([0-9a-f]{32})", _said(run_dir)))


def _said(run_dir: Path) -> str:
    path = run_dir / "errors.log"
    return path.read_text(errors="replace") if path.exists() else ""


class Sipp:
    """A running sipp. ``finished`` reads what it counted."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, run_dir: Path) -> None:
        self.port = port
        self._process = process
        self._run_dir = run_dir

    @property
    def messages(self) -> str:
        return (self._run_dir / "messages.log").read_text(errors="replace")

    async def finished(self) -> dict[str, int]:
        """Let it end its calls (SIGUSR1: take no new ones, wait for those that are up) and count."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(60):
            await self._process.wait()
        last = self._rows()[-1]
        return {name: int(last[f"{name}(C)"]) for name in ("SuccessfulCall", "FailedCall")}

    def rows_count(self) -> int:
        """How often it has counted: once a second."""
        return len(self._rows())

    def up_count(self) -> int:
        """The calls that were up when it last counted."""
        return int(self._rows()[-1]["CurrentCall"])

    def _rows(self) -> list[dict[str, str]]:
        """Whole lines only: the last one may be being written."""
        whole, _newline, _rest = (self._run_dir / "stat.csv").read_text().rpartition("\n")
        return list(csv.DictReader(whole.splitlines(), delimiter=";"))


@asynccontextmanager
async def running_sipp(
    run_dir: Path,
    *,
    port: int | None = None,
    timeout_s: int = 100,
    codec: int = 0,
    contact_host: str = "",
    route: str = "",
) -> AsyncIterator[Sipp]:
    """A sipp that plays ``carrier_scenario`` on 127.0.0.1, up when this yields, gone afterwards."""
    run_dir.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - local and short
    port = port or free_port()
    scenario = carrier_scenario(codec=codec, contact_host=contact_host, route=route.format(port=port))
    (run_dir / "carrier.xml").write_text(scenario)
    command = [
        "sipp", "-sf", "carrier.xml", "-i", "127.0.0.1", "-p", str(port), "-m", str(_CALLS_MAX), "-timeout",
        f"{timeout_s}s", "-nostdin", "-trace_stat", "-stf", "stat.csv", "-fd", "1", "-trace_msg", "-message_file",
        "messages.log", "-trace_err", "-error_file", "errors.log",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, cwd=run_dir, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(_UP_TRIES):
            if f":{port:04X}" in Path("/proc/net/udp").read_text():  # noqa: ASYNC240 - a file of the kernel
                break
            await asyncio.sleep(0.05)
        yield Sipp(process, port, run_dir)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
