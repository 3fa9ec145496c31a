"""The suppression list is read between two bounds of its key, however long it is and whatever is looked for."""

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.store.test_plans import LISTED
from tests.support.plans import flattened, kept_plan, plan
from tests.support.world import World

pytestmark = pytest.mark.anyio

SQL = load("suppressions")
ALL = ("+", "+999999999999999")


async def test_a_page_is_read_by_its_key_and_not_sorted(store: PostgresStore) -> None:
    world = await World.make(store)
    async with world.store.transaction() as tx:
        await tx.connection.execute(LISTED, world.workspace_id)
        await tx.connection.execute("ANALYZE suppression")
    for after, lowest, highest in [("", *ALL), ("+44000002500", *ALL), ("", "+4400000", "+440000099999999")]:
        planned = await plan(world.store, SQL["page"], world.workspace_id, after, lowest, highest, 51)
        kept = await kept_plan(
            world.store, SQL["page"], f"'{world.workspace_id}', '{after}', '{lowest}', '{highest}', 51"
        )
        for nodes in (planned, kept):
            assert {node["Node Type"] for node in nodes} <= {"Limit", "Index Scan"}
            conditions = [node["Index Cond"] for node in nodes if node.get("Index Name") == "suppression_pkey"]
            assert conditions
            assert all(condition.count("mobile_number") == 3 for condition in conditions)


async def test_a_count_for_a_page_ends_where_it_is_told(store: PostgresStore) -> None:
    world = await World.make(store)
    async with world.store.transaction() as tx:
        await tx.connection.execute(LISTED, world.workspace_id)
        nodes = await flattened(
            tx.connection,
            f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {SQL['count_up_to']}",
            world.workspace_id,
            100,
        )
        assert await tx.suppressions.count_up_to(world.workspace_id, 100) == 100
        assert await tx.suppressions.count_up_to(world.workspace_id, 10_000) == 5_000
    [read] = [node for node in nodes if node.get("Relation Name") == "suppression"]
    assert read["Actual Rows"] == 100
