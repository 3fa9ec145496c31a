"""The tests of all schedules can fail: each build here lacks one thing that keeps the promise, and is found out."""

import pytest

from ringoff.store import dispatch, terminations
from tests.races import casts
from tests.races.broken import NO_ORDER_LOCK, NO_PERMIT_LOCK, build_without
from tests.races.scheduled import FENCED, WAYS, Cast, play_all

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]


async def is_found(dsn: str, cast: Cast, words: str) -> bool:
    return any(words in what for what in (await play_all(dsn, cast, stops_at=words)).summary)


@pytest.mark.parametrize("way", FENCED)
async def test_permits_without_a_lock(database_dsn: str, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    build_without(monkeypatch, dispatch, "lock_for_permit", NO_PERMIT_LOCK)
    assert await is_found(database_dsn, casts.dial_against_order(way), "was dialled after the order")


async def test_orders_without_a_lock(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build_without(monkeypatch, terminations, "lock_exclusive", NO_ORDER_LOCK)
    assert await is_found(database_dsn, casts.dial_against_order("campaign"), "was dialled after the order")


@pytest.mark.parametrize("way", sorted(WAYS.keys() - FENCED))
async def test_outcomes_that_ignore_the_order(database_dsn: str, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    build_without(monkeypatch, dispatch, "settle", "AND false THEN", instead_of="AND j.is_fenced THEN")
    assert await is_found(database_dsn, casts.outcome_against_order(way), "a covered call ended retry")


@pytest.mark.parametrize("way", FENCED)
async def test_outcomes_that_ignore_a_fence(database_dsn: str, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Once the sweeper has closed the fence, nobody would come back for a call that is put back into the queue."""
    build_without(monkeypatch, dispatch, "settle", "AND false THEN", instead_of="AND j.is_fenced THEN")
    assert await is_found(database_dsn, casts.outcome_against_sweep(way), "a covered call ended retry")


@pytest.mark.parametrize("way", ["campaign", "numbers, fence"])
async def test_outcomes_that_do_not_count_what_the_sweeper_has_not_marked(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    marked = "f.termination_id IS NOT NULL AND NOT j.retry_barred AND j.status_before = 'ongoing' AS is_newly_barred"
    build_without(monkeypatch, dispatch, "settle", "false AS is_newly_barred", instead_of=marked)
    assert await is_found(database_dsn, casts.outcome_against_sweep(way), "and its receipt says")


async def test_rescues_without_a_lock(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build_without(monkeypatch, dispatch, "lock_for_permit", NO_PERMIT_LOCK)
    cast = casts.rescue_against_order("campaign", was_dialled=False)
    assert await is_found(database_dsn, cast, "a call was cancelled for every reader and became")
