"""Statements that walk from one table to the next keep that order where nothing was there when somebody last looked.

Every order of joins looks as cheap there; a walk that began at all campaigns once held rows locked for half a minute.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.support.plans import kept_plan, without_autovacuum
from tests.support.world import World

pytestmark = pytest.mark.anyio

ORDERS, SWEEP = load("terminations"), load("sweep")
WALKS = {
    name: statements[name]
    for statements, names in (
        (SWEEP, ("sweep_numbers_ongoing", "sweep_numbers", "close_number_fence")),
        (ORDERS, ("probe_numbers", "ongoing_of_numbers", "want_prepared_released")),
        (ORDERS, ("covered_by_call_ids", "covered_by_numbers")),
    )
    for name in names
}
WALKED = ("call", "dial_attempt", "number_fence")


@pytest.fixture
async def young(store: PostgresStore) -> PostgresStore:
    """One campaign with one call, and statistics of that."""
    await (await World.make(store)).campaign(["+12025550111"])
    async with store.transaction() as tx:
        for table in (*WALKED, "campaign", "campaign_fence"):
            await without_autovacuum(tx.connection, table)
        await tx.connection.execute("ANALYZE")
    return store


def within(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from within(child)


def is_of_a_call(node: dict[str, Any], column: str) -> bool:
    """Whether a scan is asked for what belongs to one row, by whatever index."""
    return f"{column} = " in node.get("Index Cond", "") + node.get("Filter", "")


def crossed(nodes: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Where calls, attempts or fences are looked up for every campaign of the workspace."""
    for node in nodes:
        if node["Node Type"] != "Nested Loop":
            continue
        sides = {
            side: [each for child in node["Plans"] if child["Parent Relationship"] == side for each in within(child)]
            for side in ("Outer", "Inner")
        }
        is_led_by_campaigns = any(
            each.get("Relation Name") == "campaign" and not is_of_a_call(each, "campaign_id") for each in sides["Outer"]
        )
        looked_up = [each["Relation Name"] for each in sides["Inner"] if each.get("Relation Name") in WALKED]
        if is_led_by_campaigns and looked_up:
            yield f"for each campaign: {looked_up}"


@pytest.mark.parametrize("name", WALKS)
async def test_nothing_is_looked_up_for_every_campaign(young: PostgresStore, name: str) -> None:
    arguments = ", ".join("NULL" for _ in set(re.findall(r"\$\d+", WALKS[name])))
    nodes = await kept_plan(young, WALKS[name], arguments)
    assert any(node.get("Relation Name") == "campaign" and is_of_a_call(node, "campaign_id") for node in nodes), (
        "the campaign is looked up for a call"
    )
    assert list(crossed(nodes)) == []


async def test_the_live_attempts_lead_to_the_numbers_of_an_order(young: PostgresStore) -> None:
    nodes = await kept_plan(young, WALKS["sweep_numbers_ongoing"], "NULL, NULL")
    [of_the_order] = [
        node for node in nodes if node.get("Relation Name") == "number_fence" and is_of_a_call(node, "termination_id")
    ]
    assert is_of_a_call(of_the_order, "called_number")
