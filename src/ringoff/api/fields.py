"""Words that several schemas share: instants, pages, and fields that are read but not acted on."""

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Final

import msgspec

from ringoff.domain.errors import InvalidInput

Instant = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""ISO 8601 with ``+00:00``, as the compatible API writes it."""

UuidText = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]

E164Text = Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{5,14}(?!\n)$")]

PageSize = Annotated[int, msgspec.Meta(ge=1, le=1000)]
PageOffset = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


def instant(at: datetime) -> str:
    """``2026-01-05T12:00:00+00:00``."""
    return at.astimezone(UTC).isoformat()


def instant_or_none(at: datetime | None) -> str | None:
    """As ``instant``, or None."""
    return None if at is None else instant(at)


_DATE_ONLY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# A "+" that nobody encoded arrives as a space.
_LOST_PLUS: Final = re.compile(r"(.+\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?) (\d{2}:?\d{2})", re.ASCII)


def instant_of(text: str | None, field: str, time_of_day: time) -> datetime | None:
    """An instant of a query; without a zone it is UTC, and a bare date is that moment of its day."""
    if text is None:
        return None
    repaired = _LOST_PLUS.sub(r"\1+\2", text.strip())
    try:
        moment = datetime.fromisoformat(repaired)
        if _DATE_ONLY.fullmatch(repaired):
            moment = datetime.combine(moment.date(), time_of_day)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"Invalid date format for {field}.", field=field) from None


def date_of(text: str | None, field: str) -> date | None:
    """A day of a query, YYYY-MM-DD and nothing else."""
    try:
        if text is None:
            return None
        if _DATE_ONLY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidInput(f"Invalid date format for {field}. Expected YYYY-MM-DD.", field=field)
