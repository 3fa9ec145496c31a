"""Calls of three ages lie in three partitions, and nobody can tell: not an order, not a page, not a claim."""

import pytest

from ringoff.dispatch.coming_partitions import make_coming_partitions
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.records import CallFilter
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.insights import history
from ringoff.operations.receipts import preview, receipt_with_calls
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.support.database import OF_NOBODY, without_given_server
from tests.support.plans import EARLIER_PARTITIONS
from tests.support.world import World

pytestmark = pytest.mark.anyio

OLDEST, OLD, NEW = "+12025550111", "+12025550112", "+12025550113"
# Older than any partition, and older than this month.
AGES = {OLDEST: 400, OLD: 40}
AGED = """
    UPDATE call
    SET call_id = (left(ordered_uuid_floor(t.at)::text, 15) || right(call_id::text, 21))::uuid
    FROM (SELECT now() - make_interval(days => $2) AS at) t
    WHERE called_number = $1
"""
PLACES = "SELECT DISTINCT tableoid::regclass::text FROM call ORDER BY 1"


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    async with store.transaction() as tx:
        await tx.connection.execute(EARLIER_PARTITIONS)
    return Actors(store, await World.make(store))


async def aged(store: PostgresStore) -> None:
    """Move the calls to where they would lie if they had been registered so long ago."""
    async with store.transaction() as tx:
        for number, days in AGES.items():
            await tx.connection.execute(AGED, number, days)
        places = [row[0] for row in await tx.connection.fetch(PLACES)]
    assert "call_default" in places
    assert len(places) == 3


async def campaign_of_all_ages(actors: Actors) -> CampaignId:
    campaign_id = await actors.world.campaign([OLDEST, OLD, NEW])
    await aged(actors.store)
    return campaign_id


async def test_calls_of_every_age_are_dialled_and_settled(actors: Actors) -> None:
    await campaign_of_all_ages(actors)
    await actors.dial_all()
    assert set(actors.dialled) == {OLDEST, OLD, NEW}
    async with actors.settling():
        for request in actors.carrier.wire:
            actors.carrier.answers(request.attempt_id)
            actors.carrier.ends(request.attempt_id, 200, was_answered=True)
        await actors.all_settled()
    assert {status for status, _ in (await actors.world.statuses()).values()} == {"completed"}
    assert await broken_invariants(actors.store) == []


@pytest.mark.parametrize("level", ["campaign", "agent", "calls", "numbers", "fenced numbers"])
async def test_an_order_covers_calls_of_every_age_and_no_other(actors: Actors, level: str) -> None:
    world = actors.world
    campaign_id = await world.campaign([OLDEST, OLD, NEW])
    others = await world.campaign(["+12025550121", "+12025550122"], agent_id=await world.another_agent())
    await aged(actors.store)
    ids = await world.call_ids()
    selector = {
        "campaign": Selector(campaign_id=campaign_id),
        "agent": Selector(agent_id=world.agent_id),
        "calls": Selector(call_ids=tuple(ids[number] for number in (OLDEST, OLD, NEW))),
    }.get(level, Selector(mobile_numbers=(OLDEST, OLD, NEW)))
    looked = await preview(actors.store, world.principal, TerminationOrder(selector))
    assert looked.counts.registered == 3
    options = {"number_rows_max": 1} if level == "fenced numbers" else {}
    termination_id = await actors.terminate(selector, **options)
    assert {n: s for n, (s, _) in (await world.status_by_number()).items() if s == "cancelled"}.keys() == {
        OLDEST, OLD, NEW,
    }  # fmt: skip
    _, before = await receipt_with_calls(actors.store, world.principal, termination_id, None, 10)
    await world.sweep_all(actors.supervisor)
    _, after = await receipt_with_calls(actors.store, world.principal, termination_id, None, 10)
    assert [c.call_id for c in before] == [c.call_id for c in after] == sorted(ids[n] for n in (OLDEST, OLD, NEW))
    receipt = await actors.receipt(termination_id)
    assert (receipt.state, receipt.cancelled_count) == ("settled", 3)
    assert await broken_invariants(actors.store) == []
    await actors.dial_all()
    assert set(actors.dialled) == {"+12025550121", "+12025550122"}
    assert others != campaign_id


async def test_the_sweeper_takes_no_row_of_another_partition_that_lies_in_the_same_place(actors: Actors) -> None:
    """The first row of each partition has the same place (ctid): what is named by it alone is every partition's."""
    world = actors.world
    for number in (OLDEST, OLD, NEW):
        await world.campaign([number])
    await aged(actors.store)
    places = "SELECT count(DISTINCT ctid) FROM (SELECT DISTINCT ON (tableoid) ctid FROM call ORDER BY tableoid, ctid) c"
    async with actors.store.transaction() as tx:
        # Each partition anew, from its first place on.
        await tx.connection.execute("CREATE TEMPORARY TABLE kept ON COMMIT DROP AS TABLE call")
        await tx.connection.execute("TRUNCATE call")
        await tx.connection.execute("INSERT INTO call SELECT * FROM kept")
    assert await world.count(places) == 1
    await actors.terminate(Selector(campaign_id=world.campaigns[1]))
    await world.sweep_all(actors.supervisor)
    assert {n: s for n, (s, _) in (await world.status_by_number()).items()} == {
        OLDEST: "registered", OLD: "cancelled", NEW: "registered",
    }  # fmt: skip


async def test_the_history_goes_through_the_partitions_newest_first(actors: Actors) -> None:
    await campaign_of_all_ages(actors)
    pages = [
        await history(actors.store, actors.world.principal, CallFilter(limit=1, offset=offset)) for offset in range(3)
    ]
    assert [[call.called_number for call in page.calls] for page in pages] == [[NEW], [OLD], [OLDEST]]


async def test_a_late_partition_takes_its_rows_out_of_the_default_one(store: PostgresStore) -> None:
    actors = Actors(store, await World.make(store))
    world = actors.world
    campaign_id = await world.campaign([OLD, NEW])
    async with store.transaction() as tx:
        await tx.connection.execute(AGED, OLD, 40)
        assert await tx.connection.fetchval("SELECT count(*) FROM call_default") == 1
        before = await tx.connection.fetch("SELECT * FROM call ORDER BY call_id")
        await tx.connection.execute(EARLIER_PARTITIONS)
        assert await tx.connection.fetchval("SELECT count(*) FROM call_default") == 0
        assert await tx.connection.fetch("SELECT * FROM call ORDER BY call_id") == before
    await actors.terminate(Selector(campaign_id=campaign_id))
    await world.sweep_all(actors.supervisor)
    assert {status for status, _ in (await world.raw_statuses()).values()} == {"cancelled"}


DROPPED = """
    SELECT format('DROP TABLE %s', i.inhrelid::regclass)
    FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhparent AND p.relname IN (SELECT name FROM partitioned_tables())
    WHERE i.inhrelid::regclass::text NOT LIKE '%default'
"""


async def test_coming_partitions_are_made_once_and_wait_for_nobody(store: PostgresStore) -> None:
    world = await World.make(store)
    async with store.transaction() as tx:
        for row in await tx.connection.fetch(DROPPED):
            await tx.connection.execute(row[0])
    await world.campaign([NEW])
    async with store.transaction() as reader:
        # Somebody reads the default partition of calls, for long.
        await reader.connection.fetch("SELECT FROM call")
        made = await make_coming_partitions(store)
    assert await world.count("SELECT count(*) FROM call_default") == 1
    assert made > 0
    assert await make_coming_partitions(store) > 0
    assert await world.count("SELECT count(*) FROM call_default") == 0
    assert await make_coming_partitions(store) == 0
    assert {status for status, _ in (await world.statuses()).values()} == {"registered"}


@without_given_server
async def test_a_role_that_may_make_no_table_goes_on_without_new_partitions(
    store: PostgresStore, database_dsn: str
) -> None:
    """What it writes lies in the default ones, until somebody who may has made them."""
    async with store.transaction() as tx:
        for row in await tx.connection.fetch(DROPPED):
            await tx.connection.execute(row[0])
        await tx.connection.execute(OF_NOBODY)
    plain = await PostgresStore.connect(f"{database_dsn}&user=owns_nothing")
    try:
        assert await make_coming_partitions(plain) == 0
        assert await make_coming_partitions(store) > 0
    finally:
        await plain.close()


async def test_ids_of_contacts_and_events_tell_their_day_and_keep_their_order(store: PostgresStore) -> None:
    world = await World.make(store)
    for sequence in ("contact_ids", "event_ids"):
        async with store.transaction() as tx:
            await tx.connection.execute(f"SELECT setval('{sequence}', 7)")
    await world.draft([OLD])
    await make_coming_partitions(store)
    await world.draft([NEW])
    async with store.transaction() as tx:
        rows = await tx.connection.fetch(
            "SELECT called_number, contact_id, ordered_id_floor(now()) AS low,"
            " ordered_id_floor(now() + interval '1 day') AS high FROM contact ORDER BY contact_id"
        )
    assert [row["called_number"] for row in rows] == [OLD, NEW]
    assert rows[0]["contact_id"] == 8
    assert rows[1]["low"] <= rows[1]["contact_id"] < rows[1]["high"] < 2**53
