"""The table of a campaign's calls: every filter, in both directions, is what a scan of all calls gives."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from ringoff.domain.call_table import CallTableFilter
from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import BEYOND_EVERY_ID, FIRST_ID, CallId, CampaignId
from ringoff.domain.termination import Selector
from ringoff.operations import call_table as operation
from ringoff.operations.call_table import call_table
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.races.conftest import Actors
from tests.store.test_plans import TODAY, YESTERDAY
from tests.support.plans import flattened, indexes, reads_whole
from tests.support.world import World

pytestmark = pytest.mark.anyio

NUMBERS = [f"+120255507{n:02}" for n in range(24)]
STATUSES = ("registered", "ongoing", "retry", "completed", "failed", "error", "cancelled")
SUB_STATUSES = ("QUEUED", "USER_TERMINATED", "RETRY_SCHEDULED", "FAILED")


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


async def campaign_of_every_status(actors: Actors) -> CampaignId:
    """Also calls that an unsettled order by numbers has ended."""
    world = actors.world
    campaign_id = await world.campaign(NUMBERS)
    await world.campaign(NUMBERS[:5], agent_id=await world.another_agent())
    for sip_status in (200, 486, 404, None):
        for work, calls in await world.claim(actors.supervisor, 4):
            await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())
        if sip_status is None:
            break
        async with actors.settling():
            for attempt_id in list(actors.supervisor.settler.live):
                actors.carrier.ends(attempt_id, sip_status, was_answered=sip_status == 200)
            await actors.all_settled()
    waiting = sorted(
        number for number, (status, _) in (await world.status_by_number()).items() if status == "registered"
    )
    await actors.terminate(Selector(campaign_id=campaign_id, mobile_numbers=tuple(waiting[:2])))
    await actors.terminate(Selector(campaign_id=campaign_id, mobile_numbers=tuple(waiting[2:5])), number_rows_max=0)
    return campaign_id


async def walked(actors: Actors, wanted: CallTableFilter) -> list[CallId]:
    """Down to the last page, and up again page by page: both walks see the same."""
    down: list[list[CallId]] = []
    below: CallId | None = None
    while True:
        asked = CallTableFilter(**{**_fields(wanted), "below": below})
        page = await call_table(actors.store, actors.world.principal, asked)
        down.append([call.call_id for call in page.calls])
        if page.older is None:
            break
        below = page.older
    up: list[list[CallId]] = []
    newer = page.newer
    while newer is not None:
        page = await call_table(
            actors.store, actors.world.principal, CallTableFilter(**{**_fields(wanted), "above": newer})
        )
        up.append([call.call_id for call in page.calls])
        newer = page.newer
    flat = [call_id for rows in down for call_id in rows]
    assert [call_id for rows in reversed(up) for call_id in rows] == flat[: len(flat) - len(down[-1])]
    assert all(earlier > later for earlier, later in pairwise(flat))
    return flat


def _fields(wanted: CallTableFilter) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in CallTableFilter.__dataclass_fields__}


async def expected(actors: Actors, campaign_id: CampaignId, condition: str, *arguments: object) -> Sequence[CallId]:
    async with actors.store.transaction() as tx:
        rows = await tx.connection.fetch(
            f"SELECT call_id FROM call_effective WHERE campaign_id = $1 AND {condition} ORDER BY call_id DESC",
            campaign_id,
            *arguments,
        )
    return [row["call_id"] for row in rows]


async def test_every_filter_both_ways(actors: Actors, monkeypatch: pytest.MonkeyPatch) -> None:
    # A page of the scan sees five calls: it has few rows, or none, and goes on.
    monkeypatch.setattr(operation, "LOOKED_MAX", 5)
    campaign_id = await campaign_of_every_status(actors)
    for is_fenced in (False, True):
        if is_fenced:
            await actors.terminate(Selector(campaign_id=campaign_id))
        for limit in (3, 100):
            of: dict[str, Any] = {"campaign_id": campaign_id, "limit": limit}
            assert await walked(actors, CallTableFilter(**of)) == await expected(actors, campaign_id, "true")
            for status in STATUSES:
                wanted = CallTableFilter(**of, status=status)
                assert await walked(actors, wanted) == await expected(actors, campaign_id, "status = $2", status), (
                    status
                )
            for sub_status in SUB_STATUSES:
                wanted = CallTableFilter(**of, sub_status=sub_status)
                condition = "sub_status = $2"
                assert await walked(actors, wanted) == await expected(actors, campaign_id, condition, sub_status)
        wanted = CallTableFilter(campaign_id=campaign_id, status="cancelled", called_number=NUMBERS[20], limit=3)
        condition = "status = 'cancelled' AND called_number = $2"
        assert await walked(actors, wanted) == await expected(actors, campaign_id, condition, NUMBERS[20])


async def test_a_stranger_and_a_contradiction_are_refused(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS[:2])
    stranger = await World.make(actors.store)
    with pytest.raises(NotFound):
        await call_table(actors.store, stranger.principal, CallTableFilter(campaign_id=campaign_id))
    some = CallId(campaign_id)
    for wrong in (
        CallTableFilter(campaign_id=campaign_id, below=some, above=some),
        CallTableFilter(campaign_id=campaign_id, called_number="12"),
    ):
        with pytest.raises(InvalidInput):
            await call_table(actors.store, actors.world.principal, wrong)


@pytest.mark.parametrize(
    ("name", "more", "index"),
    [
        ("newer", (), "call_by_campaign"),
        ("newer_ongoing", (), "call_ongoing"),
        ("newer_ended", ("completed",), "call_ended"),
        ("newer_pending", ("registered",), "call_waiting"),
        ("newer_cancelled", (), "call_ended"),
        ("look_older", ("FAILED", None, None, 50), "call_by_campaign"),
        ("look_newer", ("FAILED", None, None, 50), "call_by_campaign"),
    ],
)
async def test_a_page_walks_its_index(store: PostgresStore, name: str, more: tuple[object, ...], index: str) -> None:
    world = await World.make(store)
    campaign_id = await world.campaign(NUMBERS[:1])
    lowest, beyond = FIRST_ID, BEYOND_EVERY_ID
    async with store.transaction() as tx:
        for _ in range(3):
            await tx.connection.execute(YESTERDAY, world.workspace_id, uuid4())
        await tx.connection.execute(TODAY, world.workspace_id, campaign_id)
        await tx.connection.execute("ANALYZE")
        await tx.history.for_pages(10_000)
        nodes = await flattened(
            tx.connection,
            f"EXPLAIN (FORMAT JSON) {load('call_table')[name]}",
            world.workspace_id,
            campaign_id,
            lowest,
            beyond,
            50,
            *more,
        )
    assert index in indexes(nodes)
    assert not reads_whole(nodes, "call")
