"""The counts of a campaign read rows of tallies and what is on the wire, never the campaign's calls."""

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.store.test_plans import YESTERDAY
from tests.support.plans import plan
from tests.support.world import World

pytestmark = pytest.mark.anyio

TALLIES = load("tallies")


@pytest.mark.parametrize("is_of_a_request", [True, False], ids=["request", "loop"])
async def test_counts_of_a_campaign(store: PostgresStore, is_of_a_request: bool) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign([f"+1202555{n:04}" for n in range(50)])
    async with store.transaction() as tx:
        await tx.connection.execute(YESTERDAY, world.workspace_id, campaign_id)
        await tx.connection.execute("ANALYZE call")
    nodes = await plan(store, TALLIES["counts"], world.workspace_id, [campaign_id], of_a_request=is_of_a_request)
    assert {node.get("Index Name") for node in nodes if node.get("Relation Name") == "call"} == {"call_ongoing"}
    assert {node["Index Name"] for node in nodes if node.get("Relation Name") == "campaign_tally"} == {
        "campaign_tally_pkey"
    }


async def test_folding_reads_no_calls(store: PostgresStore) -> None:
    nodes = await plan(store, TALLIES["fold"], 5_000)
    assert {node["Relation Name"] for node in nodes if "Relation Name" in node} == {"tally_step", "campaign_tally"}
