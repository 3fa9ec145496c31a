"""The dial path at full speed on an instant carrier, and what a termination costs beside it."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from bench.figures import Samples, Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import Tenant, add_campaign, add_pending_calls, first_tenant, settle_down, subscribe
from bench.server import Connection, KeptConnection, UnexpectedAnswer, has_lines, running_server, wait_for
from bench.sizes import Run

_PAUSE_S = 0.05
_CALLS_OF_OTHERS = 100
_FIRST_DIAL_S = 30.0


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time while dialling went on."""

    from_ns: int
    until_ns: int
    from_at: datetime
    until_at: datetime

    @property
    def seconds(self) -> float:
        return (self.until_ns - self.from_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests on the wire and calls settled with their event in the outbox; what counts is the smaller one."""

    originated: float
    settled: float

    def __str__(self) -> str:
        return f"{self.originated:,.0f} originated/s, {self.settled:,.0f} settled/s with their outbox event"

    @property
    def dials(self) -> float:
        return min(self.originated, self.settled)


async def measure(run: Run, say: Say) -> list[Verdict]:
    """One campaign of the full size is dialled; a window with nothing else, then one with orders on other campaigns."""
    sizes, wire_log = run.sizes, run.work_dir / "wire.log"
    settings = {"simulated_speed": "1e9", "simulated_wire_log": str(wire_log)}
    with running_server(run.work_dir / "dials", **settings) as server, server.http() as http:
        async with server.database() as database:
            tenant = await first_tenant(database)
            await subscribe(database, tenant)
            await database.execute("UPDATE trunk SET cps_max = 100000, channels_max = 100000")
            others = await _other_campaigns(database, tenant, int(sizes.window_s / _PAUSE_S))
            dialled = await add_campaign(database, tenant, "dialled", "draft")
            await add_pending_calls(database, tenant, dialled, sizes.rows, due_in=-timedelta(minutes=1))
            await settle_down(database)
            await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", dialled)
            await database.execute("SELECT pg_notify('ringoff_due', '')")
            first_dial(wire_log)
            await asyncio.sleep(sizes.warm_up_s)
            before = ProcessorUse.read(server.process.pid, server.postmaster_pid)
            alone, _ = await window(sizes.window_s, None, [])
            used = ProcessorUse.read(server.process.pid, server.postmaster_pid) - before
            beside, orders = await window(sizes.window_s, http, others)
            try:
                stop_s = http.terminate(campaign_id=str(dialled))
            except UnexpectedAnswer as answer:
                raise UnexpectedAnswer(f"{sizes.rows:,} calls were not enough for the two windows") from answer
            rate_alone = await rate_of(database, wire_log, alone)
            rate_beside = await rate_of(database, wire_log, beside)
    say(f"dial path, {sizes.rows:,} calls pending, every call answered, {alone.seconds:.0f} s: {rate_alone}")
    say(used.words(alone.seconds, rate_alone.originated * alone.seconds))
    say(f"the same with {len(orders.values_ms)} terminations of other campaigns beside it: {rate_beside}")
    say(
        f"terminate another campaign under that load: p50 {orders.percentile_ms(0.5):.2f} ms,"
        f" p99 {orders.percentile_ms(0.99):.2f} ms; {orders}"
    )
    say(f"terminate the campaign that is being dialled at that rate, once: {stop_s * 1000:.2f} ms")
    under_load = f"p50 {orders.percentile_ms(0.5):.1f} ms, p99 {orders.percentile_ms(0.99):.1f} ms"
    return [
        Verdict(
            "dial path >= 3,000 dials/s (terminate latency under that load beside it)",
            f"{rate_alone.dials:,.0f} dials/s ({under_load} at {rate_beside.dials:,.0f} dials/s)",
            rate_alone.dials >= 3_000,
        )
    ]


def first_dial(wire_log: Path) -> None:
    """Until something has been dialled."""
    if not wait_for(has_lines(wire_log), _FIRST_DIAL_S, 0.02):
        raise UnexpectedAnswer("nothing was dialled")


async def _other_campaigns(database: Connection, tenant: Tenant, count: int) -> Sequence[UUID]:
    """Small ones, saved but not started, each terminated once."""
    campaigns = [await add_campaign(database, tenant, f"other {n}", "draft") for n in range(count)]
    for campaign_id in campaigns:
        await add_pending_calls(database, tenant, campaign_id, _CALLS_OF_OTHERS)
    return campaigns


async def window(seconds: float, http: KeptConnection | None, others: Sequence[UUID]) -> tuple[Window, Samples]:
    """Let time pass, with an order every now and then. CLOCK_MONOTONIC is the wire log's clock, too."""
    from_ns, from_at = time.monotonic_ns(), datetime.now(UTC)
    left, took = list(others), []
    while (time.monotonic_ns() - from_ns) / 1e9 < seconds:
        if http is not None and left:
            took.append(http.terminate(campaign_id=str(left.pop())))
        await asyncio.sleep(_PAUSE_S)
    return Window(from_ns, time.monotonic_ns(), from_at, datetime.now(UTC)), Samples.of_seconds(took)


async def rate_of(database: Connection, wire_log: Path, window: Window) -> Rate:
    """Counted afterwards, from the carrier's own log and from what was committed, so that counting costs no dial."""
    with wire_log.open("rb") as lines:
        originated = sum(window.from_ns <= json.loads(line)["monotonic_ns"] < window.until_ns for line in lines)
    # An event with an attempt is the end of a dial; those of the sweeper have none.
    settled = await database.fetchval(
        "SELECT count(*) FROM outbox_event WHERE created_at >= $1 AND created_at < $2 AND payload ? 'attempt_id'",
        window.from_at,
        window.until_at,
    )
    return Rate(originated / window.seconds, settled / window.seconds)
