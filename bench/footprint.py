"""What a call leaves behind: bytes of each table with its indexes, write-ahead log, disk operations, processor time.

The constants of ``bench.capacity`` come from here. Per row they hardly depend on how many rows there are.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

from bench.figures import Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import add_campaign, add_pending_calls, first_tenant, settle_down, subscribe
from bench.server import Connection, UnexpectedAnswer, running_server
from bench.sizes import Run
from ringoff.domain.call_config import CallConfig, to_json
from ringoff.domain.retry_policy import RetryPolicy

# Attempts, and so their rows, are counted apart from the calls: most calls have more than one.
_MIX = "answered=0.4,busy=0.2,no_answer=0.4"
_RETRY = RetryPolicy(retry_count=2, retry_busy_min=0, retry_not_picked_min=0, retry_failed_min=0)
_BY_THE_MIX = "4321"
_LOOK_S = 0.25
_ALL_DIALLED_S = 1_800.0
# Partitioned or not: the sizes of all parts of a table are summed.
_SIZES = """
    WITH RECURSIVE part AS (
        SELECT c.oid, c.relname AS table_name FROM pg_class c
        WHERE c.relname = ANY($1::text[]) AND c.relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT i.inhrelid, p.table_name FROM part p JOIN pg_inherits i ON i.inhparent = p.oid
    )
    SELECT table_name, sum(pg_table_size(oid))::bigint AS heap, sum(pg_indexes_size(oid))::bigint AS indexes
    FROM part GROUP BY table_name
"""
_TABLES = ("contact", "call", "dial_attempt", "outbox_event")


@dataclass(frozen=True, slots=True)
class Work:
    """What PostgreSQL has done since the start, or between two readings."""

    wal_bytes: int
    wal_page_images: int
    commits: int
    wal_syncs: int
    reads: int
    writes: int

    @classmethod
    async def read(cls, database: Connection) -> "Work":
        # Statistics of other sessions come with a delay of up to a second while they are busy.
        await database.execute("SELECT pg_stat_force_next_flush(); SELECT pg_stat_clear_snapshot()")
        wal = await database.fetchrow("SELECT wal_bytes::bigint, wal_fpi FROM pg_stat_wal")
        commits = await database.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        operations = await database.fetchrow(
            "SELECT coalesce(sum(fsyncs) FILTER (WHERE object = 'wal'), 0)::bigint AS syncs,"
            " coalesce(sum(reads) FILTER (WHERE object = 'relation'), 0)::bigint AS reads,"
            " coalesce(sum(writes) FILTER (WHERE object = 'relation'), 0)::bigint AS writes FROM pg_stat_io"
        )
        assert wal is not None
        assert operations is not None
        return cls(
            wal["wal_bytes"], wal["wal_fpi"], commits, operations["syncs"], operations["reads"], operations["writes"]
        )

    def __sub__(self, earlier: "Work") -> "Work":
        return Work(*(getattr(self, name) - getattr(earlier, name) for name in self.__slots__))

    def words(self, count: int, what: str) -> str:
        return (
            f"each {what}: {self.wal_bytes / count:,.0f} bytes of log ({self.wal_page_images / count:.2f} page images),"
            f" {self.commits / count:.2f} commits, {self.wal_syncs / count:.2f} syncs of the log,"
            f" {self.reads / count:.2f} reads, {self.writes / count:.2f} writes of pages"
        )


async def measure(run: Run, say: Say) -> list[Verdict]:
    """One campaign is registered, then dialled until every call has ended; busy and no answer are tried twice more."""
    rows = run.sizes.rows
    settings = {"simulated_speed": "1e9", "simulated_mix": _MIX}
    with running_server(run.work_dir / "footprint", **settings) as server:
        async with server.database() as database:
            tenant = await first_tenant(database)
            await subscribe(database, tenant)
            await database.execute("UPDATE trunk SET cps_max = 100000, channels_max = 100000")
            campaign_id = await add_campaign(database, tenant, "footprint", "draft")
            await database.execute("UPDATE campaign SET call_config = $1", to_json(CallConfig(retry=_RETRY)))
            before = await Work.read(database)
            due_in = -timedelta(minutes=1)
            await add_pending_calls(database, tenant, campaign_id, rows, due_in, tail=_BY_THE_MIX)
            await settle_down(database)
            registered = await Work.read(database) - before
            registered_bytes = await database.fetchval("SELECT pg_database_size(current_database())")
            say(registered.words(rows, "registered call"))
            used = ProcessorUse.read(server.process.pid, server.postmaster_pid)
            before, began = await Work.read(database), time.perf_counter()
            await database.execute("UPDATE campaign SET status = 'ongoing'")
            await database.execute("SELECT pg_notify('ringoff_due', '')")
            await _all_ended(database)
            took_s = time.perf_counter() - began
            await database.execute("CHECKPOINT")
            dialled = await Work.read(database) - before
            used = ProcessorUse.read(server.process.pid, server.postmaster_pid) - used
            attempts = await database.fetchval("SELECT count(*) FROM dial_attempt")
            say(f"{rows:,} calls, {attempts:,} attempts in {took_s:.0f} s: {attempts / took_s:,.0f} attempts/s")
            say(used.words(took_s, attempts, "attempt"))
            say(dialled.words(attempts, "attempt, with its end, its figures and 1/n of its call's event"))
            await _say_sizes(database, say)
            total = await database.fetchval("SELECT pg_database_size(current_database())")
            say(f"database: {registered_bytes / rows:,.0f} bytes a call registered, {total / rows:,.0f} when all ended")
    return []


async def _all_ended(database: Connection) -> None:
    give_up_at = time.perf_counter() + _ALL_DIALLED_S
    while await database.fetchval(
        "SELECT EXISTS (SELECT FROM call WHERE status IN ('registered', 'retry', 'ongoing'))"
    ):
        if time.perf_counter() > give_up_at:
            raise UnexpectedAnswer("not every call has ended in time")
        await asyncio.sleep(_LOOK_S)


async def _say_sizes(database: Connection, say: Say) -> None:
    for row in await database.fetch(_SIZES, list(_TABLES)):
        name = row["table_name"]
        count = await database.fetchval(f"SELECT count(*) FROM {name}")
        say(
            f"{name}: {count:,} rows of {row['heap'] / count:,.0f} + {row['indexes'] / count:,.0f} bytes"
            " (heap with its free space, and indexes)"
        )
