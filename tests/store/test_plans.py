"""Hot statements keep using their indexes: plans are looked at on a database with many calls."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.support.world import World

pytestmark = pytest.mark.anyio

DISPATCH, ORDERS, SWEEP = load("dispatch"), load("terminations"), load("sweep")


async def plan(store: PostgresStore, statement: str, *arguments: object) -> list[dict[str, Any]]:
    """Every node of the plan, flattened."""
    async with store.dispatch_transaction() as tx:
        [row] = await tx.connection.fetch(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)

    nodes: list[dict[str, Any]] = []

    def walk(node: dict[str, Any]) -> None:
        nodes.append(node)
        for child in node.get("Plans", []):
            walk(child)

    walk(msgspec.json.decode(row[0])[0]["Plan"])
    return nodes


YESTERDAY = """
    INSERT INTO call (
        workspace_id, campaign_id, contact_id, epoch, called_number, status, last_attempt_at, ended_at
    )
    SELECT $1, $2, n, 0, '+1303' || lpad(n::text, 7, '0'), 'completed', now(), now() FROM generate_series(1, 20000) AS n
"""
TODAY = """
    INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)
    SELECT $1, $2, n, 0, '+1202' || lpad(n::text, 7, '0'), now() FROM generate_series(1, 20000) AS n
"""


@pytest.fixture(params=["fresh statistics", "statistics from when nothing was pending"])
async def crowd(request: pytest.FixtureRequest, store: PostgresStore) -> World:
    """20,000 pending calls in one campaign."""
    world = await World.make(store)
    campaign_id = await world.campaign(["+12025550111"])
    async with store.transaction() as tx:
        # Nobody else looks at the tables meanwhile.
        await tx.connection.execute("ALTER TABLE call SET (autovacuum_enabled = off)")
        await tx.connection.execute(YESTERDAY, world.workspace_id, uuid4())
        await tx.connection.execute("ANALYZE")
        await tx.connection.execute(TODAY, world.workspace_id, campaign_id)
        if request.param == "fresh statistics":
            await tx.connection.execute("ANALYZE")
    return world


def reads_whole(nodes: list[dict[str, Any]], table: str) -> bool:
    return any(node["Node Type"] == "Seq Scan" and node.get("Relation Name") == table for node in nodes)


def indexes(nodes: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in nodes if "Index Name" in node}


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
    )
    assert "call_due" in indexes(nodes)
    assert not reads_whole(nodes, "call")
    assert not [node for node in nodes if node["Node Type"] in ("Sort", "Incremental Sort")]


async def test_looking_for_work_reads_one_entry_of_the_due_index(crowd: World) -> None:
    nodes = await plan(crowd.store, DISPATCH["work"], None)
    assert "call_due" in indexes(nodes)
    assert not reads_whole(nodes, "call")


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
    )
    assert {name for name in indexes(nodes) if name.startswith("call_")} == {"call_pkey"}
    assert not reads_whole(nodes, "call")


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
