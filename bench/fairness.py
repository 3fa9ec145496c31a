"""How long a campaign of ten waits beside one of ten, a thousand and a million, and what weights come to."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bench.figures import Samples, Say, Verdict
from bench.rows import Tenant, add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import Connection, UnexpectedAnswer, running_server
from bench.sizes import Run

SMALL = 10
WEIGHTS = (10, 30)
WAIT_MAX_TIMES = 3.0
"""Beside one other of the same weight the pace is halved; and the first tick may be the other's."""
SHARE_OFF_MAX = 0.05
_PATIENCE_S = 60.0


async def measure(run: Run, say: Say) -> list[Verdict]:
    """One trunk whose pace is scarce. A wait goes from the commit that starts the ten to the tenth on the wire."""
    sizes = run.sizes
    settings = {"simulated_speed": "1e9", "log_level": "warning"}
    waits: dict[int, Samples] = {}
    with running_server(run.work_dir / "fairness", **settings) as server:
        async with server.database() as database:
            tenant = await first_tenant(database)
            await database.execute("UPDATE trunk SET cps_max = $1, channels_max = 100000", sizes.fair_cps)
            for backlog in (0, sizes.small_rows, sizes.rows):
                big = await _started(database, tenant, backlog) if backlog else None
                waits[backlog] = await _waits(database, tenant, sizes.fair_looks)
                beside = f"beside one of {backlog:,}" if backlog else "alone"
                say(f"ten calls {beside}, trunk of {sizes.fair_cps:g} calls/s: {waits[backlog]}")
                if big is not None:
                    await database.execute("UPDATE campaign SET status = 'paused' WHERE campaign_id = $1", big)
            counts = await _by_weight(database, tenant, sizes.fair_window_s, sizes.fair_cps)
    light, heavy = counts
    words = f"{light:,} and {heavy:,} calls in {sizes.fair_window_s:g} s with weights {WEIGHTS[0]} and {WEIGHTS[1]}"
    say(words)
    alone, few, many = (waits[backlog].median_ms for backlog in (0, sizes.small_rows, sizes.rows))
    part, due = heavy / max(light + heavy, 1), WEIGHTS[1] / sum(WEIGHTS)
    return [
        Verdict(
            f"a campaign of 10 beside one of {sizes.rows:,} takes at most {WAIT_MAX_TIMES:g} times as long as alone",
            f"{many:,.0f} ms, {few:,.0f} ms beside {sizes.small_rows:,}, {alone:,.0f} ms alone (medians)",
            many <= WAIT_MAX_TIMES * alone,
        ),
        Verdict(
            f"weights {WEIGHTS[0]}:{WEIGHTS[1]} are kept within {SHARE_OFF_MAX:.0%}",
            f"{words}: {part:.1%} of {due:.1%}",
            abs(part - due) <= SHARE_OFF_MAX * due,
        ),
    ]


async def _started(database: Connection, tenant: Tenant, count: int) -> UUID:
    """Enough that it does not end while it is needed: a campaign that is through has no backlog."""
    campaign_id = await add_campaign(database, tenant, f"{count} calls", "draft")
    await add_pending_calls(database, tenant, campaign_id, count, due_in=-timedelta(minutes=1))
    await settle_down(database)
    await _start(database, campaign_id)
    return campaign_id


async def _start(database: Connection, campaign_id: UUID) -> None:
    await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", campaign_id)
    await database.execute("SELECT pg_notify('ringoff_due', '')")


async def _waits(database: Connection, tenant: Tenant, count: int) -> Samples:
    """By the database's clock, so nobody has to look at the right moment."""
    took = []
    for n in range(count):
        campaign_id = await add_campaign(database, tenant, f"small {n}", "draft")
        await add_pending_calls(database, tenant, campaign_id, SMALL, due_in=-timedelta(minutes=1))
        started_at = await database.fetchval("SELECT clock_timestamp()")
        await _start(database, campaign_id)
        async with asyncio.timeout(_PATIENCE_S):
            took.append((await _tenth_at(database, tenant, campaign_id) - started_at).total_seconds())
    return Samples.of_seconds(took)


async def _tenth_at(database: Connection, tenant: Tenant, campaign_id: UUID) -> datetime:
    while True:
        last_at: datetime | None = await database.fetchval(
            "SELECT max(a.originated_at) FROM call c JOIN dial_attempt a USING (workspace_id, call_id)"
            " WHERE c.workspace_id = $1 AND c.campaign_id = $2 HAVING count(a.originated_at) = $3",
            tenant.workspace_id,
            campaign_id,
            SMALL,
        )
        if last_at is not None:
            return last_at
        await asyncio.sleep(0.05)


async def _by_weight(database: Connection, tenant: Tenant, seconds: float, cps: float) -> Sequence[int]:
    """Attempts of two campaigns that both have calls due for the whole window."""
    campaigns = []
    for weight in WEIGHTS:
        campaign_id = await add_campaign(database, tenant, f"weight {weight}", "draft")
        await add_pending_calls(
            database, tenant, campaign_id, round(cps * seconds * 3) + SMALL, due_in=-timedelta(minutes=1)
        )
        await database.execute(
            "INSERT INTO campaign_share (workspace_id, campaign_id, weight, concurrency_percentage)"
            " VALUES ($1, $2, $3, 100)",
            tenant.workspace_id,
            campaign_id,
            weight,
        )
        campaigns.append(campaign_id)
    for campaign_id in campaigns:
        await _start(database, campaign_id)
    await asyncio.sleep(seconds / 5)
    before = [await _attempts(database, tenant, campaign_id) for campaign_id in campaigns]
    await asyncio.sleep(seconds)
    counts = [await _attempts(database, tenant, campaign_id) for campaign_id in campaigns]
    if counts == before:
        raise UnexpectedAnswer("nothing was dialled")
    return [now - then for now, then in zip(counts, before, strict=True)]


async def _attempts(database: Connection, tenant: Tenant, campaign_id: UUID) -> int:
    count: int = await database.fetchval(
        "SELECT count(*) FROM dial_attempt WHERE workspace_id = $1 AND campaign_id = $2",
        tenant.workspace_id,
        campaign_id,
    )
    return count
