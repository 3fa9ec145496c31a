"""The dial rate of 1, 2 and 4 dispatcher processes on one PostgreSQL, side by side, and whose processor time it was."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psutil

from bench.dispatch_processes import RunningDispatcher, bare_database, connected, running_dispatchers
from bench.figures import Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import Tenant, add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import Connection, UnexpectedAnswer, has_lines, wait_for
from bench.sizes import Run
from bench.slices import left_out

SHARE = 0.2
"""Of a core, for each dispatcher: four of them leave more than a core to PostgreSQL."""
GAIN_MIN = 1.5
_CAMPAIGNS = 4
_FIRST_DIAL_S = 30.0
_LOOKS_PER_S = 20
_ADD_TRUNK = """
INSERT INTO trunk (workspace_id, name, driver, cps_max, channels_max)
VALUES ($1, $2, 'simulated', 100000, 100000) RETURNING trunk_id
"""
_LOCK_WAITS = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one window."""

    dispatchers: int
    dials_per_s: float
    dispatcher_us: float
    postgres_us: float
    dispatcher_cores: float
    postgres_cores: float
    lock_waits: float
    """Sessions that waited for a row or an advisory lock, on average."""
    machine_busy: float

    def __str__(self) -> str:
        both = self.dispatcher_us + self.postgres_us
        return (
            f"{self.dispatchers} dispatchers {self.dials_per_s:6,.0f} dials/s; per dial {self.dispatcher_us:4.0f} us in"
            f" dispatchers + {self.postgres_us:4.0f} us in PostgreSQL ({self.postgres_us / both:.0%} of both);"
            f" cores {self.dispatcher_cores:.2f} + {self.postgres_cores:.2f}, machine {self.machine_busy:.0%} busy;"
            f" {self.lock_waits:.2f} sessions wait for a lock"
        )


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Every call answered, instant carrier, trunks without a limit that matters; new campaigns before each window."""
    data_dir, why = run.work_dir / "dispatchers", left_out()
    say(
        f"separate cores are emulated: each dispatcher gets {SHARE:.0%} of a core"
        if why is None
        else f"no slices: {why}"
    )
    verdicts = []
    async with bare_database(data_dir) as postgres, connected(postgres) as database:
        pid = postgres.postmaster_pid
        assert pid is not None, "it runs as long as we hold it"
        bench = _Bench(run, data_dir, database, pid, await first_tenant(database))
        # Not counted: in the first seconds of a database its plans are those of empty tables.
        await bench.window(1, 1, None)
        for trunks in run.sizes.dispatcher_trunks:
            for share in [*([SHARE] if why is None else []), None]:
                on = "one trunk" if trunks == 1 else f"a trunk for each of {_CAMPAIGNS} campaigns"
                say(f"{on}, " + ("as much processor as there is:" if share is None else f"{share:.0%} of a core each:"))
                # In turn, and the median of each: a slice that meets the other's period differs from run to run.
                rounds = [
                    [await bench.window(count, trunks, share) for count in run.sizes.dispatchers]
                    for _round in range(1 if share is None else run.sizes.dispatcher_rounds)
                ]
                readings = [_median(of_one_count) for of_one_count in zip(*rounds, strict=True)]
                for reading, of_one_count in zip(readings, zip(*rounds, strict=True), strict=True):
                    rates = ", ".join(f"{each.dials_per_s:,.0f}" for each in of_one_count)
                    say(f"  {reading}" + (f" (median of {rates})" if len(rounds) > 1 else ""))
                if share is not None:
                    verdicts.append(_verdict(on, readings))
    return verdicts


def _median(readings: Sequence[Reading]) -> Reading:
    """The reading whose rate is the median: all its figures are of one window."""
    middle = statistics.median_low(reading.dials_per_s for reading in readings)
    return next(reading for reading in readings if reading.dials_per_s == middle)


def _verdict(on: str, readings: Sequence[Reading]) -> Verdict:
    rates = [reading.dials_per_s for reading in readings]
    gains = [f"{rate / rates[0]:.2f} x of {reading.dispatchers}" for rate, reading in zip(rates, readings, strict=True)]
    return Verdict(
        f"two dispatchers dial at least {GAIN_MIN:g} x what one dials, {on}",
        f"{', '.join(gains[1:])}, {rates[0]:,.0f} dials/s of one",
        rates[1] >= GAIN_MIN * rates[0],
    )


class _Bench:
    def __init__(self, run: Run, data_dir: Path, database: Connection, postmaster_pid: int, tenant: Tenant) -> None:
        self._run = run
        self._data_dir = data_dir
        self._database = database
        self._postmaster_pid = postmaster_pid
        self._tenant = tenant

    async def window(self, count: int, trunks: int, share: float | None) -> Reading:
        """Fresh campaigns, fresh processes; the campaigns are ended after it."""
        sizes = self._run.sizes
        campaigns = await self._campaigns(trunks, sizes.dispatcher_rows // _CAMPAIGNS)
        with running_dispatchers(self._data_dir, count, share, simulated_speed="1e9") as dispatchers:
            await self._database.execute(
                "UPDATE campaign SET status = 'ongoing' WHERE campaign_id = ANY($1)", campaigns
            )
            await self._database.execute("SELECT pg_notify('ringoff_due', '')")
            logs = [dispatcher.wire_log for dispatcher in dispatchers]
            if not all(wait_for(has_lines(log), _FIRST_DIAL_S, 0.02) for log in logs):
                raise UnexpectedAnswer("a dispatcher dials nothing")
            await asyncio.sleep(sizes.warm_up_s)
            reading = await self._read(dispatchers, sizes.dispatcher_window_s)
        left = await self._database.fetchval(
            "SELECT count(*) FROM call WHERE campaign_id = ANY($1) AND status = 'registered'", campaigns
        )
        await self._database.execute("UPDATE campaign SET status = 'paused' WHERE campaign_id = ANY($1)", campaigns)
        if not left:
            raise UnexpectedAnswer(f"{sizes.dispatcher_rows:,} calls were not enough for a window of {count}")
        return reading

    async def _campaigns(self, trunks: int, rows: int) -> list[UUID]:
        database, tenant = self._database, self._tenant
        await database.execute("UPDATE trunk SET cps_max = 100000, channels_max = 100000")
        trunk_ids = [tenant.trunk_id]
        for n in range(1, trunks):
            trunk_id = await database.fetchval(_ADD_TRUNK, tenant.workspace_id, f"trunk {n} {time.monotonic_ns()}")
            trunk_ids.append(trunk_id)
        campaigns = []
        for n in range(_CAMPAIGNS):
            on = Tenant(tenant.workspace_id, tenant.agent_id, trunk_ids[n % trunks])
            campaigns.append(await add_campaign(database, on, f"campaign {n}", "draft"))
            await add_pending_calls(database, on, campaigns[-1], rows, due_in=-timedelta(minutes=1))
        await settle_down(database)
        await database.execute("VACUUM (ANALYZE) dial_attempt")
        return campaigns

    async def _read(self, dispatchers: Sequence[RunningDispatcher], seconds: float) -> Reading:
        pids = [dispatcher.process.pid for dispatcher in dispatchers]
        dialled = sum(dispatcher.dialled for dispatcher in dispatchers)
        before, began, busy = self._used(pids), time.perf_counter(), psutil.cpu_times()
        waits = []
        while time.perf_counter() - began < seconds:
            waits.append(await self._database.fetchval(_LOCK_WAITS))
            await asyncio.sleep(1 / _LOOKS_PER_S)
        took_s, after, idle = time.perf_counter() - began, self._used(pids), psutil.cpu_times()
        dials = max(sum(dispatcher.dialled for dispatcher in dispatchers) - dialled, 1)
        dispatcher_s, postgres_s = after[0] - before[0], after[1] - before[1]
        return Reading(
            dispatchers=len(dispatchers),
            dials_per_s=dials / took_s,
            dispatcher_us=dispatcher_s / dials * 1e6,
            postgres_us=postgres_s / dials * 1e6,
            dispatcher_cores=dispatcher_s / took_s,
            postgres_cores=postgres_s / took_s,
            lock_waits=sum(waits) / len(waits),
            machine_busy=1 - (idle.idle - busy.idle) / took_s / (psutil.cpu_count() or 1),
        )

    def _used(self, pids: Sequence[int]) -> tuple[float, float]:
        readings = [ProcessorUse.read(pid, self._postmaster_pid) for pid in pids]
        return sum(reading.server_s for reading in readings), readings[-1].postgres_s
