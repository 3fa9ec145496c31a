"""What is old enough to go: periods of the partitioned tables, in an order in which nobody misses what they name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

KEEP_DAYS_MAX: Final = 36_500

CALL: Final = "call"
DIAL_ATTEMPT: Final = "dial_attempt"
CONTACT: Final = "contact"
ORDER: Final = (CALL, DIAL_ATTEMPT, CONTACT, "outbox_event", "webhook_delivery")
"""Attempts after their calls, contacts after all who name them, deliveries after their events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One partition. Its keys are of the time from ``from_at`` up to ``to_at``; None is without a bound."""

    of_table: str
    name: str
    low_key: str | None
    high_key: str | None
    from_at: datetime | None
    to_at: datetime | None
    followed_until_at: datetime | None
    """The end of the period after this one."""
    is_default: bool
    row_estimate: int
    """PostgreSQL's, from its last look."""
    byte_count: int
    """With indexes."""


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """What was, or would be, done with one period that is old enough."""

    period: Period
    is_dropped: bool
    kept: Mapping[str, int] = field(default_factory=dict)
    """Rows that somebody needs, by the reason: they are moved when the period is dropped."""
    waits_for: str | None = None
    """Why the period stays; None when it was, or would be, dropped."""


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """One run. What is younger than ``bound_at`` is not looked at."""

    bound_at: datetime
    periods: Sequence[PeriodReport]
    deleted_count: int = 0
    """Rows outside of periods: kept calls that nobody needs any more, minutes of figures, addresses of callbacks."""
    is_another_at_work: bool = False


def due(periods: Sequence[Period], of_table: str, bound_at: datetime) -> Sequence[Period]:
    """The periods of one table that are old enough as a whole, oldest first."""
    return [each for each in periods if each.of_table == of_table and _is_old(each, bound_at)]


def named_by(period: Period, periods: Sequence[Period]) -> str | None:
    """The partition whose rows name rows of this one, so that it has to go first; None when there is none."""
    if period.of_table not in (DIAL_ATTEMPT, CONTACT):
        return None
    # A call may be a little younger than its contact.
    until_at = period.followed_until_at if period.of_table == CONTACT else period.to_at
    for each in periods:
        if each.of_table == CALL and not each.is_default and (each.from_at is None or _before(each.from_at, until_at)):
            return each.name
    return None


def _is_old(period: Period, bound_at: datetime) -> bool:
    return not period.is_default and period.to_at is not None and period.to_at <= bound_at


def _before(at: datetime, until_at: datetime | None) -> bool:
    return until_at is None or at < until_at
