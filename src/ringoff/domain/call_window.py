"""When a call may ring: a daily window of local wall-clock time, exact through every change of the clocks.

A window is open at an instant when the local time of day at that instant lies in ``[start, end)``. Nothing else is
asked, so a change of the clocks needs no special rule: an hour that is skipped is never open, an hour that happens
twice is open twice. To find openings exactly, time is cut into segments of constant UTC offset, and inside a
segment the answer is arithmetic.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ringoff.domain.errors import InvalidInput

MINUTES_PER_DAY: Final = 1440
DEFAULT_TIMEZONE: Final = "Asia/Kolkata"

_DAY: Final = timedelta(days=1)
# Every window opens within a day, or two when a change of the clocks swallows it, or three when a zone skips a date.
_SEARCH_MAX: Final = timedelta(days=5)
# Offsets are compared this far apart; no zone changes its offset there and back within it.
_SAMPLE: Final = timedelta(hours=6)
_RESOLUTION: Final = timedelta(seconds=1)

_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_ZONE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*)*")
_ZONE_NAME_LENGTH_MAX: Final = 64
# Names that a zone database may carry although they say nothing about a place, or depend on the machine.
_NO_PLACE: Final = re.compile(r"(?:localtime|posixrules|Factory|leapseconds|(?:posix|right)/.*)")


@dataclass(frozen=True, slots=True)
class CallWindow:
    """``[start_min, end_min)`` in minutes of the local day; ``end_min`` below ``start_min`` crosses midnight.

    ``end_min`` 1440 is the midnight at the end of the day.
    """

    start_min: int
    end_min: int
    timezone: str

    def __post_init__(self) -> None:
        if not 0 <= self.start_min < MINUTES_PER_DAY or not 0 < self.end_min <= MINUTES_PER_DAY:
            raise ValueError(f"no such window: {self.start_min}..{self.end_min}")
        if self.start_min == self.end_min:
            raise ValueError("the window never opens")

    @property
    def is_always_open(self) -> bool:
        return self.start_min == 0 and self.end_min == MINUTES_PER_DAY

    def contains_minute(self, minute: int) -> bool:
        """Whether this minute of the local day is inside."""
        if self.start_min < self.end_min:
            return self.start_min <= minute < self.end_min
        return minute >= self.start_min or minute < self.end_min

    def complement(self) -> "CallWindow":
        """The rest of the day. An always-open window has none."""
        return CallWindow(self.end_min % MINUTES_PER_DAY, self.start_min or MINUTES_PER_DAY, self.timezone)


ALWAYS: Final = CallWindow(0, MINUTES_PER_DAY, DEFAULT_TIMEZONE)


def parse_window(start: str, end: str, timezone: str, field: str) -> CallWindow:
    """Read ``HH:MM`` (24 hours) in an IANA time zone. An end of ``00:00`` or ``24:00`` is the end of the day."""
    start_min = _minute_of_day(start, f"{field}.call_start_time")
    end_field = f"{field}.call_end_time"
    end_min = MINUTES_PER_DAY if end == "24:00" else _minute_of_day(end, end_field)
    if start_min == end_min:
        raise InvalidInput(f"{end_field} equals call_start_time ({start}): the window never opens", field=end_field)
    require_timezone(timezone, f"{field}.timezone")
    return CallWindow(start_min, end_min or MINUTES_PER_DAY, timezone)


def require_timezone(name: str, field: str) -> str:
    """Return the name if the zone exists; raise ``InvalidInput`` naming ``field`` otherwise."""
    if len(name) <= _ZONE_NAME_LENGTH_MAX and _ZONE_NAME.fullmatch(name) and not _NO_PLACE.fullmatch(name):
        try:
            _zone(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            # A directory of the zone database ("Asia") or a file in it that is no zone is as unknown as a typo.
            pass
        else:
            return name
    raise InvalidInput(f"{field} is not an IANA time zone: {name[:_ZONE_NAME_LENGTH_MAX]!r}", field=field)


def local_to_utc(local: datetime, timezone: str) -> datetime:
    """The instant of a naive local time: shifted forward if the clocks skip it, the first one if it happens twice."""
    return local.replace(tzinfo=_zone(timezone), fold=0).astimezone(UTC)


def is_open(window: CallWindow, at: datetime) -> bool:
    """Whether a call may ring at this instant."""
    if window.is_always_open:
        return True
    local = at.astimezone(_zone(window.timezone))
    return window.contains_minute(local.hour * 60 + local.minute)


def next_opening(window: CallWindow, at: datetime) -> datetime:
    """The first instant at or after ``at`` when the window is open, in UTC."""
    if is_open(window, at):
        return at.astimezone(UTC)
    start = timedelta(minutes=window.start_min)
    for begins, ends, offset in _segments(_zone(window.timezone), at.astimezone(UTC)):
        time_of_day = _time_of_day(begins, offset)
        if window.contains_minute(time_of_day // timedelta(minutes=1)):
            return begins
        opens = begins + (start - time_of_day) % _DAY
        if opens < ends:
            return opens
    raise ArithmeticError(f"{window} does not open within {_SEARCH_MAX} of {at}")


def closes_at(window: CallWindow, at: datetime) -> datetime:
    """The first instant at or after ``at`` when the window is closed, in UTC.

    A window that is always open never closes; the answer is then one day ahead, far beyond any permit.
    """
    if window.is_always_open:
        return at.astimezone(UTC) + _DAY
    return next_opening(window.complement(), at)


def opens_between(window: CallWindow, start: datetime, end: datetime) -> bool:
    """Whether there is any open instant in ``[start, end)``."""
    return start < end and next_opening(window, start) < end


def _minute_of_day(text: str, field: str) -> int:
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{field} must be HH:MM between 00:00 and 23:59, not {text[:20]!r}", field=field)
    return int(found[1]) * 60 + int(found[2])


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)


def _time_of_day(at: datetime, offset: timedelta) -> timedelta:
    local = at + offset
    return local - local.replace(hour=0, minute=0, second=0, microsecond=0)


def _segments(zone: ZoneInfo, at: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Cut the time from ``at`` into pieces (begin, end, offset) that have one UTC offset each."""
    begins, until = at, at + _SEARCH_MAX
    while begins < until:
        offset = _offset(zone, begins)
        ends = begins + _SAMPLE
        if _offset(zone, ends) != offset:
            ends = _offset_change(zone, offset, begins, ends)
        yield begins, ends, offset
        begins = ends


def _offset_change(zone: ZoneInfo, offset: timedelta, before: datetime, after: datetime) -> datetime:
    """The instant, always a whole second, at which ``offset`` ends; it rules ``before`` and not ``after``."""
    while after - before > _RESOLUTION:
        middle = before + (after - before) // 2
        if _offset(zone, middle) == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
