"""An import of a long list of numbers holds up nobody's orders."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ringoff.domain.errors import Conflict, DatabaseUnavailable
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import suppressions
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import FIRST, SECOND
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def served(database_dsn: str) -> AsyncIterator[PostgresStore]:
    """With the pools of a server."""
    connected = await PostgresStore.connect(database_dsn)
    try:
        yield connected
    finally:
        await connected.close(timeout_s=1.0)


async def test_orders_that_suppress_numbers_of_an_import_under_way_use_up_no_connections(served: PostgresStore) -> None:
    """More of them than the pool of orders has connections, and another tenant's order behind them."""
    importer, other = await World.make(served), await World.make(served)
    await importer.campaign([FIRST])
    campaign_id = await other.campaign([SECOND])
    async with served.transaction() as tx:
        await tx.suppressions.add(importer.workspace_id, [FIRST], reason=None, api_key_id=None)
        order = TerminationOrder(Selector(mobile_numbers=(FIRST,)), suppress=True)
        waiting = [asyncio.create_task(terminate(served, importer.principal, order)) for _ in range(8)]
        adding = asyncio.create_task(suppressions.suppress(served, importer.principal, [FIRST], None))
        async with asyncio.timeout(10):
            await terminate(served, other.principal, Selector(campaign_id=campaign_id))
            refused = await asyncio.gather(*waiting, adding, return_exceptions=True)
        assert {type(error) for error in refused} == {Conflict}
        assert await importer.status_by_number() == {FIRST: ("registered", "QUEUED")}
    await terminate(served, importer.principal, order)


async def test_what_is_rung_during_a_long_import_breaks_no_rule(actors: Actors) -> None:
    """The first numbers of a list of millions are stored minutes before the commit that counts."""
    await actors.world.campaign([FIRST])
    async with actors.store.transaction() as tx:
        await tx.suppressions.add(actors.world.workspace_id, [FIRST], reason=None, api_key_id=None)
        await tx.connection.execute("UPDATE suppression SET created_at = created_at - interval '9 minutes'")
        await actors.dial_all()
    assert actors.dialled == [FIRST]
    assert await broken_invariants(actors.store) == []


async def test_who_stands_still_while_it_suppresses_holds_up_permits_for_a_second(served: PostgresStore) -> None:
    """A stopped process may not keep all of a workspace from dialling, nor its orders by numbers."""
    world = await World.make(served)
    with pytest.raises(DatabaseUnavailable):
        async with served.transaction() as tx:
            await tx.suppressions.add(world.workspace_id, [FIRST], reason=None, api_key_id=None)
            await tx.suppressions.lock(world.workspace_id)
            async with asyncio.timeout(5), served.dispatch_transaction() as permit:
                await permit.dispatch.lock_for_permit(world.workspace_id, world.agent_id, CampaignId(world.trunk_id))
    async with served.transaction() as tx:
        assert await tx.suppressions.count(world.workspace_id) == 0
