"""Agents over the store: an archived one still rings what waits, and versions have names that stay."""

import asyncio
from dataclasses import replace

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.carrier import HandlingKind, answer_handling
from ringoff.domain.errors import Conflict, NotFound
from ringoff.operations import agents, numbers
from ringoff.operations.agents import AgentEdit
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def test_what_waits_for_an_archived_agent_is_rung_with_its_prompt(store: PostgresStore) -> None:
    world, clock, carrier = await World.make(store), SystemClock(), ScriptedCarrier()
    handling = answer_handling(HandlingKind.MEDIA_URL, "wss://agent.example.com")
    await agents.edit_agent(store, world.principal, world.agent_id, AgentEdit(config={"task": "First."}))
    await world.campaign(["+12025550111"])
    await agents.archive_agent(store, world.principal, world.agent_id)
    await agents.change_handling(store, world.principal, world.agent_id, handling)
    with pytest.raises(NotFound):
        await agents.edit_agent(store, world.principal, world.agent_id, AgentEdit(config={"task": "Second."}))
    await world.dial(Supervisor(store=store, driver=carrier, clock=clock), clock.monotonic())
    assert [(request.called_number, request.parameters["agent_prompt"]) for request in carrier.wire] == [
        ("+12025550111", "First.")
    ]


async def test_an_edit_reaches_the_next_call(store: PostgresStore) -> None:
    world, clock, carrier = await World.make(store), SystemClock(), ScriptedCarrier()
    supervisor = Supervisor(store=store, driver=carrier, clock=clock)
    handling = answer_handling(HandlingKind.MEDIA_URL, "wss://agent.example.com")
    await agents.change_handling(store, world.principal, world.agent_id, handling)
    for text in ("First.", "Second."):
        await agents.edit_agent(store, world.principal, world.agent_id, AgentEdit(config={"agent_prompt": text}))
        await world.campaign(["+12025550111"])
        await world.dial(supervisor, clock.monotonic())
    assert [request.parameters["agent_prompt"] for request in carrier.wire] == ["First.", "Second."]


async def test_a_version_has_one_name_and_one_id(store: PostgresStore) -> None:
    world = await World.make(store)
    first = await agents.read_agent(store, world.principal, world.agent_id)
    second = await agents.edit_agent(store, world.principal, world.agent_id, AgentEdit(primary_language="hi-IN"))
    assert (first.version_slug, second.version_slug) == ("v1", "v2")
    assert first.version_id != second.version_id
    assert second.version_id == (await agents.read_agent(store, world.principal, world.agent_id)).version_id
    assert replace(second, agent_id=await world.another_agent()).version_id != second.version_id


async def test_a_number_has_one_agent_whoever_asks_at_once(store: PostgresStore) -> None:
    world = await World.make(store)
    wanting = [world.agent_id, await world.another_agent(), await world.another_agent()]
    [view] = await numbers.list_numbers(store, world.principal)
    number_id = view.number.number_id
    results = await asyncio.gather(
        *(agents.attach_number(store, world.principal, agent_id, number_id) for agent_id in wanting),
        return_exceptions=True,
    )
    assert [type(result) for result in results if result] == [Conflict, Conflict]
    [view] = await numbers.list_numbers(store, world.principal)
    assert view.number.agent_id == wanting[results.index(None)]
    for agent_id in wanting:
        await agents.archive_agent(store, world.principal, agent_id)
    [view] = await numbers.list_numbers(store, world.principal)
    assert (view.number.agent_id, view.agent_name) == (None, None)
