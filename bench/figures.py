"""What a measurement says: samples with their spread, and goals beside what was reached; nothing here asserts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median


@dataclass(frozen=True, slots=True)
class Samples:
    """Repeated timings of one thing, in milliseconds."""

    values_ms: tuple[float, ...]

    @classmethod
    def of_seconds(cls, values_s: Sequence[float]) -> "Samples":
        return cls(tuple(sorted(value * 1000 for value in values_s)))

    @property
    def median_ms(self) -> float:
        return median(self.values_ms)

    def percentile_ms(self, share: float) -> float:
        """Nearest rank: always a value that was really seen."""
        return self.values_ms[max(ceil(share * len(self.values_ms)) - 1, 0)]

    def __str__(self) -> str:
        low, high = self.values_ms[0], self.values_ms[-1]
        p99 = self.percentile_ms(0.99)
        return f"median {self.median_ms:.2f} ms, p99 {p99:.2f} ms, {low:.2f}..{high:.2f} ms (n={len(self.values_ms)})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the last table."""

    goal: str
    measured: str
    is_met: bool
    is_required: bool = False
    """The command fails when it is not met."""


Say = Callable[[str], None]


def table(verdicts: Sequence[Verdict]) -> str:
    """Goal, measured, met: as a table of Markdown, to be read in a terminal and pasted into a page."""
    rows = [("goal", "measured", "met")]
    rows += [(verdict.goal, verdict.measured, "yes" if verdict.is_met else "NO") for verdict in verdicts]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
