"""From `make run` on an empty directory to the first simulated ring, everything included."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Samples, Say, Verdict
from bench.server import ROOT, UnexpectedAnswer, end_tree, environment, free_port, has_lines, wait_for
from bench.sizes import Run

_FIRST_RING_S = 60.0
_LOOK_S = 0.005


async def measure(run: Run, say: Say) -> list[Verdict]:
    """The process is started each time; what is waited for is the first line of the carrier's wire log."""
    command, words = _command()
    took = Samples.of_seconds([_once(command, run.work_dir / f"first-ring-{n}") for n in range(run.sizes.starts)])
    say(f"{words} on an empty data directory, to the first dialled call: {took}")
    return [
        Verdict(
            "`make run` to the first simulated ring: < 5 s",
            f"{took.median_ms / 1000:.2f} s median, {took.values_ms[-1] / 1000:.2f} s worst of {len(took.values_ms)}",
            took.median_ms < 5_000,
        )
    ]


def _command() -> tuple[list[str], str]:
    """`make run` itself, unless it would have to install first: that is not what is measured."""
    if shutil.which("make"):
        is_installed = (
            subprocess.run(["make", "--question", "install"], cwd=ROOT, check=False, capture_output=True).returncode
            == 0
        )
        if is_installed:
            return ["make", "run"], "`make run`"
    return [sys.executable, "-m", "ringoff.cli"], "`ringoff up --demo` (not installed by make, so not `make run`)"


def _once(command: list[str], data_dir: Path) -> float:
    wire_log, port = data_dir.with_suffix(".wire"), free_port()
    if command[0] == "make":
        arguments = [f"DATA_DIR={data_dir}", f"PORT={port}"]
    else:
        arguments = ["up", "--demo", "--data-dir", str(data_dir), "--port", str(port)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env=environment(simulated_wire_log=str(wire_log)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if not wait_for(has_lines(wire_log), _FIRST_RING_S, _LOOK_S):
            raise UnexpectedAnswer("nothing rang")
        return time.perf_counter() - began
    finally:
        end_tree(process)
