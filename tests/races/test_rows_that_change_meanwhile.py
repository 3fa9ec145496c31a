"""A statement that waits for a row and finds it changed still does its work: in partitions, with kept plans.

PostgreSQL looks at such a row again with a plan of its own. Where that plan had left partitions out, it found nothing:
an outcome was not written, an order covered nothing, or the server died.
"""

import asyncio
from collections.abc import Sequence

import pytest

from ringoff.domain.attempt_records import ClaimedCall, DialWork
from ringoff.domain.call_config import CallConfig
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations.terminations import terminate
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, FIRST, SECOND
from tests.support.plans import EARLIER_PARTITIONS

pytestmark = pytest.mark.anyio

TOUCH_ATTEMPTS = "UPDATE dial_attempt SET lease_until = lease_until + interval '1 s'"
TOUCH_CALLS = "UPDATE call SET next_attempt_at = next_attempt_at + interval '1 ms'"
NUMBERS = [FIRST, SECOND, "+12025550113", "+12025550114", "+12025550115"]


@pytest.fixture(autouse=True)
async def _partitions_of_earlier_months(actors: Actors) -> None:
    """The calls of a test lie in this month's partition, which is never the first in production."""
    async with actors.store.transaction() as tx:
        await tx.connection.execute(EARLIER_PARTITIONS)


async def test_outcomes_that_meet_a_renewal_are_written(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS, config=CallConfig())
    await actors.dial_all()
    async with actors.settling():
        async with actors.store.transaction() as tx:
            await tx.connection.execute(TOUCH_ATTEMPTS)
            for request in actors.carrier.wire:
                actors.carrier.ends(request.attempt_id, 200, was_answered=True)
            await waiting_for_a_row(actors)
        await actors.all_settled()
    assert set((await actors.world.statuses()).values()) == {("completed", "ACCEPTED")}


async def test_a_permit_that_meets_another_look_at_its_calls_is_granted(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS)
    async with actors.store.transaction() as tx:
        claimed = await actors.world.claim(actors.supervisor)
        await tx.connection.execute(TOUCH_CALLS)
        await tx.connection.execute(TOUCH_ATTEMPTS)
        dialling = asyncio.create_task(dial(actors, claimed))
        await waiting_for_a_row(actors)
    await dialling
    assert sorted(actors.dialled) == NUMBERS
    assert set((await actors.world.statuses()).values()) == {("ongoing", "ACCEPTED")}


@pytest.mark.parametrize("names", ["ids", "numbers"])
async def test_an_order_that_meets_a_change_of_its_calls_covers_them(actors: Actors, names: str) -> None:
    await actors.world.campaign(NUMBERS)
    ids = await actors.world.call_ids()
    selector = Selector(call_ids=tuple(ids.values())) if names == "ids" else Selector(mobile_numbers=tuple(NUMBERS))
    async with actors.store.transaction() as tx:
        await tx.connection.execute(TOUCH_CALLS)
        order = asyncio.create_task(terminate(actors.store, actors.world.principal, TerminationOrder(selector)))
        await waiting_for_a_row(actors)
    await order
    assert set((await actors.world.statuses()).values()) == {CANCELLED}


async def dial(actors: Actors, claimed: Sequence[tuple[DialWork, Sequence[ClaimedCall]]]) -> None:
    for work, calls in claimed:
        await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())


async def waiting_for_a_row(actors: Actors) -> None:
    """Until somebody stands before a row of ours."""
    waiting = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
    """
    async with asyncio.timeout(20):
        while not await actors.world.count(waiting):
            await actors.world.count("SELECT count(pg_sleep(0.02))")
