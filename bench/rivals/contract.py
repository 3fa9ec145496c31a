"""What the script of each rival can be asked to do, and how it answers: one line of JSON. Needs nothing installed."""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

QUEUE = "ring"
JOBS_AT_ONCE = 20
JOB_S = 0.1
"""Twenty jobs of a tenth of a second at once: a worker that starts up to two hundred a second, as the trunk does."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """One way of cancelling, from the first call to the last answer, on CLOCK_MONOTONIC.

    ``asked`` jobs of ``pending`` ones; fewer when the time given for it was over. ``left`` can still be fetched.
    """

    began_ns: int
    ended_ns: int
    asked: int
    pending: int
    left: int


class Rival(Protocol):
    """A library's queue in a database of its own."""

    library: str

    async def fill(self, dsn: str, rows: int) -> None:
        """Exactly that many pending jobs, as old ones look: vacuumed, analysed, checkpointed."""

    async def work(self, dsn: str, started: Callable[[], None]) -> None:
        """A worker until it is killed; each job says that it started before it does anything."""

    async def cancel(self, dsn: str, way: str, seconds: float) -> Cancelled:
        """Cancel everything pending in one of its ways. A way of one call a job ends after ``seconds``."""


def run(rival: Rival) -> None:
    """The script's main function."""
    parser = argparse.ArgumentParser(description="one step of the comparison; see side_by_side.py")
    parser.add_argument("step", choices=("fill", "work", "cancel"))
    parser.add_argument("dsn")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--starts", type=Path, default=Path(os.devnull))
    parser.add_argument("--way", default="")
    parser.add_argument("--seconds", type=float, default=0.0)
    arguments = parser.parse_args()
    if arguments.step == "fill":
        asyncio.run(rival.fill(arguments.dsn, arguments.rows))
        print(json.dumps({"version": version(rival.library)}))
    elif arguments.step == "work":
        asyncio.run(rival.work(arguments.dsn, _start_log(arguments.starts)))
    else:
        cancelled = asyncio.run(rival.cancel(arguments.dsn, arguments.way, arguments.seconds))
        print(json.dumps(asdict(cancelled)))


def _start_log(path: Path) -> Callable[[], None]:
    """A line a start, in the file before the job goes on: a killed worker loses none."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def started() -> None:
        os.write(file, b"%d\n" % time.monotonic_ns())

    return started
