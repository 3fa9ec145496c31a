"""An order that is sent again and again while it is slow does not stand in the way of other orders."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ringoff.domain.termination import Selector
from ringoff.operations.terminations import IdempotencyKey, terminate
from ringoff.store.postgres import PostgresStore
from tests.races.test_termination_against_permit import FIRST, SECOND
from tests.support.world import World

pytestmark = pytest.mark.anyio

HELD = "SELECT pg_advisory_xact_lock_shared(lock_key('campaign', $1, $2))"


@pytest.fixture
async def served(database_dsn: str) -> AsyncIterator[PostgresStore]:
    """With the pools of a server."""
    connected = await PostgresStore.connect(database_dsn)
    try:
        yield connected
    finally:
        await connected.close(timeout_s=1.0)


async def test_duplicates_of_a_slow_order_use_up_no_connections(served: PostgresStore) -> None:
    world = await World.make(served)
    slow, other = await world.campaign([FIRST]), await world.campaign([SECOND])
    key = IdempotencyKey("again", "native", lambda receipt: {"id": str(receipt.termination_id)})
    async with served.transaction() as tx:
        await tx.connection.fetchval(HELD, world.workspace_id, slow)
        order = Selector(campaign_id=slow)
        many = [asyncio.create_task(terminate(served, world.principal, order, idempotency=key)) for _ in range(64)]
        async with asyncio.timeout(10):
            await terminate(served, world.principal, Selector(campaign_id=other))
        assert not any(task.done() for task in many)
    given = await asyncio.gather(*many)
    assert len({order.termination_id for order in given}) == 1
    assert [order.is_replayed for order in given].count(False) == 1
