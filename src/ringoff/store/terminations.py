"""The kill switch against PostgreSQL: fences, row updates, and the sweep behind the fences."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from ringoff.domain.errors import SerializationConflict
from ringoff.domain.identifiers import AgentId, ApiKeyId, CallId, CampaignId, TerminationId, WorkspaceId
from ringoff.domain.records import TerminationCounts, UnsettledFence
from ringoff.domain.termination import Selector
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("terminations")
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

    async def add_termination(
        self,
        workspace_id: WorkspaceId,
        selector: Selector,
        *,
        api_key_id: ApiKeyId | None,
        reason: str | None,
    ) -> TerminationId:
        termination_id = await self._connection.fetchval(
            _SQL["add_termination"], workspace_id, selector.level, _stored(selector), reason, api_key_id
        )
        return TerminationId(termination_id)

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

    async def fence_campaign(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, campaign_id: CampaignId, sub_status: str
    ) -> None:
        await self._connection.execute(_SQL["fence_campaign"], workspace_id, campaign_id, termination_id, sub_status)
        await self._connection.execute(_SQL["count_left_ongoing"], workspace_id, termination_id)

    async def fence_agent(self, workspace_id: WorkspaceId, termination_id: TerminationId, agent_id: AgentId) -> None:
        await self._connection.execute(_SQL["fence_agent"], workspace_id, agent_id, termination_id)
        await self._connection.execute(_SQL["count_left_ongoing"], workspace_id, termination_id)

    async def fence_numbers(self, workspace_id: WorkspaceId, termination_id: TerminationId, selector: Selector) -> None:
        await self._connection.execute(
            _SQL["fence_numbers"],
            workspace_id,
            list(selector.mobile_numbers or ()),
            termination_id,
            selector.campaign_id,
            selector.agent_id,
        )

    async def count_by_numbers(self, workspace_id: WorkspaceId, numbers: Sequence[str], count_max: int) -> int:
        return int(await self._connection.fetchval(_SQL["count_by_numbers"], workspace_id, list(numbers), count_max))

    async def cancel_calls(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, selector: Selector, rows_max: int
    ) -> TerminationCounts:
        covered = await self._covered(workspace_id, selector, rows_max)
        pending: Sequence[CallId] = [row["call_id"] for row in covered if row["status"] in _PENDING]
        ongoing: Sequence[CallId] = [row["call_id"] for row in covered if row["status"] == "ongoing"]
        if not pending:
            return TerminationCounts()
        cancelled_count = await self._connection.fetchval(_SQL["cancel_calls"], workspace_id, termination_id, pending)
        if not ongoing:
            return TerminationCounts(cancelled_count)
        barred = await self._connection.execute(_SQL["bar_retries"], workspace_id, termination_id, ongoing)
        return TerminationCounts(cancelled_count, _row_count(barred))

    async def _covered(self, workspace_id: WorkspaceId, selector: Selector, rows_max: int) -> Sequence[asyncpg.Record]:
        """The open calls that the selector covers, locked."""
        numbers = None if selector.mobile_numbers is None else list(selector.mobile_numbers)
        narrowing = (numbers, selector.campaign_id, selector.agent_id)
        if selector.call_ids is not None:
            return await self._connection.fetch(
                _SQL["covered_by_call_ids"], workspace_id, list(selector.call_ids), *narrowing
            )
        rows = await self._connection.fetch(_SQL["covered_by_numbers"], workspace_id, *narrowing, rows_max + 1)
        if len(rows) > rows_max:
            raise SerializationConflict("the numbers got more calls while they were counted")
        return [row for row in rows if row["is_covered"]]

    async def settle_at_once(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, counts: TerminationCounts
    ) -> None:
        await self._connection.execute(
            _SQL["settle_termination"],
            workspace_id,
            termination_id,
            counts.cancelled_count,
            counts.retry_barred_count,
        )

    async def next_unsettled(self) -> UnsettledFence | None:
        campaign = await self._connection.fetchrow(_SQL["next_campaign_fence"])
        numbers = await self._connection.fetchrow(_SQL["next_number_fence"])
        if campaign is not None and (numbers is None or campaign["swept_at"] <= numbers["swept_at"]):
            return UnsettledFence(
                workspace_id=campaign["workspace_id"],
                termination_id=campaign["termination_id"],
                campaign_id=campaign["campaign_id"],
                epoch=campaign["epoch"],
                sub_status=campaign["sub_status"],
            )
        if numbers is not None:
            return UnsettledFence(
                workspace_id=numbers["workspace_id"],
                termination_id=numbers["termination_id"],
                campaign_id=None,
                epoch=None,
                sub_status=numbers["sub_status"],
            )
        return None

    async def sweep(self, fence: UnsettledFence, count_max: int) -> TerminationCounts:
        workspace_id, termination_id = fence.workspace_id, fence.termination_id
        if fence.campaign_id is not None:
            place = (workspace_id, fence.campaign_id, fence.epoch)
            # Counted already when the fence was raised.
            await self._connection.execute(
                _SQL["sweep_campaign_ongoing"], termination_id, fence.campaign_id, fence.epoch
            )
            barred_count = 0
            cancelled = await self._connection.fetchval(_SQL["sweep_campaign"], *place, termination_id, count_max)
            await self._connection.execute(_SQL["touch_campaign_fence"], *place, _back_of_the_queue_s(cancelled))
        else:
            barred_count = _row_count(
                await self._connection.execute(_SQL["sweep_numbers_ongoing"], workspace_id, termination_id)
            )
            cancelled = await self._connection.fetchval(_SQL["sweep_numbers"], workspace_id, termination_id, count_max)
            await self._connection.execute(
                _SQL["touch_number_fence"], workspace_id, termination_id, _back_of_the_queue_s(cancelled)
            )
        counts = TerminationCounts(cancelled, barred_count)
        await self._connection.execute(
            _SQL["add_to_receipt"], workspace_id, termination_id, counts.cancelled_count, counts.retry_barred_count
        )
        return counts

    async def close_fence(self, fence: UnsettledFence) -> bool:
        if fence.campaign_id is not None:
            closed = await self._connection.fetch(
                _SQL["close_campaign_fence"], fence.workspace_id, fence.campaign_id, fence.epoch
            )
        else:
            closed = await self._connection.fetch(_SQL["close_number_fence"], fence.workspace_id, fence.termination_id)
        if not closed:
            return False
        await self._connection.execute(_SQL["close_termination"], fence.workspace_id, fence.termination_id)
        return True

    async def receipt(self, workspace_id: WorkspaceId, termination_id: TerminationId) -> Mapping[str, Any] | None:
        row = await self._connection.fetchrow(_SQL["receipt"], workspace_id, termination_id)
        return None if row is None else dict(row)


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


def _row_count(status: str) -> int:
    """The count at the end of a command status such as ``UPDATE 3``."""
    return int(status.rsplit(" ", 1)[1])
