"""Pages of the history among ten million calls, by each filter, and while an order over half of them is unsettled."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from bench.figures import Samples, Say, Verdict
from bench.rows import Tenant, add_campaign, first_tenant, settle_down
from bench.server import Connection, RunningServer, running_server
from bench.sizes import Run
from ringoff.domain.identifiers import AgentId, ApiKeyId, CampaignId, WorkspaceId
from ringoff.domain.records import CallFilter
from ringoff.domain.workspace import Principal
from ringoff.operations import insights
from ringoff.store.postgres import PostgresStore

PAGE_SIZE = 100
DAYS = 30
P99_GOAL_MS = 30.0
_SLICE = 250_000
_SEED = 7
_AGENTS = 20

# Half of the calls belong to the first campaign. Ids and instants are spread over a month, and so is each status.
_CALLS = """
    WITH made AS (
        INSERT INTO contact (workspace_id, campaign_id, called_number, callee_name, custom_args, line_no)
        SELECT $1, ($2::uuid[])[CASE WHEN n % 2 = 0 THEN 1 ELSE 2 + (n / 2) % (cardinality($2::uuid[]) - 1) END],
            '+91' || lpad((n * 7919 % 10000000000)::text, 10, '0'), 'Person ' || n, '{}', n
        FROM generate_series($3::bigint, $4::bigint) AS n
        RETURNING campaign_id, contact_id, called_number, line_no
    )
    INSERT INTO call (
        workspace_id, call_id, campaign_id, contact_id, epoch, called_number, status, sub_status, created_at,
        next_attempt_at, last_attempt_at, ended_at, talk_ms
    )
    SELECT $1, (left(ordered_uuid_floor(t.at)::text, 15) || right(gen_random_uuid()::text, 21))::uuid, m.campaign_id,
        m.contact_id, 0, m.called_number, s.status, 'FAILED', t.at,
        CASE WHEN s.status IN ('registered', 'retry') THEN now() + interval '20 days' END,
        CASE WHEN s.status NOT IN ('registered', 'cancelled') THEN t.at END,
        CASE WHEN s.status IN ('completed', 'failed', 'error', 'cancelled') THEN t.at END,
        CASE WHEN s.status = 'completed' THEN 20000 END
    FROM made m
    CROSS JOIN LATERAL (SELECT $5::timestamptz + $6::interval * m.line_no AS at) t
    CROSS JOIN LATERAL (SELECT m.line_no::bigint * 48271 % 100003 AS dice) d
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN d.dice < 10 THEN 'error' WHEN d.dice < 500 THEN 'retry' WHEN d.dice < 2000 THEN 'cancelled'
            WHEN d.dice < 12000 THEN 'registered' WHEN d.dice < 32000 THEN 'failed' ELSE 'completed'
        END AS status
    ) s
    ORDER BY m.line_no
"""


async def measure(run: Run, say: Say) -> list[Verdict]:
    """The page, its rows and its total in one snapshot, as ``GET /calling/history`` reads them, without HTTP."""
    sizes = run.sizes
    # One call a batch: the order of the second half stays unsettled while it is looked at.
    with running_server(run.work_dir / "history", sweep_batch_max="1") as server:
        async with server.database() as database:
            tenant = await first_tenant(database)
            began_at: datetime = await database.fetchval("SELECT now() - $1::interval", timedelta(days=DAYS))
            agents = [tenant.agent_id, *[await _add_agent(database, tenant) for _ in range(_AGENTS - 1)]]
            campaigns = [
                await add_campaign(database, replace(tenant, agent_id=agents[n % _AGENTS]), f"campaign {n}", "ongoing")
                for n in range(sizes.history_campaigns)
            ]
            filled_s = await _fill(database, tenant, campaigns, sizes.history_rows, began_at)
            await settle_down(database)
            size = await database.fetchval("SELECT pg_size_pretty(pg_database_size(current_database()))")
            say(
                f"{sizes.history_rows:,} calls of {sizes.history_campaigns} campaigns and {_AGENTS} agents over"
                f" {DAYS} days; the database has {size}; filled in {filled_s:.0f} s"
            )
            filters = _filters(agents, campaigns)
            settled = await _pages(server, tenant, filters, began_at, sizes.history_pages, say)
            with server.http() as http:
                http.terminate(campaign_id=str(campaigns[0]))
            say("after an order over the campaign that has half of the calls, before its rows are settled:")
            fenced = await _pages(server, tenant, filters, began_at, sizes.history_pages, say)
    return [_verdict(settled, "settled"), _verdict(fenced, "behind an unsettled fence")]


def _filters(agents: Sequence[UUID], campaigns: Sequence[UUID]) -> Mapping[str, CallFilter]:
    plain = CallFilter(limit=PAGE_SIZE)
    agent, campaign = (AgentId(agents[1]),), CampaignId(campaigns[1])
    large = CampaignId(campaigns[0])
    by_status = {
        f"status {status}": replace(plain, status=status)
        for status in ("registered", "ongoing", "retry", "completed", "failed", "error", "cancelled")
    }
    return {
        "no filter": plain,
        "offset 10,000": replace(plain, offset=insights.OFFSET_MAX),
        "agent": replace(plain, agent_ids=agent),
        "campaign": replace(plain, campaign_id=campaign),
        "campaign with half of all calls": replace(plain, campaign_id=large),
        **by_status,
        "agent, status failed": replace(plain, agent_ids=agent, status="failed"),
        "agent, status error": replace(plain, agent_ids=agent, status="error"),
        "campaign, status completed": replace(plain, campaign_id=campaign, status="completed"),
        "large campaign, status registered": replace(plain, campaign_id=large, status="registered"),
        "large campaign, status cancelled": replace(plain, campaign_id=large, status="cancelled"),
        "large campaign, status error": replace(plain, campaign_id=large, status="error"),
    }


async def _pages(
    server: RunningServer,
    tenant: Tenant,
    filters: Mapping[str, CallFilter],
    began_at: datetime,
    page_count: int,
    say: Say,
) -> dict[str, Samples]:
    """Each page ends at another moment of the month, so that it is another page."""
    dice = random.Random(_SEED)
    principal = Principal(WorkspaceId(tenant.workspace_id), ApiKeyId(uuid4()))
    store = await PostgresStore.connect(server.dsn)
    taken: dict[str, Samples] = {}
    try:
        for name, wanted in filters.items():
            took_s = []
            for n in range(page_count + 1):
                end_at = began_at + timedelta(days=DAYS) * dice.uniform(0.05, 1)
                began = time.perf_counter()
                await insights.history(store, principal, replace(wanted, end_at=end_at))
                # The first one finds nothing in any cache; it is not a page like the others.
                if n:
                    took_s.append(time.perf_counter() - began)
            taken[name] = Samples.of_seconds(took_s)
            say(f"{name}: {taken[name]}")
    finally:
        await store.close()
    return taken


async def _fill(
    database: Connection, tenant: Tenant, campaigns: Sequence[UUID], count: int, began_at: datetime
) -> float:
    began, step = time.perf_counter(), timedelta(days=DAYS) / count
    for first in range(1, count + 1, _SLICE):
        last = min(first + _SLICE - 1, count)
        await database.execute(_CALLS, tenant.workspace_id, campaigns, first, last, began_at, step, timeout=600)
    return time.perf_counter() - began


async def _add_agent(database: Connection, tenant: Tenant) -> UUID:
    agent_id: UUID = await database.fetchval(
        "INSERT INTO agent (workspace_id, display_name, agent_type, primary_language)"
        " VALUES ($1, 'agent', 'outbound', 'en-US') RETURNING agent_id",
        tenant.workspace_id,
    )
    return agent_id


def _verdict(taken: Mapping[str, Samples], when: str) -> Verdict:
    slowest = max(taken, key=lambda name: taken[name].percentile_ms(0.99))
    p99_ms = taken[slowest].percentile_ms(0.99)
    return Verdict(
        f"a page of {PAGE_SIZE} of the history, {when}: p99 of each of {len(taken)} filters under {P99_GOAL_MS:.0f} ms",
        f"slowest: {slowest}, {p99_ms:.1f} ms; median of no filter {taken['no filter'].median_ms:.1f} ms",
        p99_ms < P99_GOAL_MS,
    )
