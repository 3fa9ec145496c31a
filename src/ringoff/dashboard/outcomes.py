"""The outcomes of a campaign as a chart draws them: few lines, every bucket, and zeros where nothing ended."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from ringoff.domain.campaign_figures import Outcomes
from ringoff.domain.release_cause import Disposition

LINES: Final = ("answered", "no_answer", "busy", "other")
"""All other dispositions are one line; the table beside the chart has each."""
_OWN_LINE: Final[Mapping[str, str]] = {
    Disposition.ANSWERED: "answered",
    Disposition.NO_ANSWER: "no_answer",
    Disposition.BUSY: "busy",
}


def series(outcomes: Outcomes | None) -> dict[str, list[float]]:
    """``at`` in seconds since 1970, and attempts by line; a bucket before the first is empty, so that one shows."""
    drawn: dict[str, list[float]] = {"at": [], **{line: [] for line in LINES}}
    if outcomes is None or not outcomes.buckets:
        return drawn
    width = timedelta(minutes=outcomes.bucket_width_min)
    by_start = {bucket.from_at: bucket.by_disposition for bucket in outcomes.buckets}
    at, last = min(by_start) - width, max(by_start)
    while at <= last:
        drawn["at"].append(at.timestamp())
        found = by_line(by_start.get(at, {}))
        for line in LINES:
            drawn[line].append(found[line])
        at += width
    return drawn


def by_line(by_disposition: Mapping[str, int]) -> Mapping[str, int]:
    """Attempts of one bucket by line."""
    found = dict.fromkeys(LINES, 0)
    for disposition, count in by_disposition.items():
        found[_OWN_LINE.get(disposition, "other")] += count
    return found


def rows(outcomes: Outcomes | None) -> Sequence[tuple[str, int, float]]:
    """Disposition, attempts and their share of all, most attempts first."""
    if outcomes is None:
        return []
    total = outcomes.attempt_count or 1
    sums = sorted(outcomes.sums, key=lambda row: row.attempt_count, reverse=True)
    return [(row.disposition, row.attempt_count, row.attempt_count / total) for row in sums]
