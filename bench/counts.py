"""What the counts of a campaign of a million calls cost, before an order and behind its unsettled fence."""

import time
from typing import Any
from uuid import UUID

from bench.figures import Samples, Say, Verdict
from bench.rows import add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import Connection, KeptConnection, UnexpectedAnswer, running_server
from bench.sizes import Run

GOAL_MS = 10.0
LISTED = "/ca/api/v0/campaign/all?call_count=true"
# As every version before this one has counted.
_ONE_BY_ONE = "SELECT status, count(*) FROM call_effective WHERE campaign_id = $1 GROUP BY status"
_LOOKS = 3


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Both routes that show counts, end to end; and the same calls counted one by one in the same database."""
    # One call a batch: the order stays unsettled while it is looked at.
    with running_server(run.work_dir / "counts", sweep_batch_max="1") as server, server.http() as http:
        async with server.database() as database:
            tenant = await first_tenant(database)
            campaign_id = await add_campaign(database, tenant, "large", "ongoing")
            await add_pending_calls(database, tenant, campaign_id, run.sizes.rows)
            await settle_down(database)
            counted = await _one_by_one(database, campaign_id)
            say(f"{run.sizes.rows:,} calls counted one by one: {counted}")
            before = _asked(http, campaign_id, run.sizes.orders, registered=run.sizes.rows)
            http.terminate(campaign_id=str(campaign_id))
            after = _asked(http, campaign_id, run.sizes.orders, registered=0)
            counted_after = await _one_by_one(database, campaign_id)
            say(f"behind an unsettled fence, one by one: {counted_after}")
    for when, samples in (("started", before), ("behind an unsettled fence", after)):
        say(f"{when}: GET /campaign/all {samples[0]}; GET /api/v1/campaigns/{{id}} {samples[1]}")
    slowest = max(before + after, key=lambda samples: samples.median_ms)
    return [
        Verdict(
            f"counts of a campaign of {run.sizes.rows:,} calls, before and after an order: median < {GOAL_MS:.0f} ms",
            f"{slowest.median_ms:.2f} ms, p99 {slowest.percentile_ms(0.99):.2f} ms"
            f" (one by one {counted.median_ms:,.0f} and {counted_after.median_ms:,.0f} ms)",
            slowest.median_ms < GOAL_MS,
        )
    ]


def _asked(http: KeptConnection, campaign_id: UUID, count: int, *, registered: int) -> list[Samples]:
    listed, read = [], []
    for _ in range(count):
        took_s, page = http.send("GET", LISTED)
        _require(page["campaigns"][0]["registered_count"], registered)
        listed.append(took_s)
        took_s, shown = http.send("GET", f"/api/v1/campaigns/{campaign_id}")
        _require(shown["counts"]["registered"], registered)
        read.append(took_s)
    return [Samples.of_seconds(listed), Samples.of_seconds(read)]


def _require(shown: Any, expected: int) -> None:
    if shown != expected:
        raise UnexpectedAnswer(f"{shown} calls are said to be registered, not {expected}")


async def _one_by_one(database: Connection, campaign_id: UUID) -> Samples:
    took_s = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        await database.fetch(_ONE_BY_ONE, campaign_id)
        took_s.append(time.perf_counter() - began)
    return Samples.of_seconds(took_s)
