"""One campaign's calls in both directions, against PostgreSQL."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from ringoff.domain.call import TERMINABLE, CallStatus
from ringoff.domain.call_table import CallTableFilter, FoundCalls
from ringoff.domain.identifiers import CallId, WorkspaceId, id_range
from ringoff.domain.records import CallFilter
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("call_table")


Page = Callable[[WorkspaceId, CallFilter], Awaitable[Sequence[CallId]]]
"""The history's own page, newest first."""


async def found(
    connection: Connection, page: Page, workspace_id: WorkspaceId, wanted: CallTableFilter, looked_max: int
) -> FoundCalls:
    """The next ids of the table, one more than its limit if there are so many."""
    if wanted.is_scanned:
        return await _looked_for(connection, workspace_id, wanted, looked_max)
    count_max = wanted.limit + 1
    if wanted.above is None:
        older = CallFilter(
            start_at=wanted.start_at,
            end_at=wanted.end_at,
            campaign_id=wanted.campaign_id,
            status=wanted.status,
            below=wanted.below,
            limit=count_max,
        )
        return FoundCalls(await page(workspace_id, older), None)
    of = (workspace_id, wanted.campaign_id, *_ids(wanted), count_max)
    rows = await connection.fetch(*_newer(wanted.status, of))
    return FoundCalls([row["call_id"] for row in rows], None)


def _newer(status: str | None, of: tuple[Any, ...]) -> tuple[Any, ...]:
    match status:
        case None:
            return (_SQL["newer"], *of)
        case CallStatus.ONGOING:
            return (_SQL["newer_ongoing"], *of)
        case CallStatus.CANCELLED:
            return (_SQL["newer_cancelled"], *of)
        case pending if pending in TERMINABLE:
            return (_SQL["newer_pending"], *of, pending)
        case ended:
            return (_SQL["newer_ended"], *of, ended)


async def _looked_for(
    connection: Connection, workspace_id: WorkspaceId, wanted: CallTableFilter, looked_max: int
) -> FoundCalls:
    row = await connection.fetchrow(
        _SQL["look_older" if wanted.above is None else "look_newer"],
        workspace_id,
        wanted.campaign_id,
        *_ids(wanted),
        looked_max,
        wanted.sub_status,
        wanted.called_number,
        wanted.status,
        wanted.limit + 1,
    )
    assert row is not None, "one row, whatever is found"
    return FoundCalls(row["call_ids"], row["stopped_at"])


def _ids(wanted: CallTableFilter) -> tuple[UUID, UUID]:
    lowest, beyond = id_range(wanted.start_at, wanted.end_at, wanted.below)
    if wanted.above is not None:
        lowest = max(lowest, UUID(int=min(wanted.above.int + 1, 2**128 - 1)))
    return lowest, beyond
