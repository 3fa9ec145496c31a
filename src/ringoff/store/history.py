"""What became of many calls, against PostgreSQL: a statement for each index that has the rows of a filter in order."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from ringoff.domain.call import TERMINABLE, CallStatus
from ringoff.domain.call_table import CallTableFilter, FoundCalls
from ringoff.domain.identifiers import BEYOND_EVERY_ID, CallId, WorkspaceId, first_id_at, id_range
from ringoff.domain.records import AnalyticsFilter, AttemptTally, CallFilter, CallRow, Counted
from ringoff.store import call_table
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("history")
_PENDING_PAGE: Final = {False: _SQL["ids_pending"], True: _SQL["ids_pending_beside_fences"]}
_PENDING_COUNT: Final = {False: _SQL["count_pending"], True: _SQL["count_pending_beside_fences"]}


class PostgresHistory:
    """Implements ``history_ports.HistoryStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def for_pages(self, timeout_ms: int) -> None:
        await self._connection.execute(_SQL["steer"], str(timeout_ms))

    async def for_sums(self, timeout_ms: int) -> None:
        await self._connection.execute(_SQL["limit_time"], str(timeout_ms))

    async def page(self, workspace_id: WorkspaceId, filter: CallFilter) -> Sequence[CallId]:
        is_fenced = await self._is_fenced(workspace_id, filter)
        rows = await self._connection.fetch(*page_statement(workspace_id, filter, is_fenced=is_fenced))
        return [row["call_id"] for row in rows]

    async def count(self, workspace_id: WorkspaceId, filter: CallFilter, count_max: int) -> Counted:
        total, is_fenced = 0, await self._is_fenced(workspace_id, filter)
        for statement in count_statements(workspace_id, filter, count_max + 1, is_fenced=is_fenced):
            total += await self._connection.fetchval(*statement)
            if total > count_max:
                break
        if total <= count_max:
            return Counted(total, True)
        if filter == CallFilter(campaign_id=filter.campaign_id, limit=filter.limit, offset=filter.offset):
            kept = await self._connection.fetchval(_SQL["total_of_campaign"], workspace_id, filter.campaign_id)
            if kept is not None and kept > count_max:
                return Counted(kept, True)
        return Counted(count_max + 1, False)

    async def _is_fenced(self, workspace_id: WorkspaceId, filter: CallFilter) -> bool:
        """Whether pending calls must be asked for one by one: nearly never."""
        if filter.status not in TERMINABLE:
            return False
        return bool(await self._connection.fetchval(_SQL["has_number_fences"], workspace_id))

    async def shown(self, workspace_id: WorkspaceId, call_ids: Sequence[CallId]) -> Sequence[CallRow]:
        rows = await self._connection.fetch(_SQL["shown"], workspace_id, call_ids)
        return [CallRow(**dict(row)) for row in rows]

    async def table(self, workspace_id: WorkspaceId, wanted: CallTableFilter, looked_max: int) -> FoundCalls:
        return await call_table.found(self._connection, self.page, workspace_id, wanted, looked_max)

    async def calls_by_status(self, workspace_id: WorkspaceId, filter: AnalyticsFilter) -> Mapping[str, int]:
        rows = await self._connection.fetch(_SQL["calls_by_status"], workspace_id, *_summed(filter))
        return {row["status"]: row["count"] for row in rows}

    async def attempts_by_outcome(
        self, workspace_id: WorkspaceId, filter: AnalyticsFilter, bucket_ends_s: Sequence[float]
    ) -> Sequence[AttemptTally]:
        rows = await self._connection.fetch(
            _SQL["attempts_by_outcome"], workspace_id, *_summed(filter), list(bucket_ends_s)
        )
        return [AttemptTally(**dict(row)) for row in rows]


def page_statement(workspace_id: WorkspaceId, filter: CallFilter, *, is_fenced: bool) -> tuple[Any, ...]:
    """The one statement that finds the page of a filter, and its arguments."""
    matching, page = _matching(workspace_id, filter), (filter.limit, filter.offset)
    match filter.status:
        case None if filter.agent_ids is None and filter.campaign_id is None:
            return (_SQL["ids_of_workspace"], *matching[:3], *page)
        case None:
            return (_SQL["ids_of_campaigns"], *matching, *page)
        case CallStatus.ONGOING:
            return (_SQL["ids_ongoing"], *matching, *page)
        case CallStatus.CANCELLED:
            return (_SQL["ids_cancelled"], *matching, *page)
        case pending if pending in TERMINABLE:
            return (_PENDING_PAGE[is_fenced], *matching, *page, pending)
        case ended:
            return (_SQL["ids_ended"], *matching, *page, ended)


def count_statements(
    workspace_id: WorkspaceId, filter: CallFilter, count_max: int, *, is_fenced: bool
) -> list[tuple[Any, ...]]:
    """The statements whose sum is the number of calls that a filter matches, each counting up to ``count_max``."""
    matching = _matching(workspace_id, filter)
    match filter.status:
        case None if filter.agent_ids is None and filter.campaign_id is None:
            return [(_SQL["count_workspace"], *matching[:3], count_max)]
        case None:
            return [(_SQL["count_campaigns"], *matching, count_max)]
        case CallStatus.ONGOING:
            return [(_SQL["count_ongoing"], *matching, count_max)]
        case pending if pending in TERMINABLE:
            return [(_PENDING_COUNT[is_fenced], *matching, count_max, pending)]
        case ended:
            counts = [(_SQL["count_ended"], *matching, count_max, ended)]
            return [*counts, (_SQL["count_fenced"], *matching, count_max)] if ended == CallStatus.CANCELLED else counts


def _matching(workspace_id: WorkspaceId, filter: CallFilter) -> tuple[Any, ...]:
    lowest, beyond = id_range(filter.start_at, filter.end_at, filter.below)
    if filter.call_id is not None:
        lowest = max(lowest, filter.call_id)
        beyond = min(beyond, UUID(int=min(filter.call_id.int + 1, BEYOND_EVERY_ID.int)))
    agents = None if filter.agent_ids is None else list(filter.agent_ids)
    return (workspace_id, lowest, beyond, agents, filter.campaign_id)


def _summed(filter: AnalyticsFilter) -> tuple[Any, ...]:
    ids = (first_id_at(filter.start_at), first_id_at(filter.end_at))
    return (filter.agent_id, filter.campaign_id, filter.voicemail_detected, *ids)
