"""What can be read of orders: what one would cover, what each has done, and which calls it covered."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import AgentId, CallId, CampaignId, TerminationId
from ringoff.domain.receipt_filter import TEXT_LENGTH_MAX, ReceiptFilter
from ringoff.domain.records import CoveredCall, OpenCounts, Receipt
from ringoff.domain.termination import TerminationOrder
from ringoff.domain.workspace import Principal
from ringoff.ports import Store

SAMPLE_MAX: Final = 20
SEARCH_TIMEOUT_MS: Final = 10_000
EXPORT_PAGE_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Open calls by effective status."""

    registered: int
    retry: int
    ongoing: int


@dataclass(frozen=True, slots=True)
class AgentCounts:
    agent_id: AgentId
    agent_name: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would find if it were given now. Nothing was written, nothing is promised: calls go on."""

    order: TerminationOrder
    counts: Counts
    by_campaign: Sequence[OpenCounts]
    """Those with an open call, most pending calls first."""
    by_agent: Sequence[AgentCounts]
    sample: Sequence[CoveredCall]
    is_verifying: bool
    """A list in the order's scope is still verified: the order would hold for calls that nobody can count yet."""

    @property
    def terminable_count(self) -> int:
        """Calls that the order would end; with none, and nothing that is verified, the order would be refused."""
        pending = self.counts.registered + self.counts.retry
        return pending + self.counts.ongoing if self.order.hangs_up else pending


async def preview(
    store: Store, principal: Principal, order: TerminationOrder, *, timeout_ms: int | None = None
) -> Preview:
    """Count and sample what the order would cover, on one snapshot that cannot write.

    ``timeout_ms`` limits each statement: ``DatabaseUnavailable`` when one takes longer.
    """
    async with store.snapshot() as tx:
        if timeout_ms is not None:
            await tx.history.for_sums(timeout_ms)
        found = await tx.receipts.open_counts(principal.workspace_id, order.selector)
        sample = await tx.receipts.sample(principal.workspace_id, order.selector, SAMPLE_MAX)
        # Call ids name rows, and a list that is verified has none.
        is_verifying = order.selector.call_ids is None and await tx.terminations.is_verifying(
            principal.workspace_id, order.selector
        )
    open_campaigns = [row for row in found if row.registered_count or row.retry_count or row.ongoing_count]
    open_campaigns.sort(key=lambda row: (row.registered_count + row.retry_count, row.ongoing_count), reverse=True)
    by_agent: defaultdict[AgentId, list[OpenCounts]] = defaultdict(list)
    for row in open_campaigns:
        by_agent[row.agent_id].append(row)
    return Preview(order, _summed(open_campaigns), open_campaigns, _agents(by_agent), sample, is_verifying)


async def receipt(store: Store, principal: Principal, termination_id: TerminationId) -> Receipt:
    """The receipt of one order of the workspace; ``NotFound`` for any other."""
    async with store.transaction() as tx:
        found = await tx.receipts.receipt(principal.workspace_id, termination_id)
    if found is None:
        raise NotFound("Termination not found", field="termination_id")
    return found


async def receipt_with_calls(
    store: Store, principal: Principal, termination_id: TerminationId, after: CallId | None, limit: int
) -> tuple[Receipt, Sequence[CoveredCall]]:
    """A receipt and one page of the calls that it covers, by call id, above ``after``."""
    async with store.snapshot() as tx:
        found = await tx.receipts.receipt(principal.workspace_id, termination_id)
        if found is None:
            raise NotFound("Termination not found", field="termination_id")
        return found, await tx.receipts.covered(principal.workspace_id, termination_id, after, limit)


async def list_receipts(
    store: Store, principal: Principal, before: TerminationId | None, state: str | None, limit: int
) -> Sequence[Receipt]:
    """Receipts of the workspace, newest first, below ``before``."""
    return await search_receipts(store, principal, ReceiptFilter(before=before, state=state, limit=limit))


async def search_receipts(store: Store, principal: Principal, wanted: ReceiptFilter) -> Sequence[Receipt]:
    """Receipts of the workspace that match, newest first. ``InvalidInput`` for a text that cannot be looked for."""
    text = wanted.text
    if text is not None:
        text = text.strip()
        if not text or len(text) > TEXT_LENGTH_MAX or "\0" in text:
            raise InvalidInput(f"text must have 1 to {TEXT_LENGTH_MAX} characters, and no NUL", field="text")
    async with store.transaction() as tx:
        await tx.history.for_sums(SEARCH_TIMEOUT_MS)
        return await tx.receipts.receipts(principal.workspace_id, replace(wanted, text=text))


async def scope_names(store: Store, principal: Principal, found: Sequence[Receipt]) -> Mapping[str, str]:
    """What the campaigns and agents that receipts name are called, by the id as the selector has it."""
    campaign_ids = [CampaignId(UUID(one.selector["campaign_id"])) for one in found if "campaign_id" in one.selector]
    agent_ids = [AgentId(UUID(one.selector["agent_id"])) for one in found if "agent_id" in one.selector]
    if not campaign_ids and not agent_ids:
        return {}
    async with store.transaction() as tx:
        names = await tx.receipts.scope_names(principal.workspace_id, campaign_ids, agent_ids)
    return {str(scope_id): name for scope_id, name in names.items()}


async def every_covered_call(
    store: Store, principal: Principal, termination_id: TerminationId
) -> AsyncIterator[Sequence[CoveredCall]]:
    """The calls of a receipt page by page, by call id, each page a snapshot of its own; ``NotFound`` at the first."""
    after: CallId | None = None
    while True:
        _, page = await receipt_with_calls(store, principal, termination_id, after, EXPORT_PAGE_MAX)
        yield page
        if len(page) < EXPORT_PAGE_MAX:
            return
        after = page[-1].call_id


def _summed(rows: Sequence[OpenCounts]) -> Counts:
    return Counts(
        sum(row.registered_count for row in rows),
        sum(row.retry_count for row in rows),
        sum(row.ongoing_count for row in rows),
    )


def _agents(by_agent: Mapping[AgentId, Sequence[OpenCounts]]) -> Sequence[AgentCounts]:
    return [AgentCounts(agent_id, rows[0].agent_name, _summed(rows)) for agent_id, rows in by_agent.items()]
