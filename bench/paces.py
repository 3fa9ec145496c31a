"""What a dial costs at a pace: the same calls at 50, 500 and 2,000 a second, in processor time and in transactions."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.figures import Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import Connection, RunningServer, UnexpectedAnswer, has_lines, running_server, wait_for
from bench.sizes import Run

CORES_MAX = 0.5
"""Of the server and its PostgreSQL together, at ``JUDGED_CPS``."""
JUDGED_CPS = 500.0
_FIRST_DIAL_S = 30.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one window at one pace."""

    dials_per_s: float
    cores: float
    commits_per_s: float
    words: str


async def measure(run: Run, say: Say) -> list[Verdict]:
    """One campaign whose trunk gets another pace every few seconds; rings and talks take a fiftieth of their time."""
    sizes, wire_log = run.sizes, run.work_dir / "wire-paces.log"
    settings = {"simulated_speed": "50", "simulated_wire_log": str(wire_log), "log_level": "warning"}
    costs: dict[float, Cost] = {}
    with running_server(run.work_dir / "paces", **settings) as server:
        async with server.database() as database:
            await _start(database, round(sum(sizes.paces) * (sizes.warm_up_s + sizes.pace_window_s) * 1.1) + 100)
            for cps in sizes.paces:
                await database.execute("UPDATE trunk SET cps_max = $1, reduced_cps = NULL", cps)
                if not wait_for(has_lines(wire_log), _FIRST_DIAL_S, 0.02):
                    raise UnexpectedAnswer("nothing was dialled")
                await asyncio.sleep(sizes.warm_up_s)
                costs[cps] = cost = await _window(server, database, wire_log, sizes.pace_window_s)
                say(f"{cost.dials_per_s:,.0f} dials/s of {cps:,.0f}; {cost.words}")
    judged = costs.get(JUDGED_CPS) or next(iter(costs.values()))
    return [
        Verdict(
            f"server and PostgreSQL under {CORES_MAX:g} cores at {JUDGED_CPS:,.0f} dials/s, rings and talks in between",
            f"{judged.cores:.2f} cores at {judged.dials_per_s:,.0f} dials/s,"
            f" {judged.commits_per_s / max(judged.dials_per_s, 1):.2f} transactions a dial",
            judged.cores < CORES_MAX,
        )
    ]


async def _start(database: Connection, count: int) -> None:
    tenant = await first_tenant(database)
    await database.execute("UPDATE trunk SET cps_max = 1, channels_max = 100000")
    campaign_id = await add_campaign(database, tenant, "dialled", "draft")
    await add_pending_calls(database, tenant, campaign_id, count, due_in=-timedelta(minutes=1))
    await settle_down(database)
    await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", campaign_id)
    await database.execute("SELECT pg_notify('ringoff_due', '')")


async def _window(server: RunningServer, database: Connection, wire_log: Path, seconds: float) -> Cost:
    dialled, commits = _lines(wire_log), await _commits(database)
    before, began = ProcessorUse.read(server.process.pid, server.postmaster_pid), time.perf_counter()
    await asyncio.sleep(seconds)
    used = ProcessorUse.read(server.process.pid, server.postmaster_pid) - before
    took_s = time.perf_counter() - began
    count = max(_lines(wire_log) - dialled, 1)
    commits_per_s = (await _commits(database) - commits) / took_s
    return Cost(
        count / took_s,
        (used.server_s + used.postgres_s) / took_s,
        commits_per_s,
        f"{used.words(took_s, count)}; {commits_per_s:,.0f} transactions/s",
    )


async def _commits(database: Connection) -> int:
    """Of the whole database; what a session has counted reaches this figure within a second or so of idling."""
    count: int = await database.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    return count


def _lines(wire_log: Path) -> int:
    return wire_log.read_bytes().count(b"\n")
