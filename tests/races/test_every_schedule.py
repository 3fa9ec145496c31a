"""Not some interleavings but all: every order of the steps of two or three actors, for each way to select.

The counts are exact on purpose: a gate that is gone, or a lock that is wider or narrower than it was, shows as another
number of schedules. Who changes one of them says so here.
"""

import pytest

from tests.races import casts
from tests.races.scheduled import BY_EPOCH, FENCED, FIRST, SECOND, WAYS, Cast, play_all

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]


def count_of(way: str, by_epoch: int, by_number_fence: int, by_rows: int) -> int:
    """The three kinds of orders have different steps: fenced numbers first look whether rows would do."""
    return by_epoch if way in BY_EPOCH else by_number_fence if way in FENCED else by_rows


async def all_is_well(dsn: str, cast: Cast, schedule_count: int, numbers: tuple[str, ...] = (FIRST, SECOND)) -> None:
    verdict = await play_all(dsn, cast, numbers)
    assert verdict.summary == {}
    assert verdict.schedule_count == schedule_count, "the race has other steps, or other locks, than it had"


@pytest.mark.parametrize("way", WAYS)
async def test_a_dial_against_an_order(database_dsn: str, way: str) -> None:
    await all_is_well(database_dsn, casts.dial_against_order(way), count_of(way, 23, 36, 25))


@pytest.mark.parametrize("way", WAYS)
async def test_a_batch_against_an_order(database_dsn: str, way: str) -> None:
    """Both calls in one permit: the order comes before it and covers both, or after it and finds nothing."""
    await all_is_well(database_dsn, casts.dial_against_order(way, count_max=2), count_of(way, 30, 46, 32))


@pytest.mark.parametrize("way", WAYS)
async def test_an_outcome_against_an_order(database_dsn: str, way: str) -> None:
    await all_is_well(database_dsn, casts.outcome_against_order(way), count_of(way, 35, 47, 14))


@pytest.mark.parametrize("way", ["agent", "campaign", "calls", "numbers of a campaign, fence"])
async def test_the_outcome_of_the_only_call_against_an_order(database_dsn: str, way: str) -> None:
    """While it is on the wire, there is nothing to terminate."""
    await all_is_well(database_dsn, casts.outcome_against_order(way), count_of(way, 20, 29, 17), (FIRST,))


@pytest.mark.parametrize("way", ["campaign", "numbers, fence"])
async def test_an_outcome_against_an_order_and_a_sweep(database_dsn: str, way: str) -> None:
    await all_is_well(database_dsn, casts.outcome_against_order_and_sweep(way), count_of(way, 214, 339, 0))


@pytest.mark.parametrize("way", FENCED)
async def test_a_permit_against_a_sweep(database_dsn: str, way: str) -> None:
    await all_is_well(database_dsn, casts.permit_against_sweep(way), 29)


@pytest.mark.parametrize("way", FENCED)
async def test_an_outcome_against_a_sweep(database_dsn: str, way: str) -> None:
    await all_is_well(database_dsn, casts.outcome_against_sweep(way), count_of(way, 14, 12, 0))


@pytest.mark.parametrize("was_dialled", [False, True], ids=["claimed", "dialled"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_rescue_against_an_order(database_dsn: str, way: str, was_dialled: bool) -> None:
    cast = casts.rescue_against_order(way, was_dialled=was_dialled)
    await all_is_well(database_dsn, cast, count_of(way, 19, 28, 17))


@pytest.mark.parametrize("dialled_count", [0, 1])
@pytest.mark.parametrize(
    ("ways", "schedule_count"),
    [
        pytest.param(("campaign", "campaign"), 6, id="the same campaign"),
        pytest.param(("campaign", "agent"), 14, id="campaign and agent"),
        pytest.param(("campaign", "numbers, rows"), 10, id="campaign and numbers in rows"),
        pytest.param(("campaign", "numbers, fence"), 35, id="campaign and fenced numbers"),
        pytest.param(("numbers, fence", "numbers, fence"), 24, id="fenced numbers twice"),
        pytest.param(("numbers, fence", "numbers, rows"), 12, id="fenced numbers and numbers in rows"),
        pytest.param(("calls", "numbers, rows"), 4, id="calls and numbers in rows"),
    ],
)
async def test_two_orders(database_dsn: str, ways: tuple[str, str], schedule_count: int, dialled_count: int) -> None:
    cast = casts.two_orders(ways, dialled_count)
    await all_is_well(database_dsn, cast, schedule_count)
