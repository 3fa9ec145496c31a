"""What became of the calls: history, one call, counts by status. Effective statuses only."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ringoff.domain.call import CallStatus
from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import CallId
from ringoff.domain.records import CallDetail, CallFilter, CallRow, Counted
from ringoff.domain.workspace import Principal
from ringoff.ports import Store

OFFSET_MAX: Final = 10_000
"""Rows that are skipped are read: beyond this a page is asked for by date or by cursor."""
TOTAL_COUNTED_MAX: Final = 10_000
PAGE_TIMEOUT_MS: Final = 10_000
EXPORT_PAGE_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of calls, newest first, and how many the filter matches in all."""

    calls: Sequence[CallRow]
    total: Counted


@dataclass(frozen=True, slots=True)
class ExportFilter:
    """What an export asks of a call beyond ``CallFilter``; each row is looked at for it. ``None`` is no restriction."""

    voicemail_detected: bool | None = None
    called_number: str | None = None
    calling_number: str | None = None

    def matches(self, call: CallRow) -> bool:
        return (
            self.voicemail_detected in (None, call.voicemail_detected)
            and self.called_number in (None, call.called_number)
            and (self.calling_number is None or self.calling_number in call.calling_numbers)
        )


async def history(store: Store, principal: Principal, filter: CallFilter) -> HistoryPage:
    """One page of calls on one snapshot, and the total: exact up to 10,000."""
    require_reachable(filter.offset)
    async with store.snapshot() as tx:
        await tx.history.for_pages(PAGE_TIMEOUT_MS)
        ids = await tx.history.page(principal.workspace_id, filter)
        rows = await tx.history.shown(principal.workspace_id, ids)
        total = await tx.history.count(principal.workspace_id, filter, TOTAL_COUNTED_MAX)
    return HistoryPage(rows, total)


async def list_calls(store: Store, principal: Principal, filter: CallFilter) -> Sequence[CallRow]:
    """One page of calls without a total, below ``filter.below``: each page costs the same, however deep."""
    async with store.snapshot() as tx:
        await tx.history.for_pages(PAGE_TIMEOUT_MS)
        return await tx.history.shown(principal.workspace_id, await tx.history.page(principal.workspace_id, filter))


async def export(
    store: Store, principal: Principal, filter: CallFilter, also: ExportFilter
) -> AsyncIterator[Sequence[CallRow]]:
    """The matching calls page by page, newest first, ``filter.limit`` of them after the first ``filter.offset``.

    Each page is a snapshot of its own: none stays open while a client reads slowly. A call is in it at most once.
    """
    require_reachable(filter.offset)
    to_skip, to_give, below = filter.offset, filter.limit, filter.below
    while to_give:
        page = await list_calls(store, principal, replace(filter, below=below, offset=0, limit=EXPORT_PAGE_MAX))
        matching = [call for call in page if also.matches(call)]
        given = matching[to_skip : to_skip + to_give]
        to_skip -= min(to_skip, len(matching))
        to_give -= len(given)
        if given:
            yield given
        if len(page) < EXPORT_PAGE_MAX:
            return
        below = page[-1].call_id


async def call_details(store: Store, principal: Principal, call_id: CallId) -> CallDetail:
    """One call with its dial attempts."""
    async with store.transaction() as tx:
        detail = await tx.calls.call(principal.workspace_id, call_id)
    if detail is None:
        raise NotFound("Call not found", field="id")
    return detail


async def counts(store: Store, principal: Principal, filter: CallFilter) -> Mapping[CallStatus, int]:
    """How many calls the filter matches in each status; each exact up to 10,000."""
    async with store.snapshot() as tx:
        await tx.history.for_pages(PAGE_TIMEOUT_MS)
        totals = {}
        for status in CallStatus:
            counted = await tx.history.count(principal.workspace_id, replace(filter, status=status), TOTAL_COUNTED_MAX)
            totals[status] = counted.count
    return totals


def require_reachable(offset: int) -> None:
    """Refuse an offset beyond what is read to be skipped."""
    if offset > OFFSET_MAX:
        raise InvalidInput(
            f"offset must be at most {OFFSET_MAX}: narrow the dates, or page with the cursor of GET /api/v1/calls",
            field="offset",
        )
