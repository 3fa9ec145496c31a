"""Sums over calls and attempts of a range of days: how many were answered, how long people talked, on which numbers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from ringoff.domain.call import CallStatus
from ringoff.domain.errors import InvalidInput
from ringoff.domain.records import AnalyticsFilter, AttemptTally
from ringoff.domain.workspace import Principal
from ringoff.ports import Store

DAYS_DEFAULT: Final = 31
DAYS_MAX: Final = 93
SUM_TIMEOUT_MS: Final = 20_000
BUCKET_ENDS_S: Final = (10.0, 30.0, 60.0, 120.0, 300.0)
"""Lengths of talk: below the first, between two neighbours, from the last on."""


@dataclass(frozen=True, slots=True)
class AttemptSums:
    """Attempts that were on the wire."""

    attempts: int
    answered: int
    talk_s: float
    by_disposition: Mapping[str, int]

    @property
    def asr(self) -> float | None:
        """Answer-seizure ratio, 0 to 1; None without an attempt."""
        return round(self.answered / self.attempts, 4) if self.attempts else None

    @property
    def acd_s(self) -> float | None:
        """Average call duration; None without an answer."""
        return round(self.talk_s / self.answered, 3) if self.answered else None


@dataclass(frozen=True, slots=True)
class Performance:
    """Calls by effective status, and the attempts of the same days."""

    calls_by_status: Mapping[str, int]
    attempts: AttemptSums


def range_of_days(start: date | None, end: date | None, today: date) -> tuple[datetime, datetime]:
    """From the first moment of ``start`` up to the one after ``end``, in UTC; without them, 31 days up to today."""
    last = end or today
    try:
        first = start or last - timedelta(days=DAYS_DEFAULT - 1)
        beyond = last + timedelta(days=1)
    except OverflowError:
        raise InvalidInput("end_date is out of range", field="end_date") from None
    if first > last:
        raise InvalidInput("start_date is after end_date", field="start_date")
    if (last - first).days >= DAYS_MAX:
        raise InvalidInput(f"the range from start_date to end_date has more than {DAYS_MAX} days", field="start_date")
    return datetime.combine(first, time.min, UTC), datetime.combine(beyond, time.min, UTC)


async def performance(store: Store, principal: Principal, filter: AnalyticsFilter) -> Performance:
    """Calls that were registered, and attempts that were made, in the range."""
    async with store.snapshot() as tx:
        await tx.history.for_sums(SUM_TIMEOUT_MS)
        calls = await tx.history.calls_by_status(principal.workspace_id, filter)
        tallies = await tx.history.attempts_by_outcome(principal.workspace_id, filter, BUCKET_ENDS_S)
    return Performance({status.value: calls.get(status.value, 0) for status in CallStatus}, _summed(tallies))


async def by_number(store: Store, principal: Principal, filter: AnalyticsFilter) -> Sequence[tuple[str, AttemptSums]]:
    """The attempts of each calling number that showed itself, most attempts first."""
    grouped: defaultdict[str, list[AttemptTally]] = defaultdict(list)
    for tally in await _tallies(store, principal, filter):
        grouped[tally.calling_number].append(tally)
    summed = [(number, _summed(tallies)) for number, tallies in grouped.items()]
    return sorted(summed, key=lambda pair: (-pair[1].attempts, pair[0]))


async def by_duration(store: Store, principal: Principal, filter: AnalyticsFilter) -> Sequence[int]:
    """Answered attempts that are over, by length of talk: one count more than ``BUCKET_ENDS_S`` has ends."""
    counts = [0] * (len(BUCKET_ENDS_S) + 1)
    for tally in await _tallies(store, principal, filter):
        if tally.bucket is not None:
            counts[tally.bucket] += tally.attempt_count
    return counts


async def _tallies(store: Store, principal: Principal, filter: AnalyticsFilter) -> Sequence[AttemptTally]:
    async with store.snapshot() as tx:
        await tx.history.for_sums(SUM_TIMEOUT_MS)
        return await tx.history.attempts_by_outcome(principal.workspace_id, filter, BUCKET_ENDS_S)


def _summed(tallies: Iterable[AttemptTally]) -> AttemptSums:
    by_disposition: defaultdict[str, int] = defaultdict(int)
    attempts, answered, talk_s = 0, 0, 0.0
    for tally in tallies:
        by_disposition[tally.disposition] += tally.attempt_count
        attempts += tally.attempt_count
        answered += tally.answered_count
        talk_s += tally.talk_s
    return AttemptSums(attempts, answered, round(talk_s, 3), dict(sorted(by_disposition.items())))
