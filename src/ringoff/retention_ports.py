"""The part of the seam that drops what is old: whole periods, and what was kept of them once nobody needs it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ringoff.domain.retention import Period


class RetentionStore(Protocol):
    """Retention on one open transaction; everything but ``is_ready`` needs the partitioned schema."""

    async def is_ready(self) -> bool:
        """False while calls do not lie in periods."""

    async def try_lock(self) -> bool:
        """False when another process is at it. Until the end of the transaction, which may be long."""

    async def bound(self, keep_days: int) -> datetime:
        """By the database's clock: what is younger stays."""

    async def periods(self) -> Sequence[Period]: ...
    async def find_kept(self, period: Period, bound_at: datetime, kept_max: int) -> Mapping[str, int]:
        """Rows of the period that somebody needs, by the reason, and noted for ``drop``."""

    async def drop(self, period: Period, bound_at: datetime, kept_max: int, lock_wait_ms: int) -> bool:
        """Move what ``find_kept`` has noted, and what has changed since, and drop the rest. False: not in time."""

    async def delete_rest(self, bound_at: datetime, rows_max: int) -> int:
        """A batch of what is old outside of periods; how many rows. No calls while a restart looks at them."""

    async def delete_contacts(self, bound_at: datetime) -> int:
        """Contacts outside of periods whose calls are all gone, however those went; how many."""
