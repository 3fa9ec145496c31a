"""Letting go of what is old: whole periods at once, while others dial, and never what somebody still needs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from ringoff.domain.errors import InvalidInput
from ringoff.domain.retention import KEEP_DAYS_MAX, ORDER, Period, PeriodReport, RetentionReport, due, named_by
from ringoff.ports import Clock, Gate, Store, Transaction, open_gate

log = structlog.get_logger()

KEPT_MAX: Final = 5_000
"""Rows of a period that are moved, while everybody waits; a period in which more is needed stays."""
LOCK_WAIT_MS: Final = 300
"""Everybody waits behind who waits for a whole table: no longer than this, and again a little later."""
_TRIES_MAX: Final = 10
_PAUSE_S: Final = 1.0
_BATCH_ROWS_MAX: Final = 5_000
_BATCHES_MAX: Final = 1_000


class Retention:
    """One run is ``run``; any process may, at any time, and a second one at the same time does nothing."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keep_days: int,
        *,
        gate: Gate = open_gate,
        kept_max: int = KEPT_MAX,
        tries_max: int = _TRIES_MAX,
    ) -> None:
        if not 1 <= keep_days <= KEEP_DAYS_MAX:
            raise InvalidInput(f"keep days must be from 1 to {KEEP_DAYS_MAX}", field="keep_days")
        self._store = store
        self._clock = clock
        self._keep_days = keep_days
        self._gate = gate
        self._kept_max = kept_max
        self._tries_max = tries_max

    async def run(self, *, is_dry_run: bool = False) -> RetentionReport | None:
        """Drop what is old, or only look; None while calls do not lie in periods. Begun anew, it goes on."""
        async with self._store.transaction() as tx:
            if not await tx.retention.is_ready():
                return None
            bound_at = await tx.retention.bound(self._keep_days)
            periods = list(await tx.retention.periods())
        reports: list[PeriodReport] = []
        for of_table in ORDER:
            for period in due(periods, of_table, bound_at):
                report = await self._see_to(period, periods, bound_at, is_dry_run=is_dry_run)
                if report is None:
                    return RetentionReport(bound_at, reports, is_another_at_work=True)
                reports.append(report)
                if report.waits_for is None:
                    # A dry run goes on as if it were gone.
                    periods.remove(period)
        deleted_count = 0 if is_dry_run else await self._delete_rest(bound_at)
        return RetentionReport(bound_at, reports, deleted_count)

    async def _see_to(
        self, period: Period, periods: Sequence[Period], bound_at: datetime, *, is_dry_run: bool
    ) -> PeriodReport | None:
        """None when another process is at it."""
        if (namer := named_by(period, periods)) is not None:
            return PeriodReport(period, False, waits_for=f"{namer}, whose rows name its rows")
        async with self._store.transaction() as tx:
            if not await tx.retention.try_lock():
                return None
            if period.name not in {each.name for each in await tx.retention.periods()}:
                return PeriodReport(period, True)  # by another process, a moment ago
            kept = await tx.retention.find_kept(period, bound_at, self._kept_max)
            await self._gate("retention.looked")
            waits_for = _too_many(kept, self._kept_max) if sum(kept.values()) > self._kept_max else None
            if is_dry_run or waits_for is not None:
                return PeriodReport(period, False, kept, waits_for)
            waits_for = await self._drop(tx, period, bound_at)
        if waits_for is None:
            log.info("period dropped", period=period.name, rows=period.row_estimate, bytes=period.byte_count)
        return PeriodReport(period, waits_for is None, kept, waits_for)

    async def _drop(self, tx: Transaction, period: Period, bound_at: datetime) -> str | None:
        """What it waits for; None when it is dropped."""
        for tries in range(self._tries_max):
            if tries:
                await self._clock.sleep(_PAUSE_S)
            if await tx.retention.drop(period, bound_at, self._kept_max, LOCK_WAIT_MS):
                await self._gate("retention.before_commit")
                return None
        return "long transactions that use the table, or a role that may drop it; try again"

    async def _delete_rest(self, bound_at: datetime) -> int:
        deleted_count = 0
        for _batch in range(_BATCHES_MAX):
            async with self._store.transaction() as tx:
                batch_count = await tx.retention.delete_rest(bound_at, _BATCH_ROWS_MAX)
            deleted_count += batch_count
            if not batch_count:
                break
        await self._gate("retention.before_contacts")
        # Their calls went with a month, or in these batches.
        async with self._store.transaction() as tx:
            return deleted_count + await tx.retention.delete_contacts(bound_at)


def _too_many(kept: Mapping[str, int], kept_max: int) -> str:
    counted = (f"{min(count, kept_max)}{' or more' if count > kept_max else ''} {why}" for why, count in kept.items())
    return f"{', '.join(counted)}: {kept_max} can be kept of a period that is dropped"
