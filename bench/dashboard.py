"""What the pages of a dashboard ask of the server among ten million calls and twenty million attempts, and pages."""

import io
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from bench.figures import Samples, Say, Verdict
from bench.pages import measure_pages
from bench.rows import Tenant, add_campaign, first_tenant, settle_down
from bench.server import Connection, running_server
from bench.sizes import Run
from ringoff.clock import SystemClock
from ringoff.domain.call_table import CallTableFilter
from ringoff.domain.identifiers import ApiKeyId, CallId, CampaignId, WorkspaceId
from ringoff.domain.receipt_filter import ReceiptFilter
from ringoff.domain.workspace import AgentFilter, NumberFilter, Principal
from ringoff.operations import campaign_life, receipts
from ringoff.operations.call_table import call_table
from ringoff.operations.call_timeline import call_timeline
from ringoff.operations.campaign_figures import campaign_figures
from ringoff.operations.directory import directory
from ringoff.operations.list_preview import preview_list
from ringoff.operations.overview import overview, rates_since
from ringoff.store.postgres import PostgresStore

GOAL_MS = 100.0
DAYS = 30
_SLICE = 250_000
_SEED = 11
_LIVE = 2_000
_RECEIPTS = 10_000
_SUPPRESSED = 100_000

# Half of the calls belong to the first campaign and are spread over the month; each other is dialled within two hours.
# Of a call that was answered there are two attempts, of one that failed three.
_CALLS = """
    WITH made AS (
        INSERT INTO contact (workspace_id, campaign_id, called_number, callee_name, custom_args, line_no)
        SELECT $1, $2, '+91' || lpad((n * 7919 % 10000000000)::text, 10, '0'), 'Person ' || n, '{}', n
        FROM generate_series($3::bigint, $4::bigint) AS n
        RETURNING contact_id, called_number, line_no
    ), called AS (
        INSERT INTO call (
            workspace_id, call_id, campaign_id, contact_id, epoch, called_number, status, sub_status, created_at,
            next_attempt_at, last_attempt_at, ended_at, talk_ms
        )
        SELECT $1, (left(ordered_uuid_floor(t.at)::text, 15) || right(gen_random_uuid()::text, 21))::uuid, $2,
            m.contact_id, 0, m.called_number, s.status,
            CASE WHEN s.status = 'retry' THEN 'RETRY_SCHEDULED' ELSE 'FAILED' END,
            t.at, CASE WHEN s.status IN ('registered', 'retry') THEN now() + interval '20 days' END,
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
        RETURNING call_id, status, created_at
    )
    INSERT INTO dial_attempt (
        workspace_id, attempt_id, call_id, campaign_id, trunk_id, owner_id, state, lease_until, calling_number,
        prepared_at, originated_at, answered_at, released_at, disposition, sip_status
    )
    SELECT $1, (left(ordered_uuid_floor(c.created_at)::text, 15) || right(gen_random_uuid()::text, 21))::uuid,
        c.call_id, $2, $7, '00000000-0000-0000-0000-000000000001', 'released', c.created_at, '+12025550100',
        c.created_at, c.created_at, CASE WHEN f.is_answer THEN c.created_at END, c.created_at,
        CASE WHEN f.is_answer THEN 'answered' ELSE 'busy' END, CASE WHEN f.is_answer THEN 200 ELSE 486 END
    FROM called c
    CROSS JOIN LATERAL (
        SELECT CASE c.status WHEN 'completed' THEN 2 WHEN 'failed' THEN 3 WHEN 'retry' THEN 1 ELSE 0 END AS attempts
    ) s
    CROSS JOIN LATERAL generate_series(1, s.attempts) n
    CROSS JOIN LATERAL (SELECT c.status = 'completed' AND n = 2 AS is_answer) f
    ORDER BY 2
"""
_OUTCOMES = """
    INSERT INTO campaign_outcome
    SELECT a.workspace_id, a.campaign_id, w.width_min,
        date_bin(make_interval(mins => w.width_min), a.released_at, 'epoch'), a.disposition,
        count(*), count(a.answered_at), 20000 * count(a.answered_at)
    FROM dial_attempt a
    CROSS JOIN (VALUES (1), (60)) w (width_min)
    WHERE a.disposition IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5
"""
_TALLIES = """
    INSERT INTO campaign_tally
    SELECT c.workspace_id, c.campaign_id, 0, count(*), count(*) FILTER (WHERE c.status <> 'registered'),
        count(*) FILTER (WHERE c.status = 'completed'), count(*) FILTER (WHERE c.status = 'failed'),
        count(*) FILTER (WHERE c.status = 'error'), count(*) FILTER (WHERE c.status = 'cancelled')
    FROM call c
    GROUP BY c.workspace_id, c.campaign_id
"""
_ON_THE_WIRE = """
    WITH talking AS (
        INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, status, last_attempt_at)
        SELECT $1, $2, n, 0, '+9155' || lpad(n::text, 8, '0'), 'ongoing', now() FROM generate_series(1, $4::int) AS n
        RETURNING call_id
    )
    INSERT INTO dial_attempt (
        workspace_id, call_id, campaign_id, trunk_id, owner_id, state, lease_until, calling_number, originated_at
    )
    SELECT $1, t.call_id, $2, $3, gen_random_uuid(), 'originated', now() + interval '1 day', '+12025550100', now()
    FROM talking t
"""
_SECONDS = """
    INSERT INTO workspace_second
    SELECT $1, date_trunc('second', now()) + make_interval(secs => n), 500, 200, 250
    FROM generate_series(-800, 800) AS n
"""
_ORDERS = """
    INSERT INTO termination (
        workspace_id, termination_id, level, selector, reason, state, settled_at, created_at
    )
    SELECT $1, (left(ordered_uuid_floor(t.at)::text, 15) || right(gen_random_uuid()::text, 21))::uuid, 'campaign',
        jsonb_build_object('campaign_id', ($2::uuid[])[1 + n % cardinality($2::uuid[])]), 'reason ' || n, 'settled',
        t.at, t.at
    FROM generate_series(1, $3::int) AS n
    CROSS JOIN LATERAL (SELECT now() - interval '1 hour' - make_interval(mins => n) AS at) t
"""
_LISTED = """
    INSERT INTO suppression (workspace_id, mobile_number)
    SELECT $1, '+9177' || lpad(n::text, 8, '0') FROM generate_series(1, $2::int) AS n
"""

Look = Callable[[], Awaitable[Any]]


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Each page's reads, again and again, each time of other rows where there are many."""
    sizes = run.sizes
    with running_server(run.work_dir / "dashboard") as server:
        async with server.database() as database:
            tenant = await first_tenant(database)
            campaigns = await _filled(database, tenant, sizes.dashboard_campaigns, sizes.dashboard_rows, say)
            call_ids = await _some_calls(database, tenant, sizes.dashboard_rows)
        store = await PostgresStore.connect(server.dsn)
        try:
            principal = Principal(WorkspaceId(tenant.workspace_id), ApiKeyId(uuid4()))
            taken = {}
            for name, look in _looks(store, principal, campaigns, call_ids).items():
                took_s = []
                for n in range(sizes.dashboard_looks + 1):
                    began = time.perf_counter()
                    await look()
                    # The first one finds nothing in any cache.
                    if n:
                        took_s.append(time.perf_counter() - began)
                taken[name] = Samples.of_seconds(took_s)
                say(f"{name}: {taken[name]}")
            await _preview(store, principal, sizes.dashboard_rows // 10, say)
        finally:
            await store.close()
        pages = measure_pages(server, campaigns, call_ids, sizes.dashboard_looks, say)
    return [_verdict(taken), pages]


def _looks(
    store: PostgresStore, principal: Principal, campaigns: Sequence[CampaignId], call_ids: Sequence[CallId]
) -> Mapping[str, Look]:
    dice, clock = random.Random(_SEED), SystemClock()

    async def of_a_small_one() -> None:
        await campaign_figures(store, principal, dice.choice(campaigns[1:]))

    async def of_a_call() -> None:
        await call_timeline(store, principal, dice.choice(call_ids))

    return {
        "overview": lambda: overview(store, principal, clock=clock),
        "rates of the last seconds": lambda: rates_since(store, principal, clock.now() - timedelta(seconds=5)),
        "list of campaigns, 50 with counts": lambda: campaign_life.list_campaigns(store, principal, None, 50),
        "figures of the campaign with half of all calls": lambda: campaign_figures(store, principal, campaigns[0]),
        "figures of a small campaign": of_a_small_one,
        "timeline of a call": of_a_call,
        **_tables(store, principal, campaigns[0], call_ids, dice),
        "agents, numbers, trunks, pools": lambda: directory(store, principal, AgentFilter(), NumberFilter()),
        "receipts": lambda: receipts.search_receipts(store, principal, ReceiptFilter()),
        f"receipts, a text that none of {_RECEIPTS:,} has": lambda: receipts.search_receipts(
            store, principal, ReceiptFilter(text="nowhere")
        ),
    }


def _tables(
    store: PostgresStore, principal: Principal, campaign_id: CampaignId, call_ids: Sequence[CallId], dice: random.Random
) -> Mapping[str, Look]:
    """Pages of the large campaign's table, each from another place on, down and up."""

    def page(direction: str, **wanted: Any) -> Look:
        async def look() -> None:
            place: dict[str, Any] = {direction: dice.choice(call_ids)}
            await call_table(store, principal, CallTableFilter(campaign_id=campaign_id, **wanted, **place))

        return look

    return {
        "table, older": page("below"),
        "table, newer": page("above"),
        "table, status failed, newer": page("above", status="failed"),
        "table, status cancelled, older": page("below", status="cancelled"),
        "table, a sub-status that no call has": page("below", sub_status="RATE_LIMITED"),
        "table, a number that no call has": page("above", called_number="+919999999999"),
    }


async def _filled(
    database: Connection, tenant: Tenant, campaign_count: int, call_count: int, say: Say
) -> Sequence[CampaignId]:
    began, began_at = time.perf_counter(), await database.fetchval("SELECT now() - $1::interval", timedelta(days=DAYS))
    campaigns = [await add_campaign(database, tenant, f"campaign {n}", "ongoing") for n in range(campaign_count)]
    await _add_calls(database, tenant, campaigns[0], call_count // 2, began_at, timedelta(days=DAYS))
    for n, campaign_id in enumerate(campaigns[1:]):
        start_at = began_at + timedelta(days=DAYS) * n / campaign_count
        count = call_count // 2 // (campaign_count - 1)
        await _add_calls(database, tenant, campaign_id, count, start_at, timedelta(hours=2))
    await database.execute(_ON_THE_WIRE, tenant.workspace_id, campaigns[0], tenant.trunk_id, _LIVE)
    await database.execute(_OUTCOMES, timeout=900)
    await database.execute(_TALLIES, timeout=900)
    await database.execute(
        "UPDATE campaign k SET is_tallied = true, total_count = t.registered_count FROM campaign_tally t"
        " WHERE t.campaign_id = k.campaign_id"
    )
    await database.execute(_SECONDS, tenant.workspace_id)
    await database.execute(_ORDERS, tenant.workspace_id, campaigns, _RECEIPTS)
    await database.execute(_LISTED, tenant.workspace_id, _SUPPRESSED)
    await settle_down(database)
    await database.execute("VACUUM (ANALYZE) dial_attempt, campaign_outcome, campaign_tally, termination", timeout=900)
    row = await database.fetchrow(
        "SELECT (SELECT count(*) FROM dial_attempt) AS attempts, (SELECT count(*) FROM campaign_outcome) AS outcomes,"
        " pg_size_pretty(pg_database_size(current_database())) AS size"
    )
    assert row is not None, "counts are always there"
    say(
        f"{call_count:,} calls of {campaign_count:,} campaigns over {DAYS} days, {row['attempts']:,} attempts,"
        f" {row['outcomes']:,} sums of outcomes; the database has {row['size']};"
        f" filled in {time.perf_counter() - began:.0f} s"
    )
    return [CampaignId(campaign_id) for campaign_id in campaigns]


async def _add_calls(
    database: Connection, tenant: Tenant, campaign_id: UUID, count: int, start_at: datetime, span: timedelta
) -> None:
    for first in range(1, count + 1, _SLICE):
        last = min(first + _SLICE - 1, count)
        of = (tenant.workspace_id, campaign_id, first, last, start_at, span / count, tenant.trunk_id)
        await database.execute(_CALLS, *of, timeout=900)


async def _some_calls(database: Connection, tenant: Tenant, row_count: int) -> Sequence[CallId]:
    share = min(100.0, 100.0 * 2_000 / row_count)
    rows = await database.fetch(
        "SELECT call_id FROM call TABLESAMPLE BERNOULLI ($2) WHERE workspace_id = $1 LIMIT 500",
        tenant.workspace_id,
        share,
    )
    return [CallId(row["call_id"]) for row in rows]


async def _preview(store: PostgresStore, principal: Principal, row_count: int, say: Say) -> None:
    """One file, of which some numbers are suppressed: a request that takes as long as its file is."""
    with tempfile.TemporaryFile() as file:
        text = io.TextIOWrapper(file, write_through=True)
        text.write("Mobile Number,Name\n")
        text.writelines(f"+9177{n:08},Person {n}\n" for n in range(1, row_count + 1))
        text.detach()
        file.seek(0)
        began = time.perf_counter()
        preview = await preview_list(store, principal, "+91", {}, file)
    say(
        f"preview of a list of {row_count:,} rows, {preview.suppressed_count:,} of them suppressed:"
        f" {time.perf_counter() - began:.1f} s"
    )


def _verdict(taken: Mapping[str, Samples]) -> Verdict:
    slowest = max(taken, key=lambda name: taken[name].percentile_ms(0.99))
    p99_ms = taken[slowest].percentile_ms(0.99)
    return Verdict(
        f"pages of a dashboard: p99 of each of {len(taken)} looks under {GOAL_MS:.0f} ms",
        f"slowest: {slowest}, {p99_ms:.1f} ms; overview median {taken['overview'].median_ms:.1f} ms",
        p99_ms < GOAL_MS,
    )
