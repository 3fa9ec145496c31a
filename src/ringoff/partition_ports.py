"""The part of the seam that makes partitions before they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Period:
    """A partition of one table: what is registered from one instant to another."""

    of_table: str
    from_at: datetime
    to_at: datetime


class PartitionStore(Protocol):
    """Late partitions fail nobody: their rows lie in the default one, and are moved when the partition is made."""

    async def let_go_of_bounds(self) -> None:
        """Of tables that were left half partitioned for so long that nobody could write beyond their bound.

        ``SerializationConflict`` when they were not free in time.
        """

    async def missing(self, ahead_days: int) -> Sequence[Period]:
        """Of this period and of those that begin in so many days; none in a schema without partitions."""

    async def make(self, period: Period, lock_wait_ms: int) -> bool:
        """False when another process is at it. ``SerializationConflict`` when its locks were not free in time."""

    async def advance_ids(self) -> None:
        """Set the ids of contacts and events forward to today's first, so that a range of ids is a range of time."""
