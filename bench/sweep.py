"""Behind a fence: how fast rows are settled, with their events, and what dialling elsewhere keeps meanwhile."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from bench.figures import Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import add_campaign, add_pending_calls, first_tenant, settle_down, subscribe
from bench.server import RunningServer, UnexpectedAnswer, has_lines, running_server, wait_for
from bench.sizes import Run
from bench.terminate import settled_after

_FIRST_DIAL_S = 30.0


async def measure(run: Run, say: Say) -> list[Verdict]:
    """First settled alone, on a server that dials nothing; then beside a campaign that is dialled at full pace."""
    alone = await _alone(run, say)
    paced_share, paced = await _beside(run, say, run.sizes.paced_cps, f"a trunk of {run.sizes.paced_cps:,.0f} calls/s")
    full_share, full = await _beside(run, say, 100_000.0, "a trunk without a limit that matters")
    return [
        Verdict(
            "sweeper: at least 30,000 calls/s settled, events included",
            f"{alone:,.0f} calls/s alone; {paced:,.0f} and {full:,.0f} beside dialling",
            alone >= 30_000,
        ),
        Verdict(
            "dialling in other campaigns keeps at least 80 % of its rate meanwhile",
            f"{paced_share:.0%} at {run.sizes.paced_cps:,.0f} calls/s; {full_share:.0%} at the most this machine dials",
            paced_share >= 0.8 and full_share >= 0.8,
        ),
    ]


async def _alone(run: Run, say: Say) -> float:
    sizes = run.sizes
    with running_server(run.work_dir / "sweep-alone") as server, server.http() as http:
        async with server.database() as database:
            tenant = await first_tenant(database)
            await subscribe(database, tenant)
            ended = await add_campaign(database, tenant, "ended", "ongoing")
            await add_pending_calls(database, tenant, ended, sizes.rows)
            await settle_down(database)
            before = ProcessorUse.read(server.process.pid, server.postmaster_pid)
            http.terminate(campaign_id=str(ended))
            took_s = await settled_after(database)
            used = ProcessorUse.read(server.process.pid, server.postmaster_pid) - before
            event_count = await database.fetchval("SELECT count(*) FROM outbox_event")
    if event_count < sizes.rows:
        raise UnexpectedAnswer(f"{event_count:,} events for {sizes.rows:,} calls")
    say(f"alone: {sizes.rows:,} calls, {event_count:,} events in {took_s:.1f} s: {sizes.rows / took_s:,.0f}/s")
    say(used.words(took_s, sizes.rows))
    return sizes.rows / took_s


async def _beside(run: Run, say: Say, cps_max: float, words: str) -> tuple[float, float]:
    """The share of the dial rate that is kept, and the calls settled a second.

    The rate of a run changes with its age (tables grow, vacuum comes), so the same seconds of a second run are
    what it is compared with: the same rows, and no order. The machine is not as fast in every minute, so what is
    compared is what each run keeps of its own rate before.
    """
    sizes = run.sizes
    async with _dialling(run, cps_max, "ordered") as (server, database, ended, wire_log):
        began = time.monotonic_ns()
        await asyncio.sleep(sizes.window_s)
        ordered = time.monotonic_ns()
        with server.http() as http:
            http.terminate(campaign_id=str(ended))
        took_s = await settled_after(database)
        settled = time.monotonic_ns()
        before, meanwhile = _dials_per_s(wire_log, [(began, ordered), (ordered, settled)])
    async with _dialling(run, cps_max, "control") as (_server, _database, _ended, wire_log):
        control_began = time.monotonic_ns()
        later = control_began - began
        await asyncio.sleep((settled - began) / 1e9)
        windows = [(began + later, ordered + later), (ordered + later, settled + later)]
        control_before, control = _dials_per_s(wire_log, windows)
    share = (meanwhile / before) / (control / control_before) if before and control and control_before else 0.0
    say(
        f"beside {words}: {meanwhile:,.0f} dials/s while {sizes.rows:,} calls were settled in {took_s:.1f} s"
        f" ({sizes.rows / took_s:,.0f}/s), {control:,.0f} in the same seconds of a run without the order;"
        f" {before:,.0f} and {control_before:,.0f} in the {sizes.window_s:.0f} s before: {share:.0%} kept"
    )
    return share, sizes.rows / took_s


@asynccontextmanager
async def _dialling(
    run: Run, cps_max: float, name: str
) -> AsyncIterator[tuple[RunningServer, asyncpg.Connection, UUID, Path]]:
    """A server that has dialled one campaign for a while, and another campaign whose calls are due tomorrow."""
    sizes, wire_log = run.sizes, run.work_dir / f"wire-{cps_max:.0f}-{name}.log"
    settings = {"simulated_speed": "1e9", "simulated_wire_log": str(wire_log)}
    with running_server(run.work_dir / f"sweep-{cps_max:.0f}-{name}", **settings) as server:
        async with server.database() as database:
            tenant = await first_tenant(database)
            await subscribe(database, tenant)
            await database.execute("UPDATE trunk SET cps_max = $1, channels_max = 100000", cps_max)
            ended = await add_campaign(database, tenant, "ended", "ongoing")
            await add_pending_calls(database, tenant, ended, sizes.rows)
            dialled = await add_campaign(database, tenant, "dialled", "draft")
            await add_pending_calls(database, tenant, dialled, sizes.rows, due_in=-timedelta(minutes=1))
            await settle_down(database)
            await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", dialled)
            await database.execute("SELECT pg_notify('ringoff_due', '')")
            if not wait_for(has_lines(wire_log), _FIRST_DIAL_S, 0.02):
                raise UnexpectedAnswer("nothing was dialled")
            await asyncio.sleep(sizes.warm_up_s)
            yield server, database, ended, wire_log


def _dials_per_s(wire_log: Path, windows: Sequence[tuple[int, int]]) -> list[float]:
    with wire_log.open("rb") as lines:
        instants = [json.loads(line)["monotonic_ns"] for line in lines if line.endswith(b"\n")]
    return [sum(start <= at < end for at in instants) / ((end - start) / 1e9) for start, end in windows]
