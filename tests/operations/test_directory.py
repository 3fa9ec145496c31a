"""Agents, numbers, trunks and pools are listed like everywhere else, without counting what they have done."""

import pytest

from ringoff.operations import agents, numbers, trunks
from ringoff.operations.directory import directory
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.store.test_plans import plan
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def test_it_lists_what_the_counted_lists_have(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.another_agent()
    await World.make(store)
    listed = await directory(store, world.principal)
    assert listed.agents == [agent for agent, _ in await agents.list_agents(store, world.principal, 10, 0)]
    assert listed.numbers == [view.number for view in await numbers.list_numbers(store, world.principal)]
    assert listed.trunks == await trunks.list_trunks(store, world.principal)
    assert listed.number_pools == []


@pytest.mark.parametrize("name", ["agents_uncounted", "numbers_uncounted"])
async def test_it_reads_no_calls(store: PostgresStore, name: str) -> None:
    world = await World.make(store)
    arguments = (world.workspace_id, 10) if name == "agents_uncounted" else (world.workspace_id,)
    nodes = await plan(store, load("workspaces")[name], *arguments, of_a_request=True)
    assert {node["Relation Name"] for node in nodes if "Relation Name" in node} <= {"agent", "number"}
