"""The kill switch against PostgreSQL: fences, row updates, and the sweep behind the fences."""

from typing import Any
from uuid import UUID

from ringoff.domain.identifiers import AgentId, ApiKeyId, CallId, CampaignId, TerminationId, WorkspaceId
from ringoff.domain.records import CoveredRows, SweptCounts, UnsettledFence
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.store.connection import Connection, row_count
from ringoff.store.partitions import span_of
from ringoff.store.sql_loader import load

_SQL = load("terminations")
_SWEEP = load("sweep")
_NOTHING_FOUND_S = 5.0
_PENDING = frozenset({"registered", "retry"})


class PostgresTerminations:
    """Implements ``ports.TerminationStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_agent(self, workspace_id: WorkspaceId, agent_id: AgentId, *, shared: bool) -> None:
        await self._connection.fetchval(
            _SQL["lock_shared" if shared else "lock_exclusive"], "agent", workspace_id, agent_id
        )

    async def lock_campaign(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> None:
        await self._connection.fetchval(_SQL["lock_exclusive"], "campaign", workspace_id, campaign_id)

    async def lock_number_fences(self, workspace_id: WorkspaceId) -> None:
        await self._connection.fetchval(_SQL["lock_exclusive"], "number_fences", workspace_id, workspace_id)

    async def new_termination_id(self) -> TerminationId:
        return TerminationId(await self._connection.fetchval(_SQL["new_termination_id"]))

    async def add_termination(
        self,
        workspace_id: WorkspaceId,
        order: TerminationOrder,
        *,
        api_key_id: ApiKeyId | None,
        termination_id: TerminationId | None = None,
        suppressed_count: int = 0,
    ) -> TerminationId:
        return TerminationId(
            await self._connection.fetchval(
                _SQL["add_termination"],
                workspace_id,
                termination_id,
                *_columns(order, api_key_id),
                suppressed_count,
            )
        )

    async def probe_campaign(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, agent_id: AgentId | None
    ) -> CallId | None:
        return _call_id(await self._connection.fetchval(_SQL["probe_campaign"], workspace_id, campaign_id, agent_id))

    async def probe_agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> CallId | None:
        return _call_id(await self._connection.fetchval(_SQL["probe_agent"], workspace_id, agent_id))

    async def probe_numbers(self, workspace_id: WorkspaceId, selector: Selector) -> CallId | None:
        numbers = list(selector.mobile_numbers or ())
        return _call_id(
            await self._connection.fetchval(
                _SQL["probe_numbers"], workspace_id, numbers, selector.campaign_id, selector.agent_id
            )
        )

    async def is_terminable(self, workspace_id: WorkspaceId, call_id: CallId) -> bool:
        return bool(await self._connection.fetchval(_SQL["is_terminable"], workspace_id, call_id))

    async def is_verifying(self, workspace_id: WorkspaceId, selector: Selector) -> bool:
        return bool(
            await self._connection.fetchval(_SQL["is_verifying"], workspace_id, selector.campaign_id, selector.agent_id)
        )

    async def fence_campaign(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, campaign_id: CampaignId
    ) -> None:
        await self._connection.execute(_SQL["fence_campaign"], workspace_id, campaign_id, termination_id)

    async def end_campaign(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, campaign_id: CampaignId, sub_status: str
    ) -> bool:
        status = await self._connection.execute(
            _SQL["end_campaign"], workspace_id, campaign_id, termination_id, sub_status
        )
        return row_count(status) == 1

    async def fence_agent(self, workspace_id: WorkspaceId, termination_id: TerminationId, agent_id: AgentId) -> int:
        return row_count(await self._connection.execute(_SQL["fence_agent"], workspace_id, agent_id, termination_id))

    async def fence_numbers(self, workspace_id: WorkspaceId, termination_id: TerminationId, selector: Selector) -> None:
        await self._connection.execute(
            _SQL["fence_numbers"],
            workspace_id,
            list(selector.mobile_numbers or ()),
            termination_id,
            selector.campaign_id,
            selector.agent_id,
        )

    async def record_ongoing(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, order: TerminationOrder
    ) -> int:
        selector = order.selector
        if selector.mobile_numbers is not None:
            found = await self._connection.fetchrow(
                _SQL["ongoing_of_numbers"],
                workspace_id,
                list(selector.mobile_numbers),
                order.hangs_up,
                selector.campaign_id,
                selector.agent_id,
            )
        elif selector.campaign_id is not None:
            found = await self._connection.fetchrow(
                _SQL["ongoing_of_campaign"], workspace_id, selector.campaign_id, order.hangs_up, selector.agent_id
            )
        else:
            found = await self._connection.fetchrow(
                _SQL["ongoing_of_agent"], workspace_id, selector.agent_id, order.hangs_up
            )
        assert found is not None, "an aggregate always answers"
        if found["ongoing_count"]:
            await self._connection.execute(
                _SQL["record_ongoing"],
                workspace_id,
                termination_id,
                found["ongoing_count"],
                found["call_ids"],
                *span_of(found["call_ids"]),
            )
        if order.hangs_up:
            numbers = None if selector.mobile_numbers is None else list(selector.mobile_numbers)
            await self._connection.execute(
                _SQL["want_prepared_released"],
                workspace_id,
                termination_id,
                numbers,
                selector.campaign_id,
                selector.agent_id,
            )
            await self._connection.execute(_SQL["wake_releases"])
        return int(found["ongoing_count"])

    async def lock_rows(self, workspace_id: WorkspaceId, selector: Selector, rows_max: int) -> CoveredRows | None:
        numbers = None if selector.mobile_numbers is None else list(selector.mobile_numbers)
        narrowing = (numbers, selector.campaign_id, selector.agent_id)
        if selector.call_ids is not None:
            rows = await self._connection.fetch(
                _SQL["covered_by_call_ids"],
                workspace_id,
                list(selector.call_ids),
                *narrowing,
                *span_of(selector.call_ids),
            )
        else:
            rows = await self._connection.fetch(_SQL["covered_by_numbers"], workspace_id, *narrowing, rows_max + 1)
            if len(rows) > rows_max:
                return None
            rows = [row for row in rows if row["is_covered"]]
        ongoing = [row for row in rows if row["status"] == "ongoing"]
        return CoveredRows(
            pending=[row["call_id"] for row in rows if row["status"] in _PENDING],
            ongoing=[row["call_id"] for row in ongoing],
            newly_barred=[row["call_id"] for row in ongoing if not row["retry_barred"]],
        )

    async def cancel_rows(
        self,
        workspace_id: WorkspaceId,
        order: TerminationOrder,
        rows: CoveredRows,
        *,
        api_key_id: ApiKeyId | None,
        termination_id: TerminationId | None = None,
        suppressed_count: int = 0,
    ) -> TerminationId:
        given = await self._connection.fetchval(
            _SQL["cancel_rows"],
            workspace_id,
            termination_id,
            *_columns(order, api_key_id),
            suppressed_count,
            rows.pending,
            rows.ongoing,
            rows.newly_barred,
            *span_of([*rows.pending, *rows.ongoing]),
        )
        if order.hangs_up:
            await self._connection.execute(_SQL["wake_releases"])
        return TerminationId(given)

    async def next_unsettled(self) -> UnsettledFence | None:
        campaign = await self._connection.fetchrow(_SWEEP["next_campaign_fence"])
        numbers = await self._connection.fetchrow(_SWEEP["next_number_fence"])
        if campaign is not None and (numbers is None or campaign["swept_at"] <= numbers["swept_at"]):
            return UnsettledFence(
                workspace_id=campaign["workspace_id"],
                termination_id=campaign["termination_id"],
                campaign_id=campaign["campaign_id"],
                epoch=campaign["epoch"],
                sub_status=campaign["sub_status"],
                is_early=campaign["is_early"],
            )
        if numbers is not None:
            return UnsettledFence(
                workspace_id=numbers["workspace_id"],
                termination_id=numbers["termination_id"],
                campaign_id=None,
                epoch=None,
                sub_status=numbers["sub_status"],
                is_early=numbers["is_early"],
            )
        return None

    async def sweep(self, fence: UnsettledFence, count_max: int) -> SweptCounts:
        workspace_id, termination_id = fence.workspace_id, fence.termination_id
        if fence.campaign_id is not None:
            place = (workspace_id, fence.campaign_id, fence.epoch)
            barred = await self._connection.execute(
                _SWEEP["sweep_campaign_ongoing"], termination_id, fence.campaign_id, fence.epoch, workspace_id
            )
            [swept] = await self._connection.fetch(_SWEEP["sweep_campaign"], *place, termination_id, count_max)
            touched: tuple[Any, ...] = (_SWEEP["touch_campaign_fence"], *place)
        else:
            barred = await self._connection.execute(_SWEEP["sweep_numbers_ongoing"], workspace_id, termination_id)
            [swept] = await self._connection.fetch(_SWEEP["sweep_numbers"], workspace_id, termination_id, count_max)
            touched = (_SWEEP["touch_number_fence"], workspace_id, termination_id)
        counts = SweptCounts(
            cancelled_count=swept["cancelled_count"],
            retry_barred_count=row_count(barred),
            event_count=swept["event_count"],
            is_dialling=swept["is_dialling"],
        )
        await self._connection.execute(*touched, _back_of_the_queue_s(counts.cancelled_count))
        await self._connection.execute(
            _SWEEP["add_to_receipt"], workspace_id, termination_id, counts.cancelled_count, counts.retry_barred_count
        )
        return counts

    async def close_fence(self, fence: UnsettledFence) -> bool:
        if fence.campaign_id is not None:
            closed = await self._connection.fetch(
                _SWEEP["close_campaign_fence"], fence.workspace_id, fence.campaign_id, fence.epoch
            )
        else:
            closed = await self._connection.fetch(
                _SWEEP["close_number_fence"], fence.workspace_id, fence.termination_id
            )
        if not closed:
            return False
        await self.close(fence.workspace_id, fence.termination_id)
        return True

    async def close(self, workspace_id: WorkspaceId, termination_id: TerminationId) -> None:
        await self._connection.execute(_SWEEP["close_termination"], workspace_id, termination_id)


def _columns(order: TerminationOrder, api_key_id: ApiKeyId | None) -> tuple[Any, ...]:
    """An order as the table termination keeps it."""
    selector = order.selector
    return (selector.level, _stored(selector), order.reason, api_key_id, order.ongoing, order.suppress)


def _stored(selector: Selector) -> dict[str, Any]:
    """The selector as the request gave it, for the receipt."""
    return {
        name: value
        for name, value in (
            ("agent_id", selector.agent_id),
            ("call_ids", selector.call_ids),
            ("campaign_id", selector.campaign_id),
            ("mobile_numbers", selector.mobile_numbers),
        )
        if value is not None
    }


def _call_id(value: UUID | None) -> CallId | None:
    return None if value is None else CallId(value)


def _back_of_the_queue_s(cancelled_count: int) -> float:
    """A fence that found nothing waits for another to end: it goes behind the others, and is still swept when alone."""
    return 0.0 if cancelled_count else _NOTHING_FOUND_S
