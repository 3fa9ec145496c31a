"""Full pace for minutes: memory must stay flat, and what is deleted must be cleared away as fast as it comes."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import psutil

from bench.figures import Say, Verdict
from bench.rows import Tenant, add_campaign, add_pending_calls, first_tenant, settle_down, subscribe
from bench.server import Connection, RunningServer, running_server
from bench.sizes import Run

RSS_GROWTH_MAX_MIB = 10.0
"""Of the server over the second half: what it remembers has a bound that is reached earlier."""
DEAD_GROWTH_MAX = 1.5
"""How much more of the short-lived tables may be dead or big in the last quarter than in the one before."""
STEP_TABLES = ("tally_step", "attempt_step", "pace_grant")
"""Each row lives for seconds: what they hold must not depend on how long the process has run."""
GROWING_TABLES = ("call", "dial_attempt", "outbox_event", "contact")
_AHEAD = 2.0
"""How many samples' worth of calls are pending at least."""
_FEED_MIN = 5_000
_MIB = 1 << 20
DEAD_SHARE_FLOOR = 0.05
"""Of the rows of a table that grows; autovacuum's own threshold here is 0.02, and it comes every ten seconds."""
# A table with partitions has no statistics of its own.
_TABLE = """
SELECT n.name,
    sum(coalesce(s.n_dead_tup, 0))::bigint AS dead, sum(coalesce(s.n_live_tup, 0))::bigint AS live,
    sum(s.autovacuum_count)::bigint AS autovacuum_count,
    sum(pg_relation_size(s.relid))::bigint AS heap, sum(pg_indexes_size(s.relid))::bigint AS indexes
FROM unnest($1::text[]) AS n (name)
JOIN pg_stat_user_tables s
    ON s.relid = n.name::regclass
    OR s.relid IN (SELECT t.relid FROM pg_partition_tree(n.name::regclass) t WHERE t.isleaf)
GROUP BY n.name
"""


@dataclass(frozen=True, slots=True)
class Table:
    dead: int
    live: int
    heap_mib: float
    indexes_mib: float
    vacuums: int

    @property
    def size_mib(self) -> float:
        return self.heap_mib + self.indexes_mib

    @property
    def dead_share(self) -> float:
        return self.dead / max(self.dead + self.live, 1)


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one moment; ``dials_per_s`` of the stretch before it."""

    at_s: float
    dials_per_s: float
    server_mib: float
    postgres_mib: float
    tables: dict[str, Table]

    def __str__(self) -> str:
        steps = ", ".join(
            f"{name} {table.dead:,} dead {table.size_mib:.1f} MiB"
            for name, table in self.tables.items()
            if name in STEP_TABLES
        )
        return (
            f"{self.at_s:4.0f} s {self.dials_per_s:6,.0f} dials/s; server {self.server_mib:.1f} MiB,"
            f" PostgreSQL {self.postgres_mib:.0f} MiB; {steps}"
        )


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Every call answered at once, no pace; new campaigns as fast as the old ones are dialled."""
    sizes = run.sizes
    settings = {"simulated_speed": "1e9", "log_level": "warning"}
    with running_server(run.work_dir / "soak", **settings) as server:
        async with server.database() as database, server.database() as other:
            tenant = await first_tenant(database)
            await subscribe(database, tenant)
            await database.execute("UPDATE trunk SET cps_max = 100000, channels_max = 100000")
            soak = _Soak(server, database, tenant, say)
            await soak.begin(sizes.soak_rows)
            samples = await soak.watch(sizes.soak_s, sizes.soak_every_s)
            _tell_tables(samples, say)
            say("beside a transaction that stays open, which forbids to clear anything away:")
            transaction = other.transaction(isolation="repeatable_read")
            await transaction.start()
            await other.fetchval("SELECT pg_current_xact_id()")
            beside = await soak.watch(sizes.soak_open_s, sizes.soak_every_s)
            await transaction.rollback()
            say("after it:")
            after = await soak.watch(sizes.soak_open_s / 2, sizes.soak_every_s)
    say(
        f"dials/s: {_mean(samples[len(samples) // 2 :]):,.0f} in the second half, {beside[-1].dials_per_s:,.0f} at the"
        f" end of {sizes.soak_open_s:.0f} s beside the open transaction, {after[-1].dials_per_s:,.0f} after it"
    )
    return _judged(samples)


class _Soak:
    def __init__(self, server: RunningServer, database: Connection, tenant: Tenant, say: Say) -> None:
        self._server = server
        self._database = database
        self._tenant = tenant
        self._say = say
        self._campaign_count = 0
        self._pending = 0
        self._began = time.perf_counter()
        self._dialled = 0

    async def begin(self, rows: int) -> None:
        await self._feed(rows)
        await settle_down(self._database)
        self._began = time.perf_counter()

    async def watch(self, seconds: float, every_s: float) -> list[Sample]:
        """Samples, each followed by as many new calls as were dialled."""
        samples: list[Sample] = []
        last_at, until = time.perf_counter(), time.perf_counter() + seconds
        self._dialled = await self._count()
        while time.perf_counter() < until:
            await asyncio.sleep(every_s)
            dialled, at = await self._count(), time.perf_counter()
            samples.append(await self._sample((dialled - self._dialled) / (at - last_at)))
            self._say(str(samples[-1]))
            self._pending -= dialled - self._dialled
            wanted = int((dialled - self._dialled) * _AHEAD) - self._pending
            self._dialled, last_at = dialled, at
            if wanted > 0:
                await self._feed(max(wanted, _FEED_MIN))
        return samples

    async def _count(self) -> int:
        """Dials that are over, by the figures that the server keeps itself."""
        count: int = await self._database.fetchval(
            "SELECT coalesce(sum(completed_count), 0)::bigint FROM"
            " (SELECT completed_count FROM campaign_tally UNION ALL SELECT completed_count FROM tally_step) t"
        )
        return count

    async def _feed(self, count: int) -> None:
        self._campaign_count += 1
        database, tenant = self._database, self._tenant
        campaign_id = await add_campaign(database, tenant, f"soak {self._campaign_count}", "draft")
        await add_pending_calls(database, tenant, campaign_id, count, due_in=-timedelta(minutes=1))
        await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", campaign_id)
        await database.execute("SELECT pg_notify('ringoff_due', '')")
        self._pending += count

    async def _sample(self, dials_per_s: float) -> Sample:
        await self._database.execute("SELECT pg_stat_clear_snapshot()")
        rows = await self._database.fetch(_TABLE, [*STEP_TABLES, *GROWING_TABLES])
        postmaster = psutil.Process(self._server.postmaster_pid)
        return Sample(
            at_s=time.perf_counter() - self._began,
            dials_per_s=dials_per_s,
            server_mib=psutil.Process(self._server.process.pid).memory_info().rss / _MIB,
            postgres_mib=sum(_own(process) for process in [postmaster, *postmaster.children()]) / _MIB,
            tables={
                row["name"]: Table(
                    dead=row["dead"],
                    live=row["live"],
                    heap_mib=row["heap"] / _MIB,
                    indexes_mib=row["indexes"] / _MIB,
                    vacuums=row["autovacuum_count"],
                )
                for row in rows
            },
        )


def _own(process: psutil.Process) -> int:
    """Without what it shares with the others: the buffers would be counted once for each session."""
    try:
        memory = process.memory_info()
    except psutil.Error:  # ended since it was listed
        return 0
    return int(memory.rss - memory.shared)


def _tell_tables(samples: Sequence[Sample], say: Say) -> None:
    first, last = samples[0].tables, samples[-1].tables
    for name in (*STEP_TABLES, *GROWING_TABLES):
        dead = [sample.tables[name].dead for sample in samples]
        say(
            f"{name}: dead rows {dead[0]:,} at first, {max(dead):,} at most, {dead[-1]:,} at last beside"
            f" {last[name].live:,} others; {first[name].size_mib:.1f} to {last[name].size_mib:.1f} MiB,"
            f" {last[name].vacuums - first[name].vacuums} times vacuumed"
        )


def _judged(samples: Sequence[Sample]) -> list[Verdict]:
    half = samples[len(samples) // 2 :]
    minutes = (half[-1].at_s - half[0].at_s) / 60
    per_minute = _slope([(sample.at_s / 60, sample.server_mib) for sample in half])
    verdicts = [
        Verdict(
            f"soak of {samples[-1].at_s / 60:.0f} minutes: the server's memory grows by less than"
            f" {RSS_GROWTH_MAX_MIB:.0f} MiB over the second half",
            f"{per_minute * minutes:+.1f} MiB in {minutes:.1f} minutes ({half[0].server_mib:.0f} to"
            f" {half[-1].server_mib:.0f} MiB) at {_mean(half):,.0f} dials/s",
            per_minute * minutes < RSS_GROWTH_MAX_MIB,
            is_required=True,
        )
    ]
    third, fourth = half[: (len(half) + 1) // 2], half[len(half) // 2 :]
    for words, tables, measures in (
        ("short-lived tables: dead rows and size grow", STEP_TABLES, (("dead", 10_000.0), ("size_mib", 4.0))),
        (
            "calls, attempts, events, contacts: the share of dead rows grows",
            GROWING_TABLES,
            (("dead_share", DEAD_SHARE_FLOOR),),
        ),
    ):
        growths = {}
        for name in tables:
            for what, floor in measures:
                before = max(*(getattr(sample.tables[name], what) for sample in third), floor)
                growths[f"{name}, {what}"] = max(getattr(sample.tables[name], what) for sample in fourth) / before
        worst = max(growths, key=growths.__getitem__)
        verdicts.append(
            Verdict(
                f"{words} by less than {DEAD_GROWTH_MAX - 1:.0%} in the last quarter",
                f"at most {growths[worst]:.2f} x ({worst})",
                growths[worst] < DEAD_GROWTH_MAX,
                is_required=True,
            )
        )
    return verdicts


def _mean(samples: Sequence[Sample]) -> float:
    return sum(sample.dials_per_s for sample in samples) / len(samples)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: how much the second grows with each of the first."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
