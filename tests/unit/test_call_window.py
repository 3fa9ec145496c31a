"""The call window against a scan of every minute around real changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringoff.domain.call_window import (
    ALWAYS,
    CallWindow,
    closes_at,
    is_open,
    local_to_utc,
    next_opening,
    opens_between,
    parse_window,
    require_timezone,
)
from ringoff.domain.errors import InvalidInput

MINUTE = timedelta(minutes=1)

# Days around which the offset of the zone changes; Kolkata has none, Apia skips a whole date.
CHANGES = {
    "America/New_York": [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)],
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)],
    "Africa/Casablanca": [datetime(2026, 2, 15, 2, tzinfo=UTC), datetime(2026, 3, 22, 2, tzinfo=UTC)],
    "Asia/Kolkata": [datetime(2026, 6, 1, tzinfo=UTC)],
    "Pacific/Apia": [datetime(2011, 12, 30, 10, tzinfo=UTC)],
}


def scan_open(window: CallWindow, at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(window.timezone))
    minute = local.hour * 60 + local.minute
    if window.start_min < window.end_min:
        return window.start_min <= minute < window.end_min
    return not window.end_min <= minute < window.start_min


def scan_for(window: CallWindow, at: datetime, wanted: bool) -> datetime:
    """Offsets change at whole minutes these days, so a scan of minutes sees all there is."""
    while scan_open(window, at) is not wanted:
        at = at.replace(second=0, microsecond=0) + MINUTE
    return at


@st.composite
def windows_and_instants(draw: st.DrawFn) -> tuple[CallWindow, datetime]:
    zone = draw(st.sampled_from(sorted(CHANGES)))
    start = draw(st.integers(0, 1439))
    end = draw(st.integers(1, 1440).filter(lambda minute: minute != start and (start, minute) != (0, 1440)))
    around = draw(st.sampled_from(CHANGES[zone]))
    away_s = draw(st.integers(-36 * 3600, 12 * 3600))
    away_us = draw(st.sampled_from([0, 0, 1, 999_999]))
    return CallWindow(start, end, zone), around + timedelta(seconds=away_s, microseconds=away_us)


@given(windows_and_instants())
@settings(max_examples=250, deadline=None)
def test_openings_and_closings_agree_with_a_scan_of_every_minute(case: tuple[CallWindow, datetime]) -> None:
    window, at = case
    assert is_open(window, at) is scan_open(window, at)
    assert next_opening(window, at) == scan_for(window, at, wanted=True)
    assert closes_at(window, at) == scan_for(window, at, wanted=False)


@given(windows_and_instants(), st.integers(-60, 60 * 48))
@settings(max_examples=150, deadline=None)
def test_opens_between_finds_any_open_instant(case: tuple[CallWindow, datetime], minutes: int) -> None:
    window, start = case
    end = start + minutes * MINUTE
    assert opens_between(window, start, end) is (start < end and scan_for(window, start, wanted=True) < end)


@given(windows_and_instants())
@settings(max_examples=100, deadline=None)
def test_the_answer_is_the_same_instant_in_whatever_zone_the_question_is_asked(
    case: tuple[CallWindow, datetime],
) -> None:
    window, at = case
    elsewhere = at.astimezone(ZoneInfo("Asia/Kathmandu"))
    assert next_opening(window, elsewhere) == next_opening(window, at)
    assert next_opening(window, elsewhere).tzinfo is UTC


def test_a_window_that_the_clocks_skip_opens_a_day_later() -> None:
    window = parse_window("02:00", "03:00", "America/New_York", "call_time")
    before = datetime(2026, 3, 8, 6, tzinfo=UTC)
    assert next_opening(window, before) == datetime(2026, 3, 9, 6, tzinfo=UTC)


def test_a_window_that_happens_twice_opens_twice() -> None:
    window = parse_window("01:00", "01:30", "America/New_York", "call_time")
    first = datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert is_open(window, first)
    closed = closes_at(window, first)
    assert closed == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert next_opening(window, closed) == datetime(2026, 11, 1, 6, tzinfo=UTC)


def test_a_skipped_date_is_crossed() -> None:
    window = parse_window("10:00", "11:00", "Pacific/Apia", "call_time")
    after_closing = datetime(2011, 12, 29, 21, tzinfo=UTC)
    assert next_opening(window, after_closing) == datetime(2011, 12, 30, 20, tzinfo=UTC)


def test_always_is_open_and_closes_far_away() -> None:
    at = datetime(2026, 3, 8, 7, 0, 0, 5, tzinfo=UTC)
    assert is_open(ALWAYS, at)
    assert next_opening(ALWAYS, at) == at
    assert closes_at(ALWAYS, at) == at + timedelta(days=1)
    assert opens_between(ALWAYS, at, at + MINUTE)
    assert not opens_between(ALWAYS, at, at)


def test_a_closed_window_closes_at_once() -> None:
    window = parse_window("09:00", "21:00", "Asia/Kolkata", "call_time")
    night = datetime(2026, 6, 1, 20, tzinfo=UTC)
    assert closes_at(window, night) == night


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("00:00", "23:59", (0, 1439)),
        ("09:00", "00:00", (540, 1440)),
        ("09:00", "24:00", (540, 1440)),
        ("22:00", "06:00", (1320, 360)),
        ("00:00", "24:00", (0, 1440)),
    ],
)
def test_times_of_day_are_read(start: str, end: str, expected: tuple[int, int]) -> None:
    window = parse_window(start, end, "Asia/Kolkata", "call_time")
    assert (window.start_min, window.end_min) == expected


@pytest.mark.parametrize(
    "text", ["", "9:00", "09:0", "24:00", "09:60", "0900", "09:00 ", "09:00\n", "\u0660\u0669:\u0660\u0660", "-1:00"]
)
def test_a_start_that_is_no_time_of_day_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_window(text, "10:00", "Asia/Kolkata", "call_config.call_time")
    assert refused.value.field == "call_config.call_time.call_start_time"


@pytest.mark.parametrize("text", ["25:00", "24:01", "10", "10:00:00"])
def test_an_end_that_is_no_time_of_day_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_window("09:00", text, "Asia/Kolkata", "call_config.call_time")
    assert refused.value.field == "call_config.call_time.call_end_time"


@pytest.mark.parametrize("time", ["00:00", "12:30"])
def test_a_window_that_never_opens_is_refused(time: str) -> None:
    with pytest.raises(InvalidInput, match="never opens"):
        parse_window(time, time, "Asia/Kolkata", "call_time")


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "Mars/Olympus", "Asia", "Asia/", "/Asia/Kolkata", "../etc/passwd", "Asia/../Asia/Kolkata",
        "/etc/localtime", "localtime", "posixrules", "right/UTC", "posix/UTC", "zone.tab", "tzdata.zi",
        "Asia/Kolkata\n", "Asia\\Kolkata", "Asia/Kolkata\x00", "leapseconds", "x" * 5000, "Asia/Kolk\u0430ta", "+05:30",
    ],
)  # fmt: skip
def test_what_is_no_time_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_timezone(name, "call_time.timezone")
    assert refused.value.field == "call_time.timezone"
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "name", ["UTC", "Asia/Kolkata", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince"]
)
def test_time_zones_are_accepted(name: str) -> None:
    assert require_timezone(name, "timezone") == name


@pytest.mark.parametrize(("start", "end"), [(5, 5), (-1, 5), (1440, 5), (5, 0), (5, 1441)])
def test_an_impossible_window_cannot_be_made(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="window"):
        CallWindow(start, end, "UTC")


def test_local_times_in_gap_and_fold() -> None:
    assert local_to_utc(datetime(2026, 3, 8, 2, 30), "America/New_York") == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)  # noqa: DTZ001
    assert local_to_utc(datetime(2026, 11, 1, 1, 30), "America/New_York") == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # noqa: DTZ001
