"""A database that was dumped and restored elsewhere: orders cover what they covered, and new orders cover old calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.errors import DatabaseUnavailable, MigrationRefused
from ringoff.domain.events import EventType
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import broken_invariants
from ringoff.store.cluster import Translated, has_foreign_ids, is_foreign, settle_in
from ringoff.store.postgres import PostgresStore, connect_once
from tests.races.conftest import Actors
from tests.races.test_erasures import carry_out, end_all, order
from tests.support import large_lists
from tests.support.restored import grow_old, restored
from tests.support.world import World

pytestmark = pytest.mark.anyio

MANY = "+12025550141"
OTHER = "+12025550142"
LISTED = "+12025550143"
CANCELLED = ("cancelled", "USER_TERMINATED")
REGISTERED = ("registered", "QUEUED")


@asynccontextmanager
async def settled_in(dsn: str) -> AsyncIterator[Translated | None]:
    connection = await connect_once(dsn)
    try:
        yield await settle_in(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def opened(dsn: str, like: World) -> AsyncIterator[Actors]:
    """The same workspace, in the copy."""
    store = await PostgresStore.connect(dsn)
    try:
        yield Actors(store, World(store, like.principal, like.agent_id, like.trunk_id, list(like.campaigns)))
    finally:
        await store.close(timeout_s=1.0)


async def fence(actors: Actors, number: str) -> None:
    """An order on a number with too many calls for row updates."""
    await actors.terminate(Selector(mobile_numbers=(number,)), number_rows_max=0)


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


async def test_a_new_order_covers_the_calls_that_came_with_the_dump(actors: Actors, database_dsn: str) -> None:
    async with settled_in(database_dsn):
        pass
    await grow_old(database_dsn)
    await actors.world.campaign([MANY, MANY, OTHER])
    async with restored(database_dsn) as dsn, settled_in(dsn) as translated:
        assert translated == Translated(call_count=3, list_count=0, fence_count=0)
        async with opened(dsn, actors.world) as copy:
            await fence(copy, MANY)
            assert sorted((await copy.world.statuses()).values()) == [CANCELLED, CANCELLED, REGISTERED]
            await copy.dial_all()
            assert copy.dialled == [OTHER]
            await copy.world.sweep_all(copy.supervisor)
            assert await broken_invariants(copy.store) == []


async def test_an_order_that_was_settling_covers_the_same_calls_and_no_new_one(
    actors: Actors, database_dsn: str
) -> None:
    """Four calls of one number, two orders between them; the copy gets a fifth."""
    await grow_old(database_dsn)
    first, second = await actors.world.individual_call(MANY), await actors.world.individual_call(OTHER)
    await fence(actors, MANY)
    third = await actors.world.individual_call(MANY)
    await fence(actors, MANY)
    fourth = await actors.world.individual_call(MANY)
    orders = await order_of_each_call(actors.world)
    async with restored(database_dsn) as dsn, settled_in(dsn) as translated:
        assert translated == Translated(call_count=4, list_count=0, fence_count=2)
        async with opened(dsn, actors.world) as copy:
            assert await order_of_each_call(copy.world) == orders
            fifth = await copy.world.individual_call(MANY)
            statuses = await copy.world.statuses()
            assert [statuses[call_id] for call_id in (first, third)] == [CANCELLED, CANCELLED]
            assert [statuses[call_id] for call_id in (second, fourth, fifth)] == [REGISTERED] * 3
            await copy.world.sweep_all(copy.supervisor)
            assert await copy.world.statuses() == statuses
            assert await copy.world.count("SELECT count(*) FROM number_fence") == 0
            assert await broken_invariants(copy.store) == []


async def order_of_each_call(world: World) -> object:
    async with world.store.transaction() as tx:
        rows = await tx.connection.fetch("SELECT call_id, termination_id FROM call_effective ORDER BY call_id")
    return [tuple(row) for row in rows]


async def test_a_list_that_was_being_verified_keeps_its_place_among_the_orders(
    actors: Actors, database_dsn: str
) -> None:
    """Uploaded before the order, its rows come out terminated in the copy; uploaded after it, they do not."""
    await grow_old(database_dsn)
    before = await large_lists.upload(actors.world, large_lists.contacts([LISTED, OTHER]))
    await fence(actors, LISTED)
    after = await large_lists.upload(actors.world, large_lists.contacts([LISTED]))
    async with restored(database_dsn) as dsn, settled_in(dsn) as translated:
        assert translated == Translated(call_count=0, list_count=2, fence_count=1)
        async with opened(dsn, actors.world) as copy:
            for _list in (before, after):
                assert await large_lists.verifier(copy.store).verify_next()
            async with copy.store.transaction() as tx:
                rows = await tx.connection.fetch("SELECT campaign_id, called_number, status FROM call_effective")
            assert {tuple(row) for row in rows} == {
                (before, LISTED, "cancelled"),
                (before, OTHER, "registered"),
                (after, LISTED, "registered"),
            }


async def test_a_waiting_erasure_goes_on_and_ends_no_later_call(actors: Actors, database_dsn: str) -> None:
    """A call was on the wire at the order, another came between it and the dump, a third is new in the copy."""
    await grow_old(database_dsn)
    ended = await actors.world.individual_call(MANY)
    await actors.dial_all()
    pending = await actors.world.individual_call(MANY)
    ordered = await order(actors, MANY, suppress=False)
    between = await actors.world.individual_call(MANY)
    await end_all(actors)
    async with restored(database_dsn) as dsn, settled_in(dsn) as translated:
        assert translated is not None
        async with opened(dsn, actors.world) as copy:
            new = await copy.world.individual_call(MANY)
            await carry_out(copy, ordered.erasure_id)
            statuses = await copy.world.statuses()
            assert [statuses[call_id] for call_id in (between, new)] == [REGISTERED, REGISTERED]
            assert [statuses[call_id][0] for call_id in (ended, pending)] == ["completed", "cancelled"]
            assert await copy.world.count("SELECT count(*) FROM call WHERE called_number = 'erased'") == 2


async def test_more_orders_than_a_new_cluster_has_ids(actors: Actors, database_dsn: str) -> None:
    """Each of 5,000 orders saw one call more; all of that stays so."""
    await grow_old(database_dsn)
    async with actors.store.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO termination (workspace_id, termination_id, level, selector)"
            " SELECT $1, md5(n::text)::uuid, 'numbers', '{}' FROM generate_series(1, 5000) n",
            actors.world.workspace_id,
        )
        await tx.connection.execute(
            "INSERT INTO number_fence (workspace_id, called_number, termination_id, registered_in, sub_status)"
            " SELECT $1, $2, md5(n::text)::uuid, format('%s:%s:', 10000 + n, 10000 + n)::pg_snapshot, 'USER_TERMINATED'"
            " FROM generate_series(1, 5000) n",
            actors.world.workspace_id,
            MANY,
        )
    calls = [await actors.world.individual_call(MANY) for _call in range(3)]
    async with actors.store.transaction() as tx:
        for call_id, xid in zip(calls, (10_000, 12_500, 15_000), strict=True):
            await tx.connection.execute(
                "UPDATE call SET registered_xid = $2::text::xid8 WHERE call_id = $1", call_id, str(xid)
            )
    async with restored(database_dsn) as dsn, settled_in(dsn) as translated:
        assert translated == Translated(call_count=3, list_count=0, fence_count=5000)
        async with opened(dsn, actors.world) as copy:
            new = await copy.world.individual_call(MANY)
            async with copy.store.transaction() as tx:
                rows = await tx.connection.fetch(
                    "SELECT c.call_id, count(f) FROM call c LEFT JOIN number_fence f"
                    " ON pg_visible_in_snapshot(c.registered_xid, f.registered_in) GROUP BY c.call_id"
                )
            assert dict(map(tuple, rows)) == dict(zip([*calls, new], (5000, 2500, 0, 0), strict=True))


async def test_nothing_works_on_the_copy_before_it_is_translated(actors: Actors, database_dsn: str) -> None:
    """A process that ran while its database was replaced waits for one that is started, and then goes on."""
    async with settled_in(database_dsn):
        pass
    await actors.world.campaign([MANY])
    async with restored(database_dsn) as dsn:
        with pytest.raises(DatabaseUnavailable, match="restored into another cluster"):
            await PostgresStore.connect(dsn)
        async with settled_in(dsn):
            await (await PostgresStore.connect(dsn)).close()


async def test_a_dump_of_an_older_release_is_recognised_by_its_ids(actors: Actors, database_dsn: str) -> None:
    await grow_old(database_dsn)
    await actors.world.campaign([MANY])
    async with restored(database_dsn) as dsn:
        connection = await connect_once(dsn)
        try:
            assert not await is_foreign(connection)
            assert await has_foreign_ids(connection)
            assert await settle_in(connection) == Translated(call_count=1, list_count=0, fence_count=0)
            assert not await has_foreign_ids(connection)
            assert await settle_in(connection) is None
        finally:
            await connection.close()


async def test_the_first_start_of_this_release_touches_nothing(actors: Actors, database_dsn: str) -> None:
    await actors.world.campaign([MANY, MANY, OTHER])
    await fence(actors, MANY)
    before = await ids_in(actors.world)
    async with settled_in(database_dsn) as translated:
        assert translated is None
    assert await ids_in(actors.world) == before


async def ids_in(world: World) -> object:
    async with world.store.transaction() as tx:
        calls = await tx.connection.fetch("SELECT call_id, registered_xid::text, xmin::text FROM call ORDER BY call_id")
        fences = await tx.connection.fetch("SELECT registered_in::text, xmin::text FROM number_fence")
    return [tuple(row) for row in (*calls, *fences)]


async def test_an_ended_call_with_the_id_of_a_running_transaction_is_no_new_one(actors: Actors) -> None:
    """Ended calls keep the ids of the old cluster, and this one gives the same again."""
    await actors.world.subscribe(EventType.CALL_STARTED)
    campaign_id = await actors.world.draft([MANY, OTHER])
    await actors.terminate(Selector(mobile_numbers=(MANY,)))
    started = "SELECT count(*) FROM outbox_event WHERE event_type = 'call_started'"
    before = await actors.world.count(started)
    async with actors.store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE call SET registered_xid = pg_current_xact_id() WHERE status = 'cancelled' AND campaign_id = $1",
            campaign_id,
        )
        now = SystemClock().now()
        assert await tx.campaigns.register_terminated(actors.world.workspace_id, campaign_id, 0, now) == 1
    assert await actors.world.count(started) == before + 1


async def test_somebody_who_still_writes_is_waited_for_and_then_named(actors: Actors, database_dsn: str) -> None:
    """Nothing is changed: the next start finds the same."""
    await grow_old(database_dsn)
    await actors.world.campaign([MANY])
    async with restored(database_dsn) as dsn:
        writing, starting = await connect_once(dsn), await connect_once(dsn)
        try:
            async with writing.transaction():
                await writing.execute("UPDATE call SET retries_used = 1")
                with pytest.raises(MigrationRefused, match="stop every process"):
                    await settle_in(starting, lock_wait_ms=50)
            assert await has_foreign_ids(starting)
            assert await settle_in(starting) == Translated(call_count=1, list_count=0, fence_count=0)
        finally:
            await writing.close()
            await starting.close()
