"""Hot statements keep using their indexes: plans are looked at on a database with many calls."""

from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringoff.domain.call import CallStatus
from ringoff.domain.identifiers import CallId
from ringoff.domain.records import CallFilter
from ringoff.store.history import count_statements, page_statement
from ringoff.store.partitions import span_of
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.support.plans import (
    EARLIER_PARTITIONS,
    flattened,
    indexes,
    kept_plan,
    plan,
    reads_whole,
    tree,
    without_autovacuum,
)
from tests.support.world import World

pytestmark = pytest.mark.anyio

DISPATCH, ORDERS, SWEEP = load("dispatch"), load("terminations"), load("sweep")
COVERAGE, RULES, CALLBACKS = load("coverage"), load("invariants"), load("callbacks")
SHARES = load("fair_share")
# The indexes of the two big tables that a look of the watch may use, and what must narrow each of them.
NARROWED_BY = {
    "call_pkey": "call_id",
    "call_due": "campaign_id",
    "call_by_termination": "termination_id",
    "dial_attempt_pkey": "attempt_id",
    "dial_attempt_by_call": "call_id",
    # As small as what is on the wire.
    "call_ongoing": "",
    "dial_attempt_live": "",
    "one_live_attempt_per_call": "",
}


YESTERDAY = """
    INSERT INTO call (
        workspace_id, call_id, campaign_id, contact_id, epoch, called_number, status, last_attempt_at, ended_at
    )
    SELECT $1, (left(ordered_uuid_floor(t.at)::text, 15) || right(gen_random_uuid()::text, 21))::uuid,
        coalesce($2::uuid, md5((n % 200)::text)::uuid), n, 0,
        '+1303' || lpad(n::text, 7, '0'), 'completed', now(), now()
    FROM generate_series(1, 20000) AS n
    CROSS JOIN LATERAL (SELECT now() - make_interval(days => n % 80) AS at) t
"""
LAST_WEEK = """
    INSERT INTO dial_attempt (
        workspace_id, attempt_id, call_id, campaign_id, trunk_id, owner_id, state, lease_until, calling_number,
        prepared_at, originated_at, released_at, disposition
    )
    SELECT c.workspace_id, (left(ordered_uuid_floor(t.at)::text, 15) || right(gen_random_uuid()::text, 21))::uuid,
        c.call_id, c.campaign_id, $2, gen_random_uuid(), f.state, t.at, '+12025550100', t.at, t.at, t.at, f.disposition
    FROM call c
    CROSS JOIN (SELECT now() - interval '7 days' AS at) t
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.contact_id % 100 = 0 THEN 'indeterminate' ELSE 'released' END AS state,
            CASE WHEN c.contact_id % 100 = 0 THEN 'indeterminate' ELSE 'answered' END AS disposition
    ) f
    WHERE c.workspace_id = $1 AND c.status = 'completed'
"""
LISTED = """
    INSERT INTO suppression (workspace_id, mobile_number)
    SELECT $1, '+44' || lpad(n::text, 9, '0') FROM generate_series(1, 5000) AS n
"""
ENDED = """
    INSERT INTO campaign (workspace_id, agent_id, trunk_id, name, kind, status, call_config, calling_numbers)
    SELECT $1, $2, $3, 'over', 'list', 'completed', '{}', '{}' FROM generate_series(1, 5000)
"""
TODAY = """
    INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)
    SELECT $1, $2, n, 0, '+1202' || lpad(n::text, 7, '0'), now() FROM generate_series(1, 20000) AS n
"""


STATISTICS = ("fresh statistics", "statistics from when nothing was pending")


@pytest.fixture(params=STATISTICS)
async def crowd(request: pytest.FixtureRequest, store: PostgresStore) -> World:
    """20,000 pending calls in one campaign, and as many of another that have ended."""
    return await made_crowd(store, uuid4(), is_fresh=request.param == STATISTICS[0])


@pytest.fixture(params=STATISTICS)
async def crowd_of_campaigns(request: pytest.FixtureRequest, store: PostgresStore) -> World:
    """What has ended was of two hundred: over a single one PostgreSQL 18 may skip in any index that begins with it."""
    return await made_crowd(store, None, is_fresh=request.param == STATISTICS[0])


async def made_crowd(store: PostgresStore, ended_campaign: UUID | None, *, is_fresh: bool) -> World:
    world = await World.make(store)
    campaign_id = await world.campaign(["+12025550111"])
    async with store.transaction() as tx:
        await tx.connection.execute(EARLIER_PARTITIONS)
        await without_autovacuum(tx.connection, "call")
        await tx.connection.execute(YESTERDAY, world.workspace_id, ended_campaign)
        await tx.connection.execute("ANALYZE")
        await tx.connection.execute(TODAY, world.workspace_id, campaign_id)
        if is_fresh:
            await tx.connection.execute("ANALYZE")
    return world


def reads_too_much(nodes: list[dict[str, Any]]) -> list[str]:
    """What of the two big tables a plan reads beyond the rows that it asks for."""
    big = [node for node in nodes if node.get("Relation Name") in ("call", "dial_attempt")]
    return [
        f"{node['Node Type']} {node.get('Index Name', node['Relation Name'])} {node.get('Index Cond', '')}"
        for node in big
        if node.get("Index Name") not in NARROWED_BY
        or NARROWED_BY[node["Index Name"]] not in node.get("Index Cond", "")
    ]


async def test_the_claim_walks_the_due_index_and_sorts_nothing(crowd: World) -> None:
    nodes = await plan(
        crowd.store,
        DISPATCH["claim"],
        crowd.workspace_id,
        crowd.campaigns[0],
        0,
        crowd.trunk_id,
        uuid4(),
        ["+12025550100"],
        50,
        15.0,
        None,
        0,
        crowd.agent_id,
        # As lock_trunk leaves it.
        steer="SELECT set_config('enable_sort', 'off', true)",
    )
    assert "call_due" in indexes(nodes)
    assert not reads_whole(nodes, "call")
    assert not [node for node in nodes if node["Node Type"] in ("Sort", "Incremental Sort")]
    assert "suppression_pkey" in indexes(nodes), "one look for each call that is claimed"
    assert not reads_whole(nodes, "suppression")


async def test_what_campaigns_use_of_a_trunk_is_counted_among_what_is_live(crowd: World) -> None:
    async with crowd.store.transaction() as tx:
        await tx.connection.execute(LAST_WEEK, crowd.workspace_id, crowd.trunk_id)
    nodes = await plan(crowd.store, SHARES["live"], crowd.workspace_id, crowd.trunk_id)
    assert "dial_attempt_live" in indexes(nodes)
    assert not reads_whole(nodes, "dial_attempt")


async def test_shares_are_read_for_what_is_dialled_and_not_for_all_that_ever_was(crowd: World) -> None:
    async with crowd.store.transaction() as tx:
        await tx.connection.execute(ENDED, crowd.workspace_id, crowd.agent_id, crowd.trunk_id)
        await tx.connection.execute("INSERT INTO campaign_share SELECT workspace_id, campaign_id, 20, 50 FROM campaign")
        await tx.connection.execute("ANALYZE campaign, campaign_share")
    nodes = await plan(crowd.store, SHARES["ongoing"])
    assert {"campaign_started", "campaign_share_pkey"} <= indexes(nodes)
    assert not reads_whole(nodes, "campaign")
    assert not reads_whole(nodes, "campaign_share")


async def test_looking_for_work_reads_one_entry_of_the_due_index(crowd: World) -> None:
    nodes = await plan(crowd.store, load("work")["work"], None, [], 1_000, [], [], [])
    assert "call_due" in indexes(nodes)
    assert not reads_whole(nodes, "call")
    filters = [node.get("Filter", "") for node in nodes if node.get("Relation Name") == "campaign"]
    assert any("hashed SubPlan" in each for each in filters), "what is closed is not searched for in a list"


async def test_an_order_for_a_campaign_probes_the_due_index(crowd: World) -> None:
    nodes = await plan(crowd.store, ORDERS["probe_campaign"], crowd.workspace_id, crowd.campaigns[0], None)
    assert "call_due" in indexes(nodes)
    assert not reads_whole(nodes, "call")


async def test_a_permit_finds_its_calls_by_their_key(crowd: World) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [uuid4() for _ in range(50)]
    nodes = await plan(
        crowd.store,
        DISPATCH["permit"],
        crowd.workspace_id,
        crowd.campaigns[0],
        crowd.agent_id,
        0,
        uuid4(),
        ids,
        ids,
        [now] * 50,
        15.0,
        None,
        *span_of([CallId(each) for each in ids]),
    )
    assert {name for name in indexes(nodes) if name.startswith("call_")} == {"call_pkey"}
    assert "suppression_pkey" in indexes(nodes)
    assert not reads_whole(nodes, "call")
    assert not reads_whole(nodes, "suppression")


async def test_numbers_are_found_by_the_index_of_open_calls(crowd: World) -> None:
    numbers = [f"+1202{n:07}" for n in range(1, 101)]
    nodes = await plan(crowd.store, ORDERS["covered_by_numbers"], crowd.workspace_id, numbers, None, None, 2_001)
    assert "call_open_by_number" in indexes(nodes)
    assert not reads_whole(nodes, "call")


async def test_the_sweeper_walks_the_due_index(crowd: World) -> None:
    nodes = await plan(crowd.store, SWEEP["sweep_campaign"], crowd.workspace_id, crowd.campaigns[0], 0, uuid4(), 5_000)
    assert "call_due" in indexes(nodes)
    assert not reads_whole(nodes, "call")


async def test_an_order_for_an_agent_probes_each_campaign(crowd: World) -> None:
    nodes = await plan(crowd.store, ORDERS["probe_agent"], crowd.workspace_id, crowd.agent_id)
    assert "call_due" in indexes(nodes)
    nodes = await plan(crowd.store, ORDERS["fence_agent"], crowd.workspace_id, crowd.agent_id, uuid4())
    assert {"call_due", "call_ongoing"} <= indexes(nodes)
    assert not reads_whole(nodes, "call")
    assert not [node for node in nodes if node["Node Type"] in ("Hash Join", "Merge Join")]


@pytest.mark.parametrize("name", ["probe_numbers", "sweep_numbers", "close_number_fence"])
async def test_what_number_fences_ask_uses_the_index_of_open_calls(crowd: World, name: str) -> None:
    arguments: dict[str, list[object]] = {
        "probe_numbers": [["+12020000001"], None, None],
        "sweep_numbers": [uuid4(), 5_000],
        "close_number_fence": [uuid4()],
    }
    nodes = await plan(crowd.store, {**ORDERS, **SWEEP}[name], crowd.workspace_id, *arguments[name])
    assert "call_open_by_number" in indexes(nodes)
    assert "call_due" not in indexes(nodes)
    assert not reads_whole(nodes, "call")


@pytest.mark.parametrize("name", ["finish_done", "past_end"])
async def test_the_campaign_clock_probes_the_due_index(crowd: World, name: str) -> None:
    arguments = [None] if name == "past_end" else []
    nodes = await plan(crowd.store, load("campaign_clock")[name], *arguments)
    assert "call_due" in indexes(nodes)
    assert not reads_whole(nodes, "call")
    assert not [node for node in nodes if "Join" in node["Node Type"] or "Anti" in node.get("Join Type", "")]


async def test_rows_are_cancelled_by_their_keys(crowd_of_campaigns: World) -> None:
    ids = [uuid4() for _ in range(50)]
    order: tuple[object, ...] = (
        crowd_of_campaigns.workspace_id,
        None,
        "calls",
        {},
        None,
        None,
        "hangup",
        False,
        0,
        ids,
        ids,
        ids,
    )
    span = span_of([CallId(each) for each in ids])
    nodes = await plan(crowd_of_campaigns.store, ORDERS["cancel_rows"], *order, *span)
    assert {name for name in indexes(nodes) if name.startswith("call_")} == {"call_pkey"}
    assert not reads_whole(nodes, "call")
    assert not reads_whole(nodes, "dial_attempt")


async def test_what_is_on_the_wire_is_found_by_small_indexes(crowd: World) -> None:
    campaign = (crowd.workspace_id, crowd.campaigns[0], True, None)
    agent = (crowd.workspace_id, crowd.agent_id, True)
    numbers = (crowd.workspace_id, [f"+1202{n:07}" for n in range(1, 101)], True, None, None)
    for name, arguments in (("ongoing_of_campaign", campaign), ("ongoing_of_agent", agent)):
        nodes = await plan(crowd.store, ORDERS[name], *arguments)
        assert {used for used in indexes(nodes) if used.startswith("call_")} == {"call_ongoing"}
        assert not reads_whole(nodes, "call")
    async with crowd.store.transaction() as tx:
        # Over a single campaign any index is as good.
        await tx.connection.execute(ENDED, crowd.workspace_id, crowd.agent_id, crowd.trunk_id)
        await tx.connection.execute("ANALYZE campaign")
    nodes = await plan(crowd.store, ORDERS["ongoing_of_numbers"], *numbers)
    assert {used for used in indexes(nodes) if used.startswith("call_")} == {"call_pkey"}
    assert indexes(nodes) - {"call_pkey", "campaign_pkey"} <= {"dial_attempt_live", "one_live_attempt_per_call"}
    assert not reads_whole(nodes, "dial_attempt")


@pytest.mark.parametrize("level", ["campaign", "agent"])
async def test_a_preview_counts_in_indexes_alone(crowd: World, level: str) -> None:
    of = (crowd.campaigns[0], None) if level == "campaign" else (None, crowd.agent_id)
    nodes = await plan(crowd.store, COVERAGE["open_by_campaign"], crowd.workspace_id, *of, of_a_request=True)
    of_calls = {(node["Node Type"], node.get("Index Name")) for node in nodes if node.get("Relation Name") == "call"}
    # In a month of which nothing is pending any more, two of these are empty, and one does as well as the other.
    assert of_calls - {("Index Only Scan", "call_waiting")} == {
        ("Index Only Scan", "call_due"),
        ("Index Only Scan", "call_in_retry"),
        ("Index Only Scan", "call_ongoing"),
    }


async def test_who_shows_a_number_is_looked_for_among_what_is_open(crowd: World) -> None:
    await crowd.individual_call("+12025550112")
    number = (crowd.workspace_id, "+12025550100")
    nodes = await plan(crowd.store, COVERAGE["individual_call_shows"], *number, of_a_request=True)
    assert indexes(nodes) >= {"call_due", "call_ongoing"}
    assert not reads_whole(nodes, "call")


async def test_who_shows_a_pool_is_found_among_what_is_open(crowd: World) -> None:
    nodes = await plan(crowd.store, COVERAGE["pool_shows"], crowd.workspace_id, uuid4(), of_a_request=True)
    of_calls = {(node["Node Type"], node.get("Index Name")) for node in nodes if node.get("Relation Name") == "call"}
    assert of_calls == {("Index Only Scan", "call_due"), ("Index Only Scan", "call_ongoing")}


async def test_a_page_of_a_receipt_reads_no_more_than_it_shows(crowd: World) -> None:
    above = UUID(int=0)
    order = (crowd.workspace_id, uuid4(), above)
    steer = COVERAGE["steer"]
    nodes = await plan(crowd.store, COVERAGE["covered_settled"], *order, 100, of_a_request=True, steer=steer)
    assert indexes(nodes) == {"call_by_termination"}
    assert not [node for node in nodes if node["Node Type"] == "Sort"]
    pending = (*order, uuid4(), 100)
    nodes = await plan(crowd.store, COVERAGE["covered_unsettled"], *pending, of_a_request=True, steer=steer)
    assert not reads_whole(nodes, "call")
    assert indexes(nodes) & {"call_by_campaign", "call_pkey", "call_due"}


async def test_the_owner_of_attempts_finds_its_releases(crowd: World) -> None:
    nodes = await plan(crowd.store, DISPATCH["releases_wanted"], uuid4(), 100)
    assert "release_wanted_by_owner" in indexes(nodes)


async def test_the_owner_of_attempts_finds_its_callbacks(crowd: World) -> None:
    nodes = await plan(crowd.store, CALLBACKS["callbacks_of"], uuid4(), 100)
    assert "carrier_callback_by_owner" in indexes(nodes)
    assert not reads_whole(nodes, "carrier_callback")


async def test_a_callback_finds_its_attempt(crowd: World) -> None:
    given: tuple[object, ...] = (crowd.workspace_id, crowd.trunk_id, uuid4(), 1, {}, b"0" * 32)
    nodes = await plan(crowd.store, CALLBACKS["add"], *given)
    assert not reads_whole(nodes, "dial_attempt")


@pytest.fixture
async def history(crowd: World) -> World:
    """An attempt of last week for each call that has ended, one in a hundred of unknown fate."""
    async with crowd.store.transaction() as tx:
        await without_autovacuum(tx.connection, "dial_attempt")
        await tx.connection.execute(LAST_WEEK, crowd.workspace_id, crowd.trunk_id)
        await tx.connection.execute("ANALYZE dial_attempt")
    return crowd


@pytest.mark.parametrize("name", list(RULES))
async def test_a_look_of_the_watch_reads_what_is_recent(history: World, name: str) -> None:
    async with history.store.transaction() as tx:
        since = await tx.connection.fetchval("SELECT now() - interval '90 s'")
    with_kept_from = "$3" in RULES[name]
    kept_from = (datetime(2000, 1, 1, tzinfo=UTC),) if with_kept_from else ()
    given = "10, now() - interval '90 s'" + (", '2000-01-01'" if with_kept_from else "")
    assert reads_too_much(await plan(history.store, RULES[name], 10, since, *kept_from)) == []
    assert reads_too_much(await kept_plan(history.store, RULES[name], given)) == []


@pytest.mark.parametrize("name", ["no_call_is_ahead_of_its_campaign", "settled_fence_left_nothing_pending"])
async def test_the_doctor_reads_the_calls_of_no_campaign_or_fence_one_by_one(history: World, name: str) -> None:
    """Once for each of thousands of fences, a table that is read until the first hit is read for hours."""
    nodes = await plan(history.store, RULES[name], 10, None, of_a_request=True)
    assert "call_due" in indexes(nodes)
    assert not reads_whole(nodes, "call")


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if "dial_attempt d" in rule])
async def test_many_attempts_do_not_turn_their_look_ups_into_a_join(history: World, name: str) -> None:
    """As many recent attempts as there are at all: a join would read every call of the workspace instead."""
    async with history.store.transaction() as tx:
        await tx.connection.execute(LISTED, history.workspace_id)
        await tx.connection.execute("ANALYZE suppression")
    nodes = await plan(history.store, RULES[name], 10, None)
    looked_up = {used for used in indexes(nodes) if used.startswith("call_") or used == "dial_attempt_by_call"}
    assert looked_up == {"dial_attempt_by_call" if name == "an_unknown_fate_is_final" else "call_pkey"}
    assert not reads_whole(nodes, "call")


# What each index of the history must be narrowed by; a scan without it would read more than the page.
PAGED_BY = {
    "call_pkey": {"workspace_id", "call_id"},
    "call_by_campaign": {"campaign_id"},
    "call_ended": {"campaign_id", "status"},
    "call_waiting": {"campaign_id", "status", "epoch"},
    "call_ongoing": set(),
    "call_open_by_number": {"called_number"},
}
# Small by their nature: what is on the wire, and what is behind a number fence that is not settled.
SORTED_WHOLE = {"call_ongoing", "call_open_by_number"}


def unbounded_reads(node: dict[str, Any], *, is_sorted: bool = False) -> list[str]:
    """Scans of the calls that are not narrowed by their index, or that a sort reads to the end."""
    found: list[str] = []
    if node.get("Relation Name") == "call":
        index = node.get("Index Name", "")
        condition = node.get("Index Cond", "")
        if index not in PAGED_BY or not all(column in condition for column in PAGED_BY[index]):
            found.append(f"{node['Node Type']} {index} {condition}")
        elif is_sorted and index not in SORTED_WHOLE:
            found.append(f"{index} is read to the end and sorted")
    below = node["Node Type"] != "Limit" and (is_sorted or node["Node Type"] in ("Sort", "Incremental Sort"))
    return found + [read for child in node.get("Plans", []) for read in unbounded_reads(child, is_sorted=below)]


@pytest.mark.parametrize("status", [None, *CallStatus], ids=str)
async def test_a_page_of_the_history_and_its_total_read_no_more_than_they_show(
    crowd: World, status: CallStatus | None
) -> None:
    """By each mix of filters, whether or not anybody has looked at the tables since the last upload."""
    agents, campaigns = (None, [crowd.agent_id]), (None, crowd.campaigns[0])
    moments = (None, datetime(2026, 1, 1, tzinfo=UTC))
    async with crowd.store.snapshot() as tx:
        await tx.history.for_pages(10_000)
        for agent_ids, campaign_id, start_at, is_fenced in product(agents, campaigns, moments, (False, True)):
            wanted = CallFilter(
                start_at=start_at, agent_ids=agent_ids, campaign_id=campaign_id, status=status, limit=100, offset=50
            )
            page = page_statement(crowd.workspace_id, wanted, is_fenced=is_fenced)
            counts = count_statements(crowd.workspace_id, wanted, 10_001, is_fenced=is_fenced)
            for statement, *arguments in (page, *counts):
                top = await tree(tx.connection, f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
                assert unbounded_reads(top) == [], wanted


async def test_rows_of_the_history_are_shown_by_their_keys(crowd: World) -> None:
    async with crowd.store.snapshot() as tx:
        await tx.history.for_pages(10_000)
        ids = [uuid4() for _ in range(100)]
        nodes = await flattened(
            tx.connection, f"EXPLAIN (FORMAT JSON) {load('history')['shown']}", crowd.workspace_id, ids
        )
    assert {"call_pkey", "contact_pkey"} <= indexes(nodes)
    assert not [table for table in ("call", "contact", "dial_attempt") if reads_whole(nodes, table)]
