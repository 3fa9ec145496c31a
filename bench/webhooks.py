"""Deliveries of webhooks to a receiver on this machine: how many a second, in order, and beside a dead subscriber."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from bench.figures import Samples, Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import Tenant, add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import Connection, RunningServer, running_server
from bench.sizes import Run
from ringoff.operations.subscriptions import new_signing_secret

GOAL_PER_S = 1_000
CHANGE_MAX = 0.2
EVENTS_OF_A_CALL = 4
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_WRITE_EVERY_S = 0.05
_ARRIVE_S = 60.0


@dataclass
class Receiver:
    """Reads requests and answers 204 at once; ``is_dead`` reads nothing and never answers."""

    is_dead: bool = False
    port: int = 0
    arrived: list[tuple[float, bytes]] = field(default_factory=list)
    connection_count: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        try:
            if self.is_dead:
                await reader.read()
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.arrived.append((time.perf_counter(), body))
                self.came.set()
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the server has gone, or the benchmark is over
        finally:
            writer.close()

    async def until(self, count: int) -> None:
        """Until so many requests have come; fails when they do not."""
        async with asyncio.timeout(_ARRIVE_S):
            while len(self.arrived) < count:
                self.came.clear()
                await self.came.wait()


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Events are written by SQL, as the statements that end calls do; everything after that is the product."""
    with running_server(run.work_dir / "webhooks", webhook_allow_private="true") as server:
        async with server.database() as database, receiving() as alive, receiving(is_dead=True) as dead:
            tenant = await first_tenant(database)
            campaign_id = await add_campaign(database, tenant, "webhooks", "draft")
            await add_pending_calls(database, tenant, campaign_id, run.sizes.hook_events // EVENTS_OF_A_CALL)
            await settle_down(database)
            calls = [row["call_id"] for row in await database.fetch("SELECT call_id FROM call")]
            await _subscribe(database, tenant, None, alive)
            rate = await _rate(server, database, tenant, campaign_id, calls, alive, say)
            without, beside = await _beside_a_dead_one(run, database, tenant, campaign_id, calls, alive, dead, say)
    return [rate, _compared(without, beside)]


@asynccontextmanager
async def receiving(*, is_dead: bool = False) -> AsyncIterator[Receiver]:
    receiver = Receiver(is_dead)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


async def _rate(
    server: RunningServer,
    database: Connection,
    tenant: Tenant,
    campaign_id: UUID,
    calls: Sequence[UUID],
    alive: Receiver,
    say: Say,
) -> Verdict:
    written_ids: list[int] = []
    before = ProcessorUse.read(server.process.pid, server.postmaster_pid)
    async with database.transaction():  # all of it becomes due at once: a backlog, drained as fast as it goes
        for _ in range(EVENTS_OF_A_CALL):
            written_ids += await _write(database, tenant, campaign_id, calls)
    await alive.until(len(written_ids))
    spent = ProcessorUse.read(server.process.pid, server.postmaster_pid) - before
    first, last = alive.arrived[0][0], alive.arrived[-1][0]
    rate = len(alive.arrived) / (last - first)
    is_whole, is_ordered = _order(alive, written_ids)
    say(
        f"{len(written_ids):,} events of {len(calls):,} calls in {last - first:.1f} s over {alive.connection_count}"
        f" connections: {rate:,.0f}/s"
    )
    say(spent.words(last - first, len(written_ids), "delivery"))
    return Verdict(
        f"webhooks to one subscriber: {GOAL_PER_S:,} deliveries/s, each event once and in order within a call",
        f"{rate:,.0f}/s, {'' if is_whole else 'NOT '}each once, {'' if is_ordered else 'NOT '}in order",
        rate >= GOAL_PER_S and is_whole and is_ordered,
    )


def _order(alive: Receiver, written_ids: Sequence[int]) -> tuple[bool, bool]:
    came: defaultdict[str, list[int]] = defaultdict(list)
    for _, body in alive.arrived:
        said = json.loads(body)
        came[said["call_id"]].append(int(said["event_id"]))
    is_whole = sorted(event_id for ids in came.values() for event_id in ids) == sorted(written_ids)
    return is_whole, all(ids == sorted(ids) for ids in came.values())


async def _beside_a_dead_one(
    run: Run,
    database: Connection,
    tenant: Tenant,
    campaign_id: UUID,
    calls: Sequence[UUID],
    alive: Receiver,
    dead: Receiver,
    say: Say,
) -> tuple[Samples, Samples]:
    """By turns, so that whatever else this machine does meets both; the dead one is sent the very same events."""
    took_s: dict[bool, list[float]] = {False: [], True: []}
    for is_beside in (False, True) * run.sizes.hook_turns:
        if is_beside:
            await _subscribe(database, tenant, tenant.agent_id, dead)
        took_s[is_beside] += await _paced(run, database, tenant, campaign_id, calls, alive)
        await database.execute("DELETE FROM event_subscription WHERE agent_id IS NOT NULL")
    without, beside = (Samples.of_seconds(took_s[is_beside]) for is_beside in (False, True))
    say(f"{run.sizes.hook_per_s} events/s, from their commit to the receiver: {without}")
    say(f"the same beside a subscriber of the same events that never answers: {beside}")
    return without, beside


async def _paced(
    run: Run, database: Connection, tenant: Tenant, campaign_id: UUID, calls: Sequence[UUID], alive: Receiver
) -> list[float]:
    """Seconds from the commit of each event to its arrival."""
    alive.arrived.clear()
    each_time = max(1, round(run.sizes.hook_per_s * _WRITE_EVERY_S))
    written_at: dict[int, float] = {}
    began = time.perf_counter()
    for turn in range(round(run.sizes.hook_window_s / _WRITE_EVERY_S)):
        first = turn * each_time % len(calls)
        ids = await _write(database, tenant, campaign_id, calls[first : first + each_time])
        written_at |= dict.fromkeys(ids, time.perf_counter())
        await asyncio.sleep(max(0.0, began + (turn + 1) * _WRITE_EVERY_S - time.perf_counter()))
    await alive.until(len(written_at))
    return [at - written_at[int(json.loads(body)["event_id"])] for at, body in alive.arrived]


async def _write(database: Connection, tenant: Tenant, campaign_id: UUID, calls: Sequence[UUID]) -> list[int]:
    rows = await database.fetch(
        "INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)"
        " SELECT $1, 'call_completed', c, jsonb_build_object('campaign_id', $2::uuid, 'status', 'retry',"
        " 'sub_status', 'RETRY_SCHEDULED') FROM unnest($3::uuid[]) AS c RETURNING event_id",
        tenant.workspace_id,
        campaign_id,
        list(calls),
    )
    return [row["event_id"] for row in rows]


async def _subscribe(database: Connection, tenant: Tenant, agent_id: UUID | None, receiver: Receiver) -> None:
    await database.execute(
        "INSERT INTO event_subscription (workspace_id, agent_id, event_type, callback_url, signing_secret)"
        " VALUES ($1, $2, 'call_completed', $3, $4)",
        tenant.workspace_id,
        agent_id,
        f"http://127.0.0.1:{receiver.port}/",
        new_signing_secret(),
    )


def _compared(without: Samples, beside: Samples) -> Verdict:
    before_ms, after_ms = without.percentile_ms(0.99), beside.percentile_ms(0.99)
    change = after_ms / before_ms - 1
    return Verdict(
        f"a dead subscriber beside it: p99 from commit to receiver changes by less than {CHANGE_MAX:.0%}",
        f"{before_ms:.0f} ms alone, {after_ms:.0f} ms beside it ({change:+.0%})",
        change < CHANGE_MAX,
    )
