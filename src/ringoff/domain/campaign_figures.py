"""What has become of a campaign's attempts: by disposition, over time, and the two ratios of the trade."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringoff.domain.campaign_eta import Eta
from ringoff.domain.records import CampaignCounts, CampaignRow

BUCKETS_MAX: Final = 200
_WIDTHS_MIN: Final = (1, 10, 60, 360, 1_440, 10_080)


@dataclass(frozen=True, slots=True)
class OutcomeSum:
    """Attempts that ended with one disposition."""

    disposition: str
    attempt_count: int
    answered_count: int
    """Some that were answered end with another word: the agent failed, or an order hung up."""
    talk_ms: int


@dataclass(frozen=True, slots=True)
class OutcomeBucket:
    """Attempts by disposition whose end was written down from ``from_at`` on, for the length of a bucket."""

    from_at: datetime
    by_disposition: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Exact: sums of what was noted with each attempt's end."""

    sums: Sequence[OutcomeSum]
    bucket_width_min: int
    buckets: Sequence[OutcomeBucket]
    """Oldest first; those in which nothing ended are left out."""

    @property
    def attempt_count(self) -> int:
        return sum(row.attempt_count for row in self.sums)

    @property
    def answered_count(self) -> int:
        return sum(row.answered_count for row in self.sums)

    @property
    def talk_s(self) -> float:
        return sum(row.talk_ms for row in self.sums) / 1_000

    @property
    def asr(self) -> float | None:
        """Answer-seizure ratio: answered attempts by all attempts (ITU-T E.411); None before the first has ended."""
        return self.answered_count / self.attempt_count if self.attempt_count else None

    @property
    def acd_s(self) -> float | None:
        """Average call duration: seconds of talk for each answered attempt; None before the first."""
        return self.talk_s / self.answered_count if self.answered_count else None


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """How fast a campaign goes at ``at``, the database's clock."""

    at: datetime
    has_outcomes: bool
    """False when an older version has begun it: not every attempt was noted."""
    sharing_count: int
    """Ongoing list campaigns on its trunk."""
    measured_per_s: float | None
    """Attempts that ended in the last minutes, by second; None unless some have in the last one."""
    last_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """All figures of one campaign at one instant."""

    campaign: CampaignRow
    at: datetime
    counts: CampaignCounts
    outcomes: Outcomes | None
    """None for a campaign that an older version has begun: nobody has noted how its attempts ended."""
    eta: Eta


def bucket_width_min(first_at: datetime, last_at: datetime) -> int:
    """The narrowest of a minute, ten, an hour, six, a day, a week with 200 buckets at most; then whole weeks.

    Buckets begin at multiples of their width since 1970 in UTC, so a span can touch one more than it fills.
    """
    span = last_at - first_at
    for width_min in _WIDTHS_MIN:
        if span // timedelta(minutes=width_min) + 2 <= BUCKETS_MAX:
            return width_min
    weeks = span // timedelta(minutes=_WIDTHS_MIN[-1]) // (BUCKETS_MAX - 2) + 1
    return weeks * _WIDTHS_MIN[-1]
