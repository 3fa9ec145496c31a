"""What `ringoff retention` does and says: a line for each period that is old enough, and what keeps it."""

from collections.abc import Callable
from json import dumps

from ringoff.clock import SystemClock
from ringoff.database import opened_store
from ringoff.domain.errors import InvalidInput, MigrationRefused
from ringoff.domain.retention import PeriodReport, RetentionReport
from ringoff.operations.retention import Retention
from ringoff.settings import Settings

Say = Callable[[str], None]


async def run_retention(
    settings: Settings, *, keep_days: int | None, is_dry_run: bool, is_json: bool, say: Say
) -> None:
    """``InvalidInput`` when nobody has said for how long; ``MigrationRefused`` while calls do not lie in periods."""
    days = settings.retention_days if keep_days is None else keep_days
    if days is None:
        raise InvalidInput("give --keep-days, or set RINGOFF_RETENTION_DAYS", field="keep_days")
    async with opened_store(settings) as opened:
        report = await Retention(opened.store, SystemClock(), days).run(is_dry_run=is_dry_run)
    if report is None:
        raise MigrationRefused("calls do not lie in periods yet: `ringoff migrate --contract` puts them there")
    if is_json:
        say(dumps(_as_json(report, is_dry_run=is_dry_run)))
        return
    for each in report.periods:
        say(_line(each, is_dry_run=is_dry_run))
    if report.is_another_at_work:
        say("another process is at it; the rest is left to it")
    else:
        say(f"{len(report.periods):,} periods are older than {report.bound_at:%Y-%m-%d}")
        if not is_dry_run:
            say(f"{report.deleted_count:,} rows outside of periods were deleted")


def _line(each: PeriodReport, *, is_dry_run: bool) -> str:
    period = each.period
    since = "the beginning" if period.from_at is None else f"{period.from_at:%Y-%m-%d}"
    span = f"{since} to {period.to_at:%Y-%m-%d}"
    what = f"{period.name}: {span}, about {period.row_estimate:,} rows, {period.byte_count:,} bytes"
    if each.waits_for is not None:
        return f"stays    {what}; it waits for {each.waits_for}"
    kept = ", ".join(f"{count:,} {why}" for why, count in each.kept.items())
    done = "would go" if is_dry_run else "dropped "
    return f"{done} {what}" + (f"; kept: {kept}" if kept else "")


def _as_json(report: RetentionReport, *, is_dry_run: bool) -> dict[str, object]:
    return {
        "bound_at": report.bound_at.isoformat(),
        "is_dry_run": is_dry_run,
        "is_another_at_work": report.is_another_at_work,
        "deleted_count": report.deleted_count,
        "periods": [
            {
                "table": each.period.of_table,
                "name": each.period.name,
                "from_at": None if each.period.from_at is None else each.period.from_at.isoformat(),
                "to_at": None if each.period.to_at is None else each.period.to_at.isoformat(),
                "row_estimate": each.period.row_estimate,
                "byte_count": each.period.byte_count,
                "is_dropped": each.is_dropped,
                "kept": dict(each.kept),
                "waits_for": each.waits_for,
            }
            for each in report.periods
        ],
    }
