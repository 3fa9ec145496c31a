"""A list that is deleted never rings again, whoever starts it in the same instant."""

import asyncio

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import Conflict, NotFound
from ringoff.domain.termination import Selector
from ringoff.operations import campaigns, contact_lists, terminations
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.gates import Gates
from tests.support.world import CALLING_NUMBER, World

pytestmark = pytest.mark.anyio

NUMBERS = ["+12025550111", "+12025550112"]


async def test_a_start_between_the_order_and_the_deletion_wins(store: PostgresStore) -> None:
    world, gates, clock = await World.make(store), Gates(), SystemClock()
    list_id = await world.draft(NUMBERS)
    gates.hold("delete.ended")
    deletion = asyncio.create_task(contact_lists.delete(store, world.principal, list_id, gate=gates))
    await gates.reached("delete.ended")
    started = await campaigns.start(store, world.principal, world.agent_id, list_id, [CALLING_NUMBER], now=clock.now())
    gates.release("delete.ended")
    with pytest.raises(Conflict):
        await deletion
    listed, total = await campaigns.list_campaigns(store, world.principal, 10, 0, with_counts=False)
    assert ([campaign.campaign_id for campaign, _ in listed], total) == ([list_id], 1)
    assert started.campaign.status == "ongoing"
    assert sorted(status for status, _ in (await world.statuses()).values()) == ["cancelled"] * 2 + ["registered"] * 2


async def test_a_start_after_the_deletion_finds_nothing_and_nothing_rings(store: PostgresStore) -> None:
    world, clock, carrier = await World.make(store), SystemClock(), ScriptedCarrier()
    list_id = await world.draft(NUMBERS)
    assert await contact_lists.delete(store, world.principal, list_id) is not None
    with pytest.raises(NotFound):
        await campaigns.start(store, world.principal, world.agent_id, list_id, [CALLING_NUMBER], now=clock.now())
    async with store.transaction() as tx:
        # Whoever had read the list before it was deleted.
        assert await tx.campaigns.start(world.workspace_id, list_id, world.trunk_id, [CALLING_NUMBER], None) is None
        restarted = await tx.campaigns.restart(
            world.workspace_id, list_id, 1, world.trunk_id, [CALLING_NUMBER], 0, None
        )
        assert restarted is None
    await world.dial(Supervisor(store=store, driver=carrier, clock=clock), clock.monotonic())
    assert carrier.wire == []
    with pytest.raises(NotFound):
        await contact_lists.delete(store, world.principal, list_id)


async def test_two_deletions_are_one(store: PostgresStore) -> None:
    world = await World.make(store)
    list_id = await world.draft(NUMBERS)
    results = await asyncio.gather(
        *(contact_lists.delete(store, world.principal, list_id) for _ in range(3)), return_exceptions=True
    )
    assert sum(not isinstance(result, Exception) for result in results) == 1
    assert all(isinstance(result, Conflict | NotFound) for result in results if isinstance(result, Exception))
    assert {status for status, _ in (await world.statuses()).values()} == {"cancelled"}


async def test_a_scheduled_list_is_not_deleted(store: PostgresStore) -> None:
    world, clock = await World.make(store), SystemClock()
    list_id = await world.draft(NUMBERS)
    await world.count("UPDATE campaign SET start_at = now() + interval '1 hour', end_at = NULL RETURNING 1")
    await campaigns.start(store, world.principal, world.agent_id, list_id, [CALLING_NUMBER], now=clock.now())
    with pytest.raises(Conflict, match="terminate it first"):
        await contact_lists.delete(store, world.principal, list_id)
    assert {status for status, _ in (await world.statuses()).values()} == {"registered"}


async def test_a_deleted_draft_with_nothing_that_waited_is_not_started_either(store: PostgresStore) -> None:
    world = await World.make(store)
    list_id = await world.draft(NUMBERS)
    await terminations.terminate(store, world.principal, Selector(mobile_numbers=tuple(NUMBERS)))
    assert await contact_lists.delete(store, world.principal, list_id) is None
    async with store.transaction() as tx:
        assert await tx.campaigns.start(world.workspace_id, list_id, world.trunk_id, [CALLING_NUMBER], None) is None
