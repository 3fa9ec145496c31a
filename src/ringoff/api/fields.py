"""Words that several schemas share: instants, pages, and fields that are read but not acted on."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

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
