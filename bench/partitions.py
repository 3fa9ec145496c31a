"""What partitions cost: a server with tables of one piece and one with a year of months, side by side, in turns."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from bench.dials import first_dial, rate_of, window
from bench.figures import Samples, Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import NUMBER_STRIDE, Tenant, add_campaign, add_pending_calls, first_tenant, settle_down, subscribe
from bench.server import Connection, KeptConnection, RunningServer, running_server
from bench.sizes import Run, Sizes
from bench.terminate import WARM_UP_ORDERS, put_back
from ringoff.store.embedded import EmbeddedPostgres
from ringoff.store.migrate import apply_migrations, shipped_migrations
from ringoff.store.migration_files import RUNS_FROM
from ringoff.store.postgres import connect_once

_MONTHS_BACK = 12
_TURNS = 2
_EARLIER = """
    SELECT make_partition(t.name, p.at, next_period(p.at))
    FROM partitioned_tables() t
    CROSS JOIN LATERAL (
        SELECT period_floor(now() - make_interval(months => n)) AS at FROM generate_series(1, $1::int) AS n
    ) p
"""
# As if a hundredth of the calls of each earlier month had not been dropped: ended long ago.
_ENDED = """
    INSERT INTO call (
        workspace_id, call_id, campaign_id, contact_id, epoch, called_number, status, last_attempt_at, ended_at
    )
    SELECT $1, (left(ordered_uuid_floor(t.at)::text, 15) || right(gen_random_uuid()::text, 21))::uuid, $2, n, 0,
        '+91' || lpad((n % 1000000)::text, 6, '0') || '0002', 'completed', now(), now()
    FROM generate_series(1, $3::int) AS n
    CROSS JOIN LATERAL (SELECT now() - make_interval(days => 31 + n % 330) AS at) t
"""
_COUNTED = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'call'::regclass"


@dataclass(slots=True)
class _Side:
    """One of the two servers, with the same rows as the other."""

    name: str
    server: RunningServer
    database: Connection
    http: KeptConnection
    tenant: Tenant
    wire_log: Path
    ordered: UUID
    dialled: UUID
    orders_s: list[float] = field(default_factory=list)
    numbers_s: list[float] = field(default_factory=list)
    dials: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Orders alternate one by one, dialling window by window: whatever else the machine does meets both alike."""
    async with AsyncExitStack() as stack:
        plain = await _side(stack, run, "one piece", is_plain=True)
        parted = await _side(stack, run, "partitions", is_plain=False)
        sides = (plain, parted)
        say(f"{run.sizes.rows:,} pending calls each; {await parted.database.fetchval(_COUNTED)} partitions of calls")
        for _ in range(WARM_UP_ORDERS + run.sizes.orders):
            for side in sides:
                side.orders_s.append(side.http.terminate(campaign_id=str(side.ordered)))
                await put_back(side.database, side.ordered)
        for turn in range(run.sizes.number_orders):
            for side in sides:
                side.numbers_s.append(side.http.terminate(mobile_numbers=_numbers(turn, run.sizes)))
        for _ in range(_TURNS):
            for side in sides:
                await _dial(side, run.sizes)
    return _verdicts(sides, run.sizes, say)


def _verdicts(sides: tuple[_Side, _Side], sizes: Sizes, say: Say) -> list[Verdict]:
    ratios: dict[str, list[float]] = {}
    for side in sides:
        orders = Samples.of_seconds(side.orders_s[WARM_UP_ORDERS:])
        numbers = Samples.of_seconds(side.numbers_s)
        say(f"{side.name}: terminate a campaign {orders}")
        say(f"{side.name}: terminate {sizes.numbers} numbers {numbers}")
        dials, cpu_us = max(side.dials), min(side.cpu_us)
        say(f"{side.name}: {dials:,.0f} dials/s, {cpu_us:.0f} us of processor time each (best of {len(side.dials)})")
        for name, value in (
            ("terminate a campaign, median", orders.median_ms),
            (f"terminate {sizes.numbers} numbers, median", numbers.median_ms),
            ("processor time of a dial", cpu_us),
        ):
            ratios.setdefault(name, []).append(value)
    return [
        Verdict(f"partitions / one piece: {name} <= 1.3 x", f"{parted / plain:.2f} x", parted <= 1.3 * plain)
        for name, (plain, parted) in ratios.items()
    ]


async def _side(stack: AsyncExitStack, run: Run, name: str, *, is_plain: bool) -> _Side:
    data_dir = run.work_dir / name.replace(" ", "_")
    if is_plain:
        await _make_plain(data_dir)
    wire_log = data_dir.with_suffix(".wire")
    settings = {"simulated_speed": "1e9", "simulated_wire_log": str(wire_log), "sweep_batch_max": "1"}
    # A busy machine may take longer than a tenth of a second from a claim to its request.
    settings |= {"slot_ttl_ms": "1000", "permit_ttl_ms": "900"}
    migrate = "never" if is_plain else "auto"
    server = stack.enter_context(running_server(data_dir, migrate=migrate, **settings))
    http = stack.enter_context(server.http())
    database = await stack.enter_async_context(server.database())
    tenant = await first_tenant(database)
    await subscribe(database, tenant)
    await database.execute("UPDATE trunk SET cps_max = 100000, channels_max = 100000")
    if not is_plain:
        await database.execute(_EARLIER, _MONTHS_BACK)
    past = await add_campaign(database, tenant, "past", "draft")
    await database.execute(_ENDED, tenant.workspace_id, past, run.sizes.rows // 10, timeout=600)
    # Saved, but not started: an order ends it all the same, and nobody dials it.
    ordered = await add_campaign(database, tenant, "ordered", "draft")
    dialled = await add_campaign(database, tenant, "dialled", "draft")
    await add_pending_calls(database, tenant, ordered, run.sizes.rows)
    await add_pending_calls(database, tenant, dialled, run.sizes.rows, due_in=-timedelta(minutes=1))
    await settle_down(database)
    return _Side(name, server, database, http, tenant, wire_log, ordered, dialled)


async def _make_plain(data_dir: Path) -> None:
    """A database of the release before, which its server leaves as it is."""
    postgres = EmbeddedPostgres(data_dir)
    connection = await connect_once(await postgres.start())
    try:
        await apply_migrations(connection, shipped_migrations()[:RUNS_FROM])
    finally:
        await connection.close()
        await postgres.stop()


def _numbers(turn: int, sizes: Sizes) -> list[str]:
    """Fresh ones each time, from all over the list: their calls are cancelled for good."""
    places = range(turn + 1, sizes.rows, sizes.rows // sizes.numbers)
    return [f"+91{n * NUMBER_STRIDE % 1_000_000:06}0001" for n in places][: sizes.numbers]


async def _dial(side: _Side, sizes: Sizes) -> None:
    side.wire_log.write_bytes(b"")
    await side.database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", side.dialled)
    await side.database.execute("SELECT pg_notify('ringoff_due', '')")
    first_dial(side.wire_log)
    await asyncio.sleep(sizes.warm_up_s)
    before = ProcessorUse.read(side.server.process.pid, side.server.postmaster_pid)
    stretch, _ = await window(sizes.window_s, None, [])
    used = ProcessorUse.read(side.server.process.pid, side.server.postmaster_pid) - before
    await side.database.execute("UPDATE campaign SET status = 'paused' WHERE campaign_id = $1", side.dialled)
    rate = await rate_of(side.database, side.wire_log, stretch)
    side.dials.append(rate.dials)
    side.cpu_us.append((used.server_s + used.postgres_s) / (rate.originated * stretch.seconds) * 1e6)
