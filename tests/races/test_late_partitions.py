"""A late partition takes its rows out of the default one, and whoever waits meanwhile finds them in their new place.

A statement that is planned while the partition is made has seen the old list of partitions: it must not go on with it.
"""

import asyncio

import pytest

from ringoff.dispatch.coming_partitions import AHEAD_DAYS, make_coming_partitions
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.races.test_rows_that_change_meanwhile import waiting_for_a_row
from tests.races.test_termination_against_permit import CANCELLED, FIRST, SECOND
from tests.store.test_partitions import AGED, DROPPED
from tests.support.world import World

pytestmark = pytest.mark.anyio

MAKE = "SELECT make_partition('call', period_floor(now()), next_period(now()))"

COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ')
    FROM pg_attribute
    WHERE attrelid = 'call'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'call_id'
"""
MANY = "INSERT INTO call ({columns}) SELECT {columns} FROM call, generate_series(1, $2) WHERE called_number = $1"


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    """Nobody has dialled for so long that no partition is left but the default ones."""
    actors = Actors(store, await World.make(store))
    async with store.transaction() as tx:
        for row in await tx.connection.fetch(DROPPED):
            await tx.connection.execute(row[0])
    await actors.world.campaign([FIRST, SECOND])
    async with store.transaction() as tx:
        # Of another period: it stays in the default partition, so that an order finds one call in any case.
        await tx.connection.execute(AGED, FIRST, 90)
    return actors


@pytest.mark.parametrize("names", ["ids", "numbers"])
async def test_an_order_that_waits_for_a_late_partition_covers_what_was_moved(actors: Actors, names: str) -> None:
    ids = await actors.world.call_ids()
    selector = Selector(call_ids=tuple(ids.values())) if names == "ids" else Selector(mobile_numbers=(FIRST, SECOND))
    async with actors.store.transaction() as tx:
        assert await tx.connection.fetchval(MAKE)
        order = asyncio.create_task(terminate(actors.store, actors.world.principal, TerminationOrder(selector)))
        await waiting_for_a_row(actors)
    await order
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    await actors.dial_all()
    assert actors.dialled == []


async def test_nobody_stands_still_for_more_rows_than_may_be_moved(actors: Actors) -> None:
    """They stay where they are, every order finds them there, and the other partitions are made."""
    async with actors.store.transaction() as tx:
        columns = await tx.connection.fetchval(COLUMNS)
        await tx.connection.execute(MANY.format(columns=columns), SECOND, 50_000)
        missing = await tx.partitions.missing(AHEAD_DAYS)
    assert await make_coming_partitions(actors.store) == len(missing) - 1
    assert await actors.world.count("SELECT count(*) FROM call_default") == 50_002
    await actors.terminate(Selector(mobile_numbers=(SECOND,)))
    await actors.dial_all()
    assert actors.dialled == [FIRST]
