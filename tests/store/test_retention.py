"""Dropping old periods: what goes, what is kept and why, and what readers see of what is gone."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringoff.clock import SystemClock
from ringoff.domain.retention import RetentionReport
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.retention import Retention
from ringoff.store.kept import hold_calls
from ringoff.store.postgres import PostgresStore
from tests.support.database import OF_NOBODY, without_given_server
from tests.support.gates import Gates
from tests.support.past import KEEP_DAYS, NUMBER, Past, QuickClock
from tests.support.world import World

pytestmark = pytest.mark.anyio

OPEN = {"registered", "retry", "ongoing"}


@pytest.fixture
async def past(store: PostgresStore) -> Past:
    return await Past.make(store, await World.make(store))


def dropped(report: RetentionReport) -> Sequence[str]:
    return [each.period.of_table for each in report.periods if each.is_dropped]


async def test_old_periods_go_with_all_that_belongs_to_them(past: Past) -> None:
    for age_days in (90, 60):
        await past.call("completed", age_days)
    young = await past.call("completed", 0.5)
    report = await past.retain()
    assert {"call", "dial_attempt", "contact", "outbox_event", "webhook_delivery"} == set(dropped(report))
    assert await past.left() == {young}
    assert await past.rows("dial_attempt") == 1
    assert await past.rows("dropped_period") == len(dropped(report))
    again = await past.retain()
    assert dropped(again) == []


@without_given_server
async def test_a_role_that_may_drop_no_table_reports_that_and_goes_on(past: Past, database_dsn: str) -> None:
    old = await past.call("completed", 90)
    async with past.store.transaction() as tx:
        await tx.connection.execute(OF_NOBODY)
    plain = await PostgresStore.connect(f"{database_dsn}&user=owns_nothing")
    try:
        report = await Retention(plain, QuickClock(), KEEP_DAYS, tries_max=2).run()
    finally:
        await plain.close()
    assert report is not None
    assert dropped(report) == []
    assert "a role that may drop it" in str(report.periods[0].waits_for)
    assert await past.left() == {old}


@pytest.mark.parametrize("status", ["registered", "retry", "ongoing"])
async def test_an_open_call_is_kept_with_its_attempts_and_its_contact(past: Past, status: str) -> None:
    kept, _gone = await past.call(status, 90), await past.call("failed", 90)
    report = await past.retain()
    assert await past.left() == {kept}
    assert (await past.rows("call_default"), await past.rows("dial_attempt_default")) == (1, 1)
    assert await past.rows("contact_default") == 1
    assert [each.kept for each in report.periods if each.kept][:1] == [{"open calls": 1}]
    detail = "SELECT count(*) FROM call_effective v JOIN contact t USING (workspace_id, campaign_id, contact_id)"
    assert await past.world.count(detail) == 1


async def test_a_call_that_has_ended_since_is_kept_until_that_is_long_ago(past: Past) -> None:
    lately, gone = (
        await past.call("completed", 90, ended_days_ago=5),
        await past.call("completed", 90, ended_days_ago=80),
    )
    await past.retain()
    assert await past.left() == {lately}
    await past.retain(keep_days=6)
    assert await past.left() == {lately}
    report = await past.retain(keep_days=4)
    assert (await past.left(), report.deleted_count) == (set(), 2)
    assert (await past.rows("dial_attempt"), await past.rows("contact")) == (0, 0)
    assert gone not in await past.left()


async def test_what_is_not_delivered_is_kept(past: Past, store: PostgresStore) -> None:
    call_id = await past.call("completed", 90)
    async with store.transaction() as tx:
        await tx.connection.execute(
            """
            WITH told AS (
                INSERT INTO outbox_event (workspace_id, event_id, event_type, call_id, payload)
                SELECT $1, ordered_id_floor(now() - interval '90 days') + n, 'call_completed', $2, '{}'
                FROM generate_series(1, 2) n
                RETURNING event_id
            )
            INSERT INTO webhook_delivery (workspace_id, subscription_id, event_id, call_id, state)
            SELECT $1, $1, event_id, $2, CASE WHEN event_id % 2 = 0 THEN 'pending' ELSE 'delivered' END FROM told
            """,
            past.world.workspace_id,
            call_id,
        )
    await past.retain()
    assert await past.left() == {call_id}
    assert (await past.rows("outbox_event"), await past.rows("webhook_delivery")) == (1, 1)
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE webhook_delivery SET state = 'delivered'")
    await past.retain()
    assert await past.left() == set()


async def test_a_period_with_too_much_to_keep_stays_as_it_is(past: Past) -> None:
    for _ in range(3):
        await past.call("registered", 90)
    report = await past.retain(kept_max=2)
    waiting = [each for each in report.periods if each.waits_for is not None]
    assert waiting[0].waits_for == "2 or more open calls: 2 can be kept of a period that is dropped"
    assert "whose rows name its rows" in str(waiting[1].waits_for)
    assert (len(await past.left()), await past.rows("call_default"), await past.rows("contact")) == (3, 0, 3)


async def test_contacts_that_later_calls_name_are_kept(past: Past, store: PostgresStore) -> None:
    await past.call("cancelled", 90)
    async with store.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)"
            " SELECT workspace_id, campaign_id, contact_id, 1, called_number, now() FROM call"
        )
    report = await past.retain()
    assert len(await past.left()) == 1
    assert await past.rows("contact_default") == 1
    assert {"contacts of later calls": 1} in [each.kept for each in report.periods]


async def test_contacts_go_when_the_month_of_the_later_calls_goes(past: Past) -> None:
    first = await past.call_ended_by_an_order(90)
    later = await past.later_call(first, "completed", 35)
    await past.retain(keep_days=50)
    assert (await past.left(), await past.rows("contact_default")) == ({later}, 1)
    report = await past.retain(keep_days=3)
    assert (await past.left(), await past.rows("contact_default"), report.deleted_count) == (set(), 0, 1)


async def test_contacts_are_looked_for_again_after_a_run_that_died(past: Past, store: PostgresStore) -> None:
    first = await past.call_ended_by_an_order(90)
    await past.later_call(first, "completed", 35)
    await past.retain(keep_days=50)
    gates = Gates()
    gates.hold("retention.before_contacts")
    dying = asyncio.create_task(past.retain(keep_days=3, gate=gates))
    await gates.reached("retention.before_contacts")
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert (await past.left(), await past.rows("contact_default")) == (set(), 1)
    await past.retain(keep_days=3)
    assert await past.rows("contact_default") == 0


async def test_a_restart_rings_nobody_whose_later_call_went_before_the_one_that_an_order_ended(past: Past) -> None:
    first = await past.call_ended_by_an_order(85)
    for _ in range(3):
        await past.call("registered", 85)  # more than can be kept: the older month stays
    reached = await past.later_call(first, "completed", 35)
    assert await past.restart() == 0
    await past.retain(kept_max=2)
    left = await past.left()
    assert (first in left, reached in left) == (True, False)
    assert await past.restart() == 0


async def test_a_restart_rings_those_whose_call_an_order_has_ended_since_calls_were_dropped(past: Past) -> None:
    await past.call("completed", 85)
    await past.call_ended_by_an_order(85, ended_days_ago=KEEP_DAYS - 1)
    assert "call" in dropped(await past.retain())
    assert await past.restart() == 1


async def test_no_month_of_calls_goes_while_a_restart_looks(past: Past, store: PostgresStore) -> None:
    await past.call("completed", 85)
    async with store.transaction() as tx:
        kept_from = await hold_calls(tx.connection)
        report = await past.retain(tries_max=1)
        assert "call" not in dropped(report)
        assert kept_from == await hold_calls(tx.connection)


async def test_a_dry_run_says_the_same_and_changes_nothing(past: Past) -> None:
    await past.call("completed", 90)
    await past.call("retry", 60)
    looked = await past.retain(is_dry_run=True)
    assert (len(await past.left()), await past.rows("dropped_period")) == (2, 0)
    done = await past.retain()
    assert [each.period.name for each in looked.periods] == [each.period.name for each in done.periods]
    assert [each.kept for each in looked.periods if each.period.of_table == "call"] == [
        each.kept for each in done.periods if each.period.of_table == "call"
    ]
    assert [each.period.of_table for each in looked.periods if each.waits_for is not None] in ([], ["contact"])


async def test_counts_and_receipts_outlive_their_calls(past: Past, store: PostgresStore) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE campaign SET total_count = 2")
        await tx.connection.execute(
            "INSERT INTO campaign_tally SELECT workspace_id, campaign_id, 0, 2, 2, 1, 1, 0, 0 FROM campaign"
        )
    await past.call("completed", 90)
    await past.call("failed", 90)
    await past.retain()
    async with store.snapshot() as tx:
        counts = await tx.campaigns.counts(past.world.workspace_id, [past.campaign_id])
    assert (counts[past.campaign_id].completed, counts[past.campaign_id].failed) == (1, 1)
    assert await broken_invariants(store) == []


async def test_a_new_loss_is_seen_although_old_periods_are_gone(past: Past, store: PostgresStore) -> None:
    await past.call("completed", 90)
    await past.retain()
    await past.world.campaign([NUMBER])
    assert await broken_invariants(store) == []
    async with store.transaction() as tx:
        await tx.connection.execute("DELETE FROM call WHERE created_at > now() - interval '1 day'")
    assert {"no_call_is_lost", "tallies_agree_with_the_calls"} <= {rule.name for rule in await broken_invariants(store)}


async def test_long_transactions_are_waited_for_a_bounded_number_of_times(past: Past, store: PostgresStore) -> None:
    await past.call("completed", 90)
    async with store.transaction() as tx:
        await tx.connection.execute("LOCK TABLE call IN ROW EXCLUSIVE MODE")
        report = await past.retain(tries_max=2)
    assert "long transactions" in str(report.periods[0].waits_for)
    assert len(await past.left()) == 1
    assert "call" in dropped(await past.retain())


async def test_a_second_one_at_the_same_time_does_nothing(past: Past, store: PostgresStore) -> None:
    await past.call("completed", 90)
    async with store.transaction() as tx:
        assert await tx.retention.try_lock()
        report = await past.retain()
    assert report.is_another_at_work
    assert len(await past.left()) == 1


ADD_OUTCOMES = "INSERT INTO campaign_outcome SELECT $1, $2, w, $3, 'busy', 1, 0, 0 FROM unnest('{1,60}'::int[]) AS w"
ADD_LIST = """
    INSERT INTO list_upload (workspace_id, campaign_id, epoch, country_code, file_bytes, state, ended_at, faults)
    VALUES ($1, $2, 0, '+1', 1, 'verified', $3, '[{}]')
"""
ADD_SUBSCRIPTION = """
    INSERT INTO event_subscription (workspace_id, event_type, origin, callback_url, signing_secret)
    VALUES ($1, 'status_callback', 'https://h', 'https://h', 's')
    RETURNING subscription_id
"""
ADD_CALLBACK = "INSERT INTO status_callback VALUES ($1, $2, $3, 'https://h', '{}')"


async def test_addresses_of_callbacks_minutes_and_refused_rows_go_too(past: Past, store: PostgresStore) -> None:
    old = SystemClock().now() - timedelta(days=90)
    subjects = [await past.call("completed", 90), await past.call("retry", 90), past.campaign_id]
    of = (past.world.workspace_id, past.campaign_id)
    async with store.transaction() as tx:
        await tx.connection.execute(ADD_OUTCOMES, *of, old)
        await tx.connection.execute(ADD_LIST, *of, old)
        subscription_id = await tx.connection.fetchval(ADD_SUBSCRIPTION, of[0])
        for subject_id in subjects:
            await tx.connection.execute(ADD_CALLBACK, of[0], subject_id, subscription_id)
    report = await past.retain()
    assert report.deleted_count == 3
    assert await past.rows("status_callback") == 2
    assert await past.world.count("SELECT width_min FROM campaign_outcome") == 60
    assert await past.world.count("SELECT count(*) FROM list_upload WHERE faults = '[]'") == 1


async def test_a_schema_without_periods_is_left_alone(past: Past, store: PostgresStore) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute("DROP TABLE dropped_period")
        await tx.connection.execute("UPDATE campaign SET is_tallied = false")
    assert await Retention(store, QuickClock(), KEEP_DAYS).run() is None
    assert await broken_invariants(store) == []


STATUSES = st.sampled_from(["registered", "retry", "ongoing", "completed", "failed", "error", "cancelled"])
AGES = st.tuples(STATUSES, st.integers(0, 95), st.integers(0, 95))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(AGES, min_size=1, max_size=8), keep_days=st.integers(1, 90))
async def test_no_open_call_is_lost_and_none_that_has_ended_lately(
    store: PostgresStore, calls: list[tuple[str, int, int]], keep_days: int
) -> None:
    past = await Past.make(store, await World.make(store))
    must_stay, all_ids = set(), set()
    for status, age_days, days in calls:
        ended_days_ago = min(age_days, days)
        call_id = await past.call(status, age_days, ended_days_ago)
        all_ids.add(call_id)
        # A minute's doubt at the bound itself.
        if status in OPEN or ended_days_ago < keep_days:
            must_stay.add(call_id)
    await past.retain(keep_days)
    left = await past.left()
    assert must_stay <= left <= all_ids
    detail = "SELECT count(*) FROM call_effective v JOIN contact t USING (workspace_id, campaign_id, contact_id)"
    assert await past.world.count(f"{detail} WHERE v.workspace_id = $1", past.world.workspace_id) == len(left)
