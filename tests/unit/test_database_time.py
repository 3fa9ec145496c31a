"""The database's clock carried forward: nothing of this host's wall clock, and no answer from before a pause."""

from datetime import UTC, datetime, timedelta

from ringoff.dispatch.settler import DatabaseTime
from tests.support.virtual_clock import VirtualClock

DATABASE_AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
HOUR_S = 3_600.0


def test_it_follows_the_database_and_the_steady_clock() -> None:
    clock = VirtualClock(DATABASE_AT - timedelta(days=400))
    time = DatabaseTime(clock)
    time.saw(DATABASE_AT, clock.monotonic())
    clock.skip(90)
    assert time.now() == DATABASE_AT + timedelta(seconds=90)


def test_an_answer_that_waited_for_a_stopped_process_does_not_turn_the_time_back() -> None:
    clock = VirtualClock()
    time = DatabaseTime(clock)
    time.saw(DATABASE_AT, clock.monotonic())
    asked_at = clock.monotonic()
    clock.skip(HOUR_S)
    time.saw(DATABASE_AT, asked_at)
    assert time.now() == DATABASE_AT + timedelta(seconds=HOUR_S)


def test_a_process_that_was_stopped_before_its_question_does_not_run_ahead() -> None:
    clock = VirtualClock()
    time = DatabaseTime(clock)
    time.saw(DATABASE_AT, clock.monotonic())
    asked_at = clock.monotonic()
    clock.skip(HOUR_S)
    time.saw(DATABASE_AT + timedelta(seconds=HOUR_S), asked_at)
    assert time.now() == DATABASE_AT + timedelta(seconds=HOUR_S)


def test_a_quick_answer_is_taken_whatever_was_known() -> None:
    clock = VirtualClock()
    time = DatabaseTime(clock)
    time.saw(DATABASE_AT, clock.monotonic())
    for jump in (timedelta(hours=-5), timedelta(hours=7)):
        time.saw(DATABASE_AT + jump, clock.monotonic())
        assert time.now() == DATABASE_AT + jump


def test_the_first_answer_is_taken_however_long_it_took() -> None:
    clock = VirtualClock(DATABASE_AT + timedelta(days=400))
    time = DatabaseTime(clock)
    clock.skip(HOUR_S)
    time.saw(DATABASE_AT, 0.0)
    assert time.now() == DATABASE_AT
