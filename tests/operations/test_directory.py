"""Agents, numbers, trunks and pools are listed like everywhere else, without counting what they have done."""

from typing import Any

import pytest

from ringoff.domain.workspace import AgentFilter, NumberFilter
from ringoff.operations import agents, numbers, trunks
from ringoff.operations.directory import directory, numbers_of
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.support.plans import plan
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def test_it_lists_what_the_counted_lists_have(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.another_agent()
    await World.make(store)
    listed = await directory(store, world.principal, AgentFilter(), NumberFilter())
    assert listed.agents == [agent for agent, _ in await agents.list_agents(store, world.principal, 10, 0)]
    assert listed.numbers == [view.number for view in await numbers.list_numbers(store, world.principal)]
    assert listed.trunks == await trunks.list_trunks(store, world.principal)
    assert listed.number_pools == []
    assert listed.agent_names == {agent.agent_id: agent.display_name for agent in listed.agents}


async def test_pages_of_agents_meet_and_have_archived_ones(store: PostgresStore) -> None:
    world = await World.make(store)
    for _ in range(3):
        await world.another_agent()
    whole = (await directory(store, world.principal, AgentFilter(), NumberFilter())).agents
    await agents.archive_agent(store, world.principal, whole[1].agent_id)
    paged = []
    below = None
    for _ in whole:
        wanted = AgentFilter(below=below, limit=1)
        [agent] = (await directory(store, world.principal, wanted, NumberFilter())).agents
        paged.append(agent.agent_id)
        below = agent.agent_id
    assert paged == [agent.agent_id for agent in whole]
    named = AgentFilter(name_part=whole[0].display_name.upper())
    found = (await directory(store, world.principal, named, NumberFilter())).agents
    assert {agent.display_name for agent in found} == {whole[0].display_name}
    nobody = AgentFilter(name_part="%")
    assert (await directory(store, world.principal, nobody, NumberFilter())).agents == []


async def test_pages_of_numbers_meet_and_may_be_those_of_an_agent(store: PostgresStore) -> None:
    world = await World.make(store)
    [trunk] = await trunks.list_trunks(store, world.principal)
    for number in ("+12025550177", "+12025550166"):
        await numbers.add_number(store, world.principal, number, None, trunk.trunk_id)
    whole = await numbers_of(store, world.principal, NumberFilter())
    assert [number.number for number in whole] == sorted(number.number for number in whole)
    last = await numbers_of(store, world.principal, NumberFilter(above=whole[1].number))
    assert [*whole[:2], *last] == whole
    of_agent = NumberFilter(agent_id=world.agent_id)
    assert await numbers_of(store, world.principal, of_agent) == []
    await agents.attach_number(store, world.principal, world.agent_id, whole[0].number_id)
    assert [number.number for number in await numbers_of(store, world.principal, of_agent)] == [whole[0].number]


@pytest.mark.parametrize(("name", "wanted"), [("agents_uncounted", (None, None, 10)), ("own_numbers", ("", None, 10))])
async def test_it_reads_no_calls(store: PostgresStore, name: str, wanted: tuple[Any, ...]) -> None:
    world = await World.make(store)
    nodes = await plan(store, load("workspaces")[name], world.workspace_id, *wanted, of_a_request=True)
    assert {node["Relation Name"] for node in nodes if "Relation Name" in node} <= {"agent", "number"}
