"""The history against plain reads of the view: every mix of filters, behind fences too, by page, cursor and export."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringoff.domain.call import CallStatus
from ringoff.domain.errors import DatabaseUnavailable, InvalidInput
from ringoff.domain.identifiers import AgentId, CallId, CampaignId, first_id_at
from ringoff.domain.records import AnalyticsFilter, CallFilter
from ringoff.domain.termination import Selector
from ringoff.operations import analytics, insights
from ringoff.operations.insights import ExportFilter
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.support.world import CALLING_NUMBER, World

pytestmark = pytest.mark.anyio

NUMBERS = [f"+120255503{n:02}" for n in range(10)]
BEGAN_AT = datetime(2026, 3, 1, tzinfo=UTC)

# Each status in each campaign, an hour between two calls, so that the campaigns' ids lie between each other's.
CALLS = """
    INSERT INTO call (
        workspace_id, call_id, campaign_id, contact_id, epoch, called_number, status, next_attempt_at, last_attempt_at,
        ended_at, created_at, voicemail_detected
    )
    SELECT $1, (left(ordered_uuid_floor(t.at)::text, 15) || right(gen_random_uuid()::text, 21))::uuid, p.campaign_id,
        p.contact_id, $3, p.called_number, s.status,
        CASE WHEN s.status IN ('registered', 'retry') THEN now() END,
        CASE WHEN s.status <> 'registered' THEN now() END,
        CASE WHEN s.status IN ('completed', 'failed', 'error', 'cancelled') THEN now() END,
        t.at, s.status = 'completed' AND n.position % 2 = 1
    FROM unnest($2::uuid[]) WITH ORDINALITY AS k (campaign_id, position)
    JOIN contact p ON p.workspace_id = $1 AND p.campaign_id = k.campaign_id
    CROSS JOIN LATERAL (SELECT right(p.called_number, 2)::int AS position) n
    CROSS JOIN LATERAL (SELECT ($5::text[])[1 + n.position % cardinality($5::text[])] AS status) s
    CROSS JOIN LATERAL (SELECT $4::timestamptz + interval '1 hour' * (n.position * 10 + k.position) AS at) t
"""


class Past:
    """A world whose calls have seen everything: each status, two fences that no sweeper has settled, a new epoch."""

    def __init__(self, world: World, agents: Sequence[AgentId], campaigns: Sequence[CampaignId]) -> None:
        self.world, self.agents, self.campaigns = world, agents, campaigns

    @classmethod
    async def make(cls, store: PostgresStore) -> "Past":
        world = await World.make(store)
        other = await world.another_agent()
        campaigns = [await world.campaign(NUMBERS, agent_id=agent) for agent in (world.agent_id, world.agent_id, other)]
        await world.individual_call(NUMBERS[0])
        await world.individual_call(NUMBERS[9], agent_id=other)
        await cls._add(world, campaigns, 0, BEGAN_AT, list(CallStatus))
        await terminate(store, world.principal, Selector(campaign_id=campaigns[1]))
        await terminate(store, world.principal, Selector(mobile_numbers=(NUMBERS[0], NUMBERS[2])), number_rows_max=0)
        await cls._add(world, campaigns[1:2], 1, BEGAN_AT + timedelta(days=20), ["registered", "retry", "completed"])
        # A stranger's calls of the same numbers and moments.
        stranger = await World.make(store)
        await cls._add(stranger, [await stranger.campaign(NUMBERS)], 0, BEGAN_AT, list(CallStatus))
        return cls(world, [world.agent_id, other], campaigns)

    @staticmethod
    async def _add(
        world: World, campaigns: Sequence[CampaignId], epoch: int, at: datetime, statuses: Sequence[str]
    ) -> None:
        async with world.store.transaction() as tx:
            await tx.connection.execute(CALLS, world.workspace_id, campaigns, epoch, at, statuses)

    async def expected(self, wanted: CallFilter) -> list[UUID]:
        """What the view says, read whole."""
        async with self.world.store.transaction() as tx:
            rows = await tx.connection.fetch(
                "SELECT * FROM call_effective WHERE workspace_id = $1 ORDER BY call_id DESC", self.world.workspace_id
            )
        return [
            row["call_id"]
            for row in rows
            if wanted.status in (None, row["status"])
            and (wanted.agent_ids is None or row["agent_id"] in wanted.agent_ids)
            and (wanted.campaign_id is None or (row["campaign_id"] == wanted.campaign_id and row["kind"] == "list"))
            and (wanted.start_at is None or row["call_id"] >= first_id_at(wanted.start_at))
            and (wanted.end_at is None or row["call_id"] < first_id_at(wanted.end_at + timedelta(milliseconds=1)))
        ]


@pytest.fixture
async def past(store: PostgresStore) -> Past:
    return await Past.make(store)


@pytest.mark.parametrize("status", [None, *CallStatus], ids=str)
async def test_every_mix_of_filters_finds_what_the_view_says(past: Past, status: CallStatus | None) -> None:
    store, principal = past.world.store, past.world.principal
    stranger = (AgentId(uuid4()),)
    found_count = 0
    for agents, campaign_id, (start_at, end_at) in product(
        (None, past.agents[:1], past.agents, stranger),
        (None, past.campaigns[0], past.campaigns[1], CampaignId(uuid4())),
        ((None, None), (BEGAN_AT + timedelta(hours=21), BEGAN_AT + timedelta(hours=63))),
    ):
        wanted = CallFilter(
            start_at=start_at, end_at=end_at, agent_ids=agents, campaign_id=campaign_id, status=status, limit=1000
        )
        expected = await past.expected(wanted)
        page = await insights.history(store, principal, wanted)
        assert [call.call_id for call in page.calls] == expected, wanted
        assert (page.total.count, page.total.is_exact) == (len(expected), True)
        assert {call.status for call in page.calls} <= ({status} if status else set(CallStatus))
        second = await insights.history(store, principal, replace(wanted, limit=3, offset=2))
        assert [call.call_id for call in second.calls] == expected[2:5], "a page in the middle"
        assert second.total == page.total
        found_count += len(expected)
    assert found_count, "the world has calls of each status"


@pytest.mark.parametrize("status", [None, CallStatus.REGISTERED, CallStatus.CANCELLED, CallStatus.COMPLETED], ids=str)
async def test_a_walk_by_cursor_meets_each_call_once(past: Past, status: CallStatus | None) -> None:
    wanted, walked = CallFilter(status=status, limit=4), list[CallId]()
    while page := await insights.list_calls(past.world.store, past.world.principal, wanted):
        walked += [call.call_id for call in page]
        wanted = replace(wanted, below=page[-1].call_id)
    assert walked == await past.expected(CallFilter(status=status))


async def test_the_counts_by_status_add_up(past: Past) -> None:
    by_status = await insights.counts(past.world.store, past.world.principal, CallFilter())
    assert {status: len(await past.expected(CallFilter(status=status))) for status in CallStatus} == by_status


async def test_a_total_beyond_what_is_counted_says_so(past: Past) -> None:
    campaign_id = past.campaigns[0]
    async with past.world.store.snapshot() as tx:
        every = await tx.history.count(past.world.workspace_id, CallFilter(), 5)
        cancelled = await tx.history.count(past.world.workspace_id, CallFilter(status="cancelled"), 5)
        one = await tx.history.count(past.world.workspace_id, CallFilter(campaign_id=campaign_id), 5)
        narrowed = await tx.history.count(
            past.world.workspace_id, CallFilter(campaign_id=campaign_id, start_at=BEGAN_AT), 5
        )
        exactly = await tx.history.count(
            past.world.workspace_id, CallFilter(campaign_id=campaign_id), len(await past.expected(CallFilter()))
        )
    for counted in (every, cancelled, narrowed):
        assert (counted.count, counted.is_exact) == (6, False)
    # The upload's own count; the rows that this test added by hand are not in it.
    assert (one.count, one.is_exact) == (len(NUMBERS), True)
    assert (exactly.count, exactly.is_exact) == (2 * len(NUMBERS), True)


async def test_an_offset_that_is_too_deep_is_refused(past: Past) -> None:
    store, principal = past.world.store, past.world.principal
    assert (await insights.history(store, principal, CallFilter(offset=insights.OFFSET_MAX))).calls == []
    with pytest.raises(InvalidInput, match="offset must be at most 10000"):
        await insights.history(store, principal, CallFilter(offset=insights.OFFSET_MAX + 1))


@pytest.mark.parametrize("page_size", [1, 3, 500])
async def test_an_export_gives_what_matches_whatever_the_pages(
    past: Past, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    monkeypatch.setattr(insights, "EXPORT_PAGE_MAX", page_size)
    everything = await exported(past, CallFilter(limit=1000), ExportFilter())
    assert [call.call_id for call in everything] == await past.expected(CallFilter())
    completed = CallFilter(status="completed", limit=1000)
    by_voicemail = [await exported(past, completed, ExportFilter(voicemail_detected=left)) for left in (True, False)]
    assert [len(calls) > 0 for calls in by_voicemail] == [True, True]
    assert sorted(call.call_id for calls in by_voicemail for call in calls) == sorted(await past.expected(completed))
    to_one = await exported(past, CallFilter(limit=1000), ExportFilter(called_number=NUMBERS[4]))
    assert [call.call_id for call in to_one] == [c.call_id for c in everything if c.called_number == NUMBERS[4]]
    part = await exported(past, CallFilter(limit=2, offset=1), ExportFilter(called_number=NUMBERS[4]))
    assert part == to_one[1:3]
    [one] = await exported(past, CallFilter(call_id=to_one[0].call_id), ExportFilter())
    assert one == to_one[0]
    assert await exported(past, CallFilter(limit=9), ExportFilter(calling_number="+12025550999")) == []
    assert len(await exported(past, CallFilter(limit=9), ExportFilter(calling_number=CALLING_NUMBER))) == 9


async def exported(past: Past, wanted: CallFilter, also: ExportFilter) -> list[Any]:
    return [
        call async for page in insights.export(past.world.store, past.world.principal, wanted, also) for call in page
    ]


async def test_the_calling_numbers_are_those_that_attempts_have_shown(store: PostgresStore) -> None:
    world = await World.make(store)
    await world.campaign([NUMBERS[0]])
    [call_id] = await world.statuses()
    assert (await insights.list_calls(store, world.principal, CallFilter()))[0].calling_numbers == [CALLING_NUMBER]
    async with store.transaction() as tx:
        for minute, number in enumerate(["+12025550142", "+12025550141", "+12025550142"]):
            await tx.connection.execute(
                ATTEMPT, world.workspace_id, call_id, world.campaigns[0], world.trunk_id, number,
                BEGAN_AT + timedelta(minutes=minute), None,
            )  # fmt: skip
    shown = (await insights.list_calls(store, world.principal, CallFilter()))[0].calling_numbers
    assert shown == ["+12025550142", "+12025550141"]


ATTEMPT = """
    INSERT INTO dial_attempt (
        workspace_id, attempt_id, call_id, campaign_id, trunk_id, owner_id, state, lease_until, calling_number,
        prepared_at, originated_at, answered_at, released_at, disposition
    )
    SELECT $1, (left(ordered_uuid_floor($6)::text, 15) || right(gen_random_uuid()::text, 21))::uuid, $2, $3, $4,
        gen_random_uuid(), 'released', $6, $5, $6, $6, CASE WHEN $7::interval IS NOT NULL THEN $6::timestamptz END,
        $6 + coalesce($7, interval '0 s'), CASE WHEN $7 IS NULL THEN 'busy' ELSE 'answered' END
"""


async def test_analytics_sum_calls_and_attempts_of_their_days(past: Past) -> None:
    world = past.world
    talks = [None, timedelta(seconds=9.5), timedelta(seconds=10), timedelta(seconds=400)]
    async with world.store.transaction() as tx:
        for n, (talk, number) in enumerate(product(talks, [CALLING_NUMBER, "+12025550142"])):
            if n != 7:
                await tx.connection.execute(
                    ATTEMPT, world.workspace_id, uuid4(), past.campaigns[n % 3], world.trunk_id, number,
                    BEGAN_AT + timedelta(hours=n), talk,
                )  # fmt: skip
    days = analytics.range_of_days(BEGAN_AT.date(), BEGAN_AT.date() + timedelta(days=2), date(2026, 5, 1))
    wanted = AnalyticsFilter(*days)
    found = await analytics.performance(world.store, world.principal, wanted)
    in_days = CallFilter(start_at=days[0], end_at=days[1] - timedelta(milliseconds=1))
    assert found.calls_by_status == {
        status: len(await past.expected(replace(in_days, status=status))) for status in CallStatus
    }
    assert found.calls_by_status["cancelled"], "what is behind fences is cancelled here too"
    assert (found.attempts.attempts, found.attempts.answered) == (7, 5)
    assert found.attempts.by_disposition == {"answered": 5, "busy": 2}
    assert found.attempts.talk_s == 9.5 + 9.5 + 10 + 10 + 400
    assert (found.attempts.asr, found.attempts.acd_s) == (round(5 / 7, 4), round(439 / 5, 3))
    by_number = await analytics.by_number(world.store, world.principal, wanted)
    assert [(number, sums.attempts, sums.answered) for number, sums in by_number] == [
        (CALLING_NUMBER, 4, 3),
        ("+12025550142", 3, 2),
    ]
    assert await analytics.by_duration(world.store, world.principal, wanted) == [2, 2, 0, 0, 0, 1]
    of_campaign = replace(wanted, campaign_id=past.campaigns[2])
    narrowed = await analytics.performance(world.store, world.principal, of_campaign)
    assert (narrowed.attempts.attempts, sum(narrowed.calls_by_status.values())) == (2, len(
        await past.expected(replace(in_days, campaign_id=past.campaigns[2]))
    ))  # fmt: skip
    nobody = await analytics.performance(world.store, world.principal, replace(wanted, agent_id=AgentId(uuid4())))
    assert (nobody.attempts.attempts, nobody.attempts.asr, nobody.attempts.acd_s) == (0, None, None)
    left = await analytics.performance(world.store, world.principal, replace(wanted, voicemail_detected=True))
    assert left.attempts.attempts == 0
    assert sum(left.calls_by_status.values()) == left.calls_by_status["completed"] > 0


async def test_a_sum_that_takes_too_long_is_ended_by_the_database(past: Past) -> None:
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        async with past.world.store.snapshot() as tx:
            await tx.history.for_sums(1)
            await tx.connection.execute("SELECT pg_sleep(60)")


def test_the_days_of_analytics() -> None:
    today = date(2026, 5, 31)
    assert analytics.range_of_days(None, None, today) == (
        datetime(2026, 5, 1, tzinfo=UTC),
        datetime(2026, 6, 1, tzinfo=UTC),
    )
    one_day = analytics.range_of_days(today, today, today)
    assert one_day[1] - one_day[0] == timedelta(days=1)
    widest = analytics.range_of_days(today - timedelta(days=92), today, today)
    assert widest[1] - widest[0] == timedelta(days=analytics.DAYS_MAX)
    for start, end, field in (
        (today - timedelta(days=93), today, "start_date"),
        (today, today - timedelta(days=1), "start_date"),
        (None, date.min, "end_date"),
        (None, date.max, "end_date"),
    ):
        with pytest.raises(InvalidInput) as refused:
            analytics.range_of_days(start, end, today)
        assert refused.value.field == field
