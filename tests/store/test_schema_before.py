"""This version dials, orders, settles and tells on the schema of the release before, which has no partitions."""

from collections.abc import AsyncIterator

import pytest

from ringoff.dispatch.coming_partitions import make_coming_partitions
from ringoff.domain.events import EventType
from ringoff.domain.records import CallFilter
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.insights import history
from ringoff.operations.receipts import preview, receipt_with_calls
from ringoff.store.migrate import apply_migrations, shipped_migrations
from ringoff.store.migration_files import RUNS_FROM
from ringoff.store.postgres import PostgresStore, connect_once
from tests.races.conftest import Actors
from tests.support.world import World

pytestmark = pytest.mark.anyio

FIRST, SECOND, THIRD = "+12025550111", "+12025550112", "+12025550113"


@pytest.fixture
async def actors(empty_database_dsn: str) -> AsyncIterator[Actors]:
    connection = await connect_once(empty_database_dsn)
    try:
        await apply_migrations(connection, shipped_migrations()[:RUNS_FROM])
    finally:
        await connection.close()
    store = await PostgresStore.connect(empty_database_dsn, originate_timeout_ms=20_000)
    try:
        async with store.transaction() as tx:
            assert await tx.connection.fetchval("SELECT relkind = 'r' FROM pg_class WHERE oid = 'call'::regclass")
        yield Actors(store, await World.make(store))
    finally:
        await store.close(timeout_s=1.0)


async def test_calls_are_dialled_tried_again_and_settled(actors: Actors) -> None:
    world = actors.world
    await world.subscribe(EventType.CALL_COMPLETED)
    await world.campaign([FIRST, SECOND])
    await world.individual_call(THIRD)
    await actors.dial_all()
    assert set(actors.dialled) == {FIRST, SECOND, THIRD}
    async with actors.settling():
        for request in actors.carrier.wire:
            if request.called_number == SECOND:
                actors.carrier.ends(request.attempt_id, 486)
            else:
                actors.carrier.rings(request.attempt_id)
                actors.carrier.answers(request.attempt_id)
                actors.carrier.ends(request.attempt_id, 200, was_answered=True)
        await actors.all_settled()
    found = {number: status for number, (status, _) in (await world.status_by_number()).items()}
    assert found == {FIRST: "completed", SECOND: "retry", THIRD: "completed"}
    await actors.dial_all()
    assert actors.dialled.count(SECOND) == 2
    page = await history(actors.store, world.principal, CallFilter(limit=10))
    assert [call.called_number for call in page.calls] == [THIRD, SECOND, FIRST]
    assert await world.count("SELECT count(*) FROM outbox_event") == 3
    assert await broken_invariants(actors.store) == []


@pytest.mark.parametrize("level", ["campaign", "agent", "calls", "numbers", "fenced numbers"])
async def test_orders_of_every_kind_are_kept(actors: Actors, level: str) -> None:
    world = actors.world
    campaign_id = await world.campaign([FIRST, SECOND])
    await world.campaign([THIRD], agent_id=await world.another_agent())
    ids = await world.call_ids()
    selector = {
        "campaign": Selector(campaign_id=campaign_id),
        "agent": Selector(agent_id=world.agent_id),
        "calls": Selector(call_ids=(ids[FIRST], ids[SECOND])),
    }.get(level, Selector(mobile_numbers=(FIRST, SECOND)))
    assert (await preview(actors.store, world.principal, TerminationOrder(selector))).counts.registered == 2
    options = {"number_rows_max": 1} if level == "fenced numbers" else {}
    claimed = await world.claim(actors.supervisor)
    termination_id = await actors.terminate(selector, **options)
    for work, calls in claimed:
        await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())
    assert actors.dialled == [THIRD]
    await world.sweep_all(actors.supervisor)
    receipt, covered = await receipt_with_calls(actors.store, world.principal, termination_id, None, 10)
    assert (receipt.state, receipt.cancelled_count) == ("settled", 2)
    assert {call.call_id for call in covered} == {ids[FIRST], ids[SECOND]}
    assert await broken_invariants(actors.store) == []


async def test_upkeep_finds_nothing_to_part(actors: Actors) -> None:
    async with actors.store.dispatch_transaction() as tx:
        await tx.dispatch.prune(72, 100)
    assert await make_coming_partitions(actors.store) == 0
