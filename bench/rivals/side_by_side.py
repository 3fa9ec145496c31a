"""The same pending rows on one PostgreSQL: Ringoff's order beside cancelling in procrastinate and in pgqueuer."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.figures import Say, Verdict
from bench.rivals.contract import Cancelled
from bench.rows import add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import (
    ROOT,
    Connection,
    RunningServer,
    UnexpectedAnswer,
    end_tree,
    has_lines,
    running_server,
    wait_for,
)
from bench.sizes import Run
from bench.terminate import settled_after
from ringoff.store.embedded import DATABASE, EmbeddedPostgres

PYTHON = ROOT / ".venv-rivals" / "bin" / "python"
LEFT_OUT = "left out: procrastinate and pgqueuer are not in .venv-rivals; `make bench` installs them"

_PROCRASTINATE, _PGQUEUER = "procrastinate", "pgqueuer"
# What is documented for cancelling comes first; the last one of pgqueuer spares nothing in the whole queue.
_WAYS = {
    _PROCRASTINATE: ("one at a time", "ten at a time", "bulk UPDATE"),
    _PGQUEUER: ("mark_job_as_cancelled", "clear_queue of the entrypoint", "clear_queue of everything"),
}
_STARTS_PER_S = 200
_FIRST_START_S = 60.0
_STEP_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Stop:
    """What one way of stopping cost, and what was started in spite of it."""

    cancelled: Cancelled
    meanwhile: int
    """Starts between the beginning and the acknowledgement."""
    after: int
    """Starts after the acknowledgement, or after the sample when it is one."""
    last_start_ns: int

    @classmethod
    def of(cls, cancelled: Cancelled, starts: Sequence[int]) -> "Stop":
        meanwhile = sum(cancelled.began_ns <= start <= cancelled.ended_ns for start in starts)
        after = sum(start > cancelled.ended_ns for start in starts)
        return cls(cancelled, meanwhile, after, max(starts))

    @property
    def is_sample(self) -> bool:
        return self.cancelled.asked < self.cancelled.pending

    @property
    def measured_s(self) -> float:
        return (self.cancelled.ended_ns - self.cancelled.began_ns) / 1e9

    @property
    def acknowledged_s(self) -> float:
        """Extrapolated from a sample: the same cost for each of all jobs."""
        return self.measured_s * self.cancelled.pending / self.cancelled.asked

    @property
    def none_can_start_s(self) -> float:
        """From the beginning to the acknowledgement, or to the last start that came after it."""
        if self.is_sample:
            return self.acknowledged_s
        return max((self.last_start_ns - self.cancelled.began_ns) / 1e9, self.acknowledged_s)

    def __str__(self) -> str:
        if self.is_sample:
            return (
                f"{self.acknowledged_s:,.0f} s for {self.cancelled.pending:,}, EXTRAPOLATED from"
                f" {self.cancelled.asked:,} measured in {self.measured_s:.1f} s; {self.meanwhile:,} started in these"
            )
        return (
            f"acknowledged after {seconds(self.acknowledged_s)}, none started from {seconds(self.none_can_start_s)} on;"
            f" {self.meanwhile:,} started in between, {self.after:,} after the acknowledgement"
        )


def seconds(value: float) -> str:
    return f"{value * 1000:.2f} ms" if value < 0.1 else f"{value:,.2f} s" if value < 100 else f"{value:,.0f} s"


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Each with its own worker starting up to two hundred a second; one after the other, cleaned up in between."""
    if not PYTHON.exists():
        say(LEFT_OUT)
        return []
    data_dir, wire_log = run.work_dir / "rivals", run.work_dir / "rivals-wire.log"
    stops: dict[str, dict[str, Stop]] = {}
    with running_server(data_dir, simulated_wire_log=str(wire_log)) as server:
        async with server.database() as database:
            ours, settled_s = await _order(run, server, database, wire_log)
            say(f"Ringoff, terminate {run.sizes.rows:,} pending: {ours}; rows settled behind it in {settled_s:.1f} s")
            for library, ways in _WAYS.items():
                await database.execute(f"CREATE DATABASE {library}")
                dsn = EmbeddedPostgres(data_dir).dsn.replace(f"///{DATABASE}?", f"///{library}?", 1)
                stops[library] = {}
                for way in ways:
                    filled = _step(library, "fill", dsn, "--rows", str(run.sizes.rows))
                    stop = await _cancel(run, library, dsn, way)
                    say(f"{library} {filled['version']}, {way}: {stop}")
                    stops[library][way] = stop
                await database.execute(f"DROP DATABASE {library} WITH (FORCE)")
    return [
        *(_sooner(run.sizes.rows, ours, library, ways) for library, ways in stops.items()),
        Verdict(
            f"while it dials {_STARTS_PER_S}/s, no call starts after the acknowledgement",
            f"{ours.after} ({ours.meanwhile} between order and acknowledgement; watched until all rows were settled)",
            ours.after == 0,
        ),
    ]


def _sooner(rows: int, ours: Stop, library: str, ways: Mapping[str, Stop]) -> Verdict:
    reached = ", ".join(
        f"{_times(stop.acknowledged_s / ours.acknowledged_s)} ({way}, {seconds(stop.acknowledged_s)}"
        f"{' extrapolated' if stop.is_sample else ''})"
        for way, stop in ways.items()
    )
    return Verdict(
        f"{rows:,} pending: acknowledged sooner than in {library}, one by one and in bulk",
        f"{seconds(ours.acknowledged_s)}: {reached}",
        all(ours.acknowledged_s < stop.acknowledged_s for stop in ways.values()),
    )


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} x" if ratio >= 10 else f"{ratio:.1f} x"


async def _order(run: Run, server: RunningServer, database: Connection, wire_log: Path) -> tuple[Stop, float]:
    """One campaign that is being dialled, and one order, the first of this process, over HTTP."""
    tenant = await first_tenant(database)
    await database.execute("UPDATE trunk SET cps_max = $1, channels_max = 100000", _STARTS_PER_S)
    campaign_id = await add_campaign(database, tenant, "dialled", "draft")
    await add_pending_calls(database, tenant, campaign_id, run.sizes.rows, due_in=-timedelta(minutes=1))
    await settle_down(database)
    await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", campaign_id)
    await database.execute("SELECT pg_notify('ringoff_due', '')")
    if not wait_for(has_lines(wire_log), _FIRST_START_S, 0.02):
        raise UnexpectedAnswer("nothing was dialled")
    await asyncio.sleep(run.sizes.beside_s)
    with server.http() as http:
        began_ns = time.monotonic_ns()
        http.terminate(campaign_id=str(campaign_id))
        ended_ns = time.monotonic_ns()
    settled_s = await settled_after(database)
    await asyncio.sleep(run.sizes.beside_s)
    with wire_log.open("rb") as lines:
        starts = [json.loads(line)["monotonic_ns"] for line in lines]
    await database.execute("VACUUM (ANALYZE)", timeout=600)
    await database.execute("CHECKPOINT", timeout=600)
    pending = run.sizes.rows - sum(start < began_ns for start in starts)
    return Stop.of(Cancelled(began_ns, ended_ns, pending, pending, 0), starts), settled_s


async def _cancel(run: Run, library: str, dsn: str, way: str) -> Stop:
    starts = run.work_dir / f"{library}-{way.replace(' ', '-')}.starts"
    with _worker(library, dsn, starts):
        if not wait_for(has_lines(starts), _FIRST_START_S, 0.02):
            raise UnexpectedAnswer(f"{library} started no job: {starts.with_suffix('.log').read_text()[-2000:]}")
        await asyncio.sleep(run.sizes.beside_s)
        answer = _step(library, "cancel", dsn, "--way", way, "--seconds", str(run.sizes.sample_s))
        await asyncio.sleep(run.sizes.beside_s)
    cancelled = Cancelled(**answer)
    if not cancelled.pending:
        raise UnexpectedAnswer(f"{run.sizes.rows:,} jobs were not enough for {library}")
    if cancelled.asked == cancelled.pending and cancelled.left:
        raise UnexpectedAnswer(f"{library}, {way}: {cancelled.left:,} jobs can still start")
    return Stop.of(cancelled, [int(line) for line in starts.read_text().splitlines()])


@contextmanager
def _worker(library: str, dsn: str, starts: Path) -> Iterator[None]:
    command = [*_command(library), "work", dsn, "--starts", str(starts)]
    with starts.with_suffix(".log").open("wb") as log_file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log_file, stderr=log_file, start_new_session=True)
        try:
            yield
        finally:
            end_tree(process)


def _step(library: str, *arguments: str) -> Any:
    done = subprocess.run(
        [*_command(library), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_STEP_TIMEOUT_S,
    )
    if done.returncode:
        raise UnexpectedAnswer(f"{library} {arguments[0]}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _command(library: str) -> list[str]:
    return [str(PYTHON), "-m", f"bench.rivals.on_{library}"]
