"""An order looks twice, without its lock and under it: what happens in between makes it neither blind nor endless."""

import asyncio

import pytest

from ringoff.domain.errors import NothingTerminable
from ringoff.domain.identifiers import AgentId, TerminationId, WorkspaceId
from ringoff.domain.termination import Ongoing, Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.store.terminations import PostgresTerminations
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, EVERY_WAY, FIRST, SECOND, Select

pytestmark = pytest.mark.anyio

HELD = """
    SELECT pg_advisory_xact_lock_shared(lock_key('number_fences', $1, $1)),
        pg_advisory_xact_lock_shared(lock_key('agent', $1, $2)),
        pg_advisory_xact_lock_shared(lock_key('campaign', $1, $3))
"""
FENCED = [way for way in EVERY_WAY if way.id in ("agent", "campaign", "numbers, fence", "numbers of a campaign, fence")]


@pytest.mark.parametrize("gone", [FIRST, SECOND])
@pytest.mark.parametrize(("select", "rows_max"), FENCED)
async def test_a_witness_that_was_cancelled_meanwhile_is_not_the_only_call(
    actors: Actors, select: Select, rows_max: int, gone: str
) -> None:
    """Whichever of the two the search found: one is ended before the lock is there, the other still waits."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    ids = await actors.world.call_ids()
    world = actors.world
    async with actors.store.transaction() as tx:
        await tx.connection.fetch(HELD, world.workspace_id, world.agent_id, campaign_id)
        order = TerminationOrder(selector, ongoing=Ongoing.HANGUP)
        ordering = asyncio.create_task(actors.terminate(order, number_rows_max=rows_max))
        await actors.waits_for_a_lock(ordering)
        await actors.terminate(Selector(call_ids=(ids[gone],)))
    await ordering
    await actors.world.sweep_all(actors.supervisor)
    assert set((await actors.world.statuses()).values()) == {CANCELLED}


@pytest.mark.parametrize(("select", "rows_max"), FENCED)
async def test_a_call_that_went_into_retry_between_search_and_lock_is_terminable(
    actors: Actors, select: Select, rows_max: int
) -> None:
    """It talks when the order looks for pending calls, and waits for its retry when the order counts what talks."""
    campaign_id = await actors.world.campaign([FIRST])
    selector = await select(actors, campaign_id)
    await actors.dial_all()
    world = actors.world
    async with actors.settling():
        async with actors.store.transaction() as tx:
            await tx.connection.fetch(HELD, world.workspace_id, world.agent_id, campaign_id)
            order = TerminationOrder(selector, ongoing=Ongoing.HANGUP)
            ordering = asyncio.create_task(actors.terminate(order, number_rows_max=rows_max))
            await actors.waits_for_a_lock(ordering)
            actors.carrier.ends(actors.carrier.wire[0].attempt_id, 486)
            await actors.all_settled()
        assert (await world.status_by_number())[FIRST][0] in ("retry", "cancelled")
        await ordering
    await actors.world.sweep_all(actors.supervisor)
    assert (await world.status_by_number())[FIRST] == CANCELLED


async def test_an_order_whose_last_call_ended_after_its_look_leaves_no_receipt_that_settles_never(
    actors: Actors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order by call id needs no lock of the agent: it may end the witness between the look and the fence."""
    await actors.world.campaign([FIRST])
    ids = await actors.world.call_ids()
    fence_agent = PostgresTerminations.fence_agent

    async def late(
        self: PostgresTerminations, workspace_id: WorkspaceId, termination_id: TerminationId, agent_id: AgentId
    ) -> int:
        monkeypatch.undo()
        await actors.terminate(Selector(call_ids=(ids[FIRST],)))
        return await fence_agent(self, workspace_id, termination_id, agent_id)

    monkeypatch.setattr(PostgresTerminations, "fence_agent", late)
    with pytest.raises(NothingTerminable):
        await actors.terminate(Selector(agent_id=actors.world.agent_id))
    await actors.world.sweep_all(actors.supervisor)
    assert await actors.world.count("SELECT count(*) FROM termination WHERE state = 'settling'") == 0
    assert await broken_invariants(actors.store) == []


async def test_a_call_that_is_registered_just_before_the_numbers_are_fenced_is_covered_in_good_order(
    actors: Actors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its registration is committed when the fence goes up, though the order's row was written before it."""
    await actors.world.campaign([FIRST])
    fence_numbers = PostgresTerminations.fence_numbers

    async def late(
        self: PostgresTerminations, workspace_id: WorkspaceId, termination_id: TerminationId, selector: Selector
    ) -> None:
        monkeypatch.undo()
        await actors.world.individual_call(FIRST)
        await fence_numbers(self, workspace_id, termination_id, selector)

    monkeypatch.setattr(PostgresTerminations, "fence_numbers", late)
    await actors.terminate(Selector(mobile_numbers=(FIRST,)), number_rows_max=0)
    await actors.world.sweep_all(actors.supervisor)
    assert list((await actors.world.statuses()).values()) == [CANCELLED, CANCELLED]
    assert await broken_invariants(actors.store) == []
