"""What dashboards ask every second reads what is recent and on the wire, never calls or attempts that are over."""

from typing import Any
from uuid import uuid4

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.store.test_plans import LAST_WEEK, YESTERDAY
from tests.support.plans import plan
from tests.support.world import World

pytestmark = pytest.mark.anyio

FIGURES = load("figures")


@pytest.fixture
async def crowd(store: PostgresStore) -> World:
    """20,000 calls that are over, with their attempts."""
    world = await World.make(store)
    campaign_id = await world.campaign([f"+1202555{n:04}" for n in range(50)])
    async with store.transaction() as tx:
        await tx.connection.execute(YESTERDAY, world.workspace_id, campaign_id)
        await tx.connection.execute(LAST_WEEK, world.workspace_id, world.trunk_id)
        await tx.connection.execute("ANALYZE")
    return world


def big_tables(nodes: list[dict[str, Any]]) -> set[tuple[str, str | None]]:
    return {
        (node["Relation Name"], node.get("Index Name"))
        for node in nodes
        if node.get("Relation Name") in ("call", "contact", "dial_attempt", "outbox_event")
    }


async def test_folding_reads_neither_calls_nor_attempts(crowd: World) -> None:
    nodes = await plan(crowd.store, FIGURES["fold_steps"], 5_000)
    assert {node["Relation Name"] for node in nodes if "Relation Name" in node} == {
        "attempt_step", "campaign_outcome", "workspace_second",
    }  # fmt: skip


async def test_rates_read_seconds_and_steps(crowd: World) -> None:
    async with crowd.store.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO workspace_second SELECT w, now() - make_interval(secs => n), 1, 1, 1"
            " FROM generate_series(1, 900) n, (SELECT gen_random_uuid() w FROM generate_series(1, 20)) u"
        )
        await tx.connection.execute("ANALYZE workspace_second")
    nodes = await plan(crowd.store, FIGURES["rates"], crowd.workspace_id, None, 60.0, of_a_request=True)
    assert big_tables(nodes) == set()
    [seconds] = [node for node in nodes if node.get("Relation Name") == "workspace_second"]
    assert "from_at" in seconds["Index Cond"]


async def test_a_trunk_counts_what_is_live(crowd: World) -> None:
    nodes = await plan(crowd.store, FIGURES["trunk_loads"], crowd.workspace_id, of_a_request=True)
    [(table, index)] = big_tables(nodes)
    assert table == "dial_attempt"
    assert index in ("dial_attempt_live", "one_live_attempt_per_call")


async def test_the_age_of_what_is_undelivered_is_asked_of_each_subscription(crowd: World) -> None:
    async with crowd.store.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO webhook_delivery (workspace_id, subscription_id, event_id, state)"
            " SELECT $1, $2, n, 'delivered' FROM generate_series(1, 20000) n",
            crowd.workspace_id,
            uuid4(),
        )
        await tx.connection.execute("ANALYZE webhook_delivery")
    nodes = await plan(crowd.store, FIGURES["oldest_undelivered_s"], crowd.workspace_id, of_a_request=True)
    reads = [node for node in nodes if node.get("Relation Name") == "webhook_delivery"]
    assert [node["Node Type"] for node in reads if node["Node Type"] == "Seq Scan"] == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("progress_of_campaign", ()),
        ("outcome_sums", ()),
        ("outcome_span", ()),
        ("outcome_buckets", (1, 10)),
        ("recent_attempts", (5,)),
    ],
)
async def test_figures_of_a_campaign_are_sums(crowd: World, name: str, arguments: tuple[int, ...]) -> None:
    async with crowd.store.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO campaign_outcome SELECT $1, u, 1, now() - make_interval(mins => n), 'busy', 1, 0, 0"
            " FROM generate_series(1, 500) n, (SELECT gen_random_uuid() u FROM generate_series(1, 40)) c",
            crowd.workspace_id,
        )
        await tx.connection.execute("ANALYZE campaign_outcome")
    campaign = (crowd.workspace_id, crowd.campaigns[0])
    nodes = await plan(crowd.store, FIGURES[name], *campaign, *arguments, of_a_request=True)
    assert big_tables(nodes) == set()
    reads = [node for node in nodes if node.get("Relation Name") == "campaign_outcome"]
    assert [node for node in reads if "campaign_id" not in node.get("Index Cond", "")] == []


async def test_the_last_due_call_is_at_the_end_of_the_due_index(crowd: World) -> None:
    statement = load("campaign_clock")["last_due"]
    nodes = await plan(crowd.store, statement, crowd.workspace_id, crowd.campaigns[0], of_a_request=True)
    assert big_tables(nodes) == {("call", "call_due")}
    assert [node for node in nodes if node["Node Type"] == "Sort"] == []
