"""Receipts, previews and kept answers against PostgreSQL."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from ringoff.domain.identifiers import AgentId, CallId, CampaignId, TerminationId, WorkspaceId, id_range
from ringoff.domain.receipt_filter import ReceiptFilter
from ringoff.domain.records import CoveredCall, KeptAnswer, OpenCounts, Receipt
from ringoff.domain.termination import Selector
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("receipts")
_COVERAGE = load("coverage")
_TALLIES = load("tallies")
_BEFORE_ALL = UUID(int=0)
# What LIKE would read as more than itself.
_PATTERN: Final = re.compile(r"[\\%_]")


class PostgresReceipts:
    """Implements ``ports.ReceiptStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def receipt(self, workspace_id: WorkspaceId, termination_id: TerminationId) -> Receipt | None:
        row = await self._connection.fetchrow(_SQL["receipt"], workspace_id, termination_id)
        return None if row is None else Receipt(**dict(row))

    async def receipts(self, workspace_id: WorkspaceId, wanted: ReceiptFilter) -> Sequence[Receipt]:
        text = None if wanted.text is None else _PATTERN.sub(r"\\\g<0>", wanted.text)
        rows = await self._connection.fetch(
            _SQL["receipts"],
            workspace_id,
            *id_range(wanted.start_at, wanted.end_at, wanted.before),
            wanted.state,
            wanted.level,
            wanted.text,
            None if text is None else f"%{text}%",
            None if text is None else f"{text.lower()}%",
            wanted.limit,
        )
        return [Receipt(**dict(row)) for row in rows]

    async def scope_names(
        self, workspace_id: WorkspaceId, campaign_ids: Sequence[CampaignId], agent_ids: Sequence[AgentId]
    ) -> Mapping[UUID, str]:
        rows = await self._connection.fetch(_SQL["scope_names"], workspace_id, campaign_ids, agent_ids)
        return {row["scope_id"]: row["name"] for row in rows}

    async def covered(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, after: CallId | None, limit: int
    ) -> Sequence[CoveredCall]:
        above = after or _BEFORE_ALL
        await self._connection.execute(_COVERAGE["steer"])
        settled = await self._connection.fetch(_COVERAGE["covered_settled"], workspace_id, termination_id, above, limit)
        page_end = settled[-1]["call_id"] if len(settled) == limit else None
        unsettled = await self._connection.fetch(
            _COVERAGE["covered_unsettled"], workspace_id, termination_id, above, page_end, limit
        )
        ids = sorted({row["call_id"] for row in (*settled, *unsettled)})[:limit]
        return await self._shown(workspace_id, ids)

    async def open_counts(self, workspace_id: WorkspaceId, selector: Selector) -> Sequence[OpenCounts]:
        if selector.call_ids is not None or selector.mobile_numbers is not None:
            rows = await self._connection.fetch(_COVERAGE["open_by_rows"], workspace_id, *_rows_of(selector))
            return [_open(dict(row), None) for row in rows]
        of = (workspace_id, selector.campaign_id, selector.agent_id)
        behind = await self._connection.fetch(_COVERAGE["behind_number_fences"], *of)
        fenced = {row["campaign_id"]: row for row in behind}
        found = [dict(row) for row in await self._connection.fetch(_COVERAGE["open_by_campaign"], *of)]
        tallied = {row["campaign_id"]: row for row in await self._connection.fetch(_COVERAGE["tallied_in_scope"], *of)}
        for counts in await self._connection.fetch(_TALLIES["counts"], workspace_id, list(tallied)):
            by_status = {f"{status}_count": counts[status] for status in ("registered", "retry", "ongoing")}
            found.append(dict(tallied[counts["campaign_id"]]) | by_status)
        return [_open(row, fenced.get(row["campaign_id"])) for row in found]

    async def sample(self, workspace_id: WorkspaceId, selector: Selector, limit: int) -> Sequence[CoveredCall]:
        if selector.call_ids is not None or selector.mobile_numbers is not None:
            rows = await self._connection.fetch(_COVERAGE["sample_by_rows"], workspace_id, *_rows_of(selector), limit)
        else:
            rows = await self._connection.fetch(
                _COVERAGE["sample_by_campaign"], workspace_id, selector.campaign_id, selector.agent_id, limit
            )
        return await self._shown(workspace_id, [row["call_id"] for row in rows])

    async def _shown(self, workspace_id: WorkspaceId, call_ids: Sequence[CallId]) -> Sequence[CoveredCall]:
        rows = await self._connection.fetch(_COVERAGE["shown"], workspace_id, call_ids)
        return [CoveredCall(**dict(row)) for row in rows]

    async def claim_key(self, workspace_id: WorkspaceId, key: str, fingerprint: bytes, keep_h: int) -> bool:
        return bool(
            await self._connection.fetchval(_SQL["claim_idempotency_key"], workspace_id, key, fingerprint, keep_h)
        )

    async def kept_answer(self, workspace_id: WorkspaceId, key: str) -> KeptAnswer | None:
        row = await self._connection.fetchrow(_SQL["kept_answer"], workspace_id, key)
        return None if row is None else KeptAnswer(**dict(row))

    async def keep_answer(
        self, workspace_id: WorkspaceId, key: str, termination_id: TerminationId, answer: Any
    ) -> None:
        await self._connection.execute(_SQL["keep_answer"], workspace_id, key, termination_id, answer)


def _rows_of(selector: Selector) -> tuple[Any, ...]:
    return (
        None if selector.call_ids is None else list(selector.call_ids),
        None if selector.mobile_numbers is None else list(selector.mobile_numbers),
        selector.campaign_id,
        selector.agent_id,
    )


def _open(row: Mapping[str, Any], fenced: asyncpg.Record | None) -> OpenCounts:
    return OpenCounts(
        campaign_id=row["campaign_id"],
        is_individual=row["kind"] == "individual",
        campaign_name=row["campaign_name"],
        agent_id=row["agent_id"],
        agent_name=row["agent_name"],
        registered_count=row["registered_count"] - (fenced["registered_count"] if fenced else 0),
        retry_count=row["retry_count"] - (fenced["retry_count"] if fenced else 0),
        ongoing_count=row["ongoing_count"],
    )
