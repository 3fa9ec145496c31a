"""The seam's second page: what the kill switch and its accounts ask of the store.

As on the first (``ports``), a store method never commits, and every write of a status names the status that it expects.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from ringoff.domain.identifiers import (
    AgentId,
    ApiKeyId,
    CallId,
    CampaignId,
    TerminationId,
    WorkspaceId,
)
from ringoff.domain.readings import Reading
from ringoff.domain.receipt_filter import ReceiptFilter
from ringoff.domain.records import (
    CoveredCall,
    CoveredRows,
    KeptAnswer,
    OpenCounts,
    Receipt,
    Subscription,
    SuppressedNumber,
    SweptCounts,
    UnsettledFence,
)
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.domain.webhook_records import (
    Delivery,
    DeliveryFilter,
    LoggedDelivery,
    OpenSubscription,
    PausedSubscription,
    StatusCallback,
    TryOutcome,
)


class TerminationStore(Protocol):
    """Fences and row updates of the kill switch, and what settles behind them."""

    async def lock_agent(self, workspace_id: WorkspaceId, agent_id: AgentId, *, shared: bool) -> None: ...
    async def lock_campaign(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> None: ...
    async def lock_number_fences(self, workspace_id: WorkspaceId) -> None: ...

    async def new_termination_id(self) -> TerminationId:
        """For what must name its order before the order's row is written."""

    async def add_termination(
        self,
        workspace_id: WorkspaceId,
        order: TerminationOrder,
        *,
        api_key_id: ApiKeyId | None,
        termination_id: TerminationId | None = None,
        suppressed_count: int = 0,
    ) -> TerminationId:
        """The receipt of an order that is about to raise fences; it settles with the last of them."""

    async def probe_campaign(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, agent_id: AgentId | None
    ) -> CallId | None:
        """One terminable call of the campaign (if it is that agent's): the witness, found without a lock."""

    async def probe_agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> CallId | None: ...
    async def probe_numbers(self, workspace_id: WorkspaceId, selector: Selector) -> CallId | None: ...
    async def is_terminable(self, workspace_id: WorkspaceId, call_id: CallId) -> bool:
        """Whether the witness still stands; one row, for a look under the lock."""

    async def is_verifying(self, workspace_id: WorkspaceId, selector: Selector) -> bool:
        """Whether the order covers a list whose calls are still to be registered by its verification."""

    async def fence_campaign(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, campaign_id: CampaignId
    ) -> None:
        """Raise the campaign's epoch. Only under its exclusive lock."""

    async def end_campaign(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, campaign_id: CampaignId, sub_status: str
    ) -> bool:
        """The same for good: completed. Only under that lock; False when the campaign is not started any more."""

    async def fence_agent(self, workspace_id: WorkspaceId, termination_id: TerminationId, agent_id: AgentId) -> int:
        """Raise the epoch of each campaign of the agent with an open call; how many. Only under its exclusive lock."""

    async def fence_numbers(self, workspace_id: WorkspaceId, termination_id: TerminationId, selector: Selector) -> None:
        """Raise a fence for each number. Only under the workspace's exclusive lock of number fences."""

    async def record_ongoing(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, order: TerminationOrder
    ) -> int:
        """Under the order's lock: count covered calls on the wire, and ask for their release if the order hangs up."""

    async def lock_rows(self, workspace_id: WorkspaceId, selector: Selector, rows_max: int) -> CoveredRows | None:
        """Lock the open calls of call ids or numbers, which permits meet there; None when there are too many."""

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
        """Cancel and bar what ``lock_rows`` has locked, with a receipt that is settled at once."""

    async def next_unsettled(self) -> UnsettledFence | None:
        """One fence to sweep, locked against other sweepers, or None."""

    async def sweep(self, fence: UnsettledFence, count_max: int) -> SweptCounts:
        """Settle up to ``count_max`` covered rows behind the fence and add to the receipt."""

    async def close_fence(self, fence: UnsettledFence) -> bool:
        """Mark the fence settled if no covered row is left; the receipt settles with its last fence."""

    async def close(self, workspace_id: WorkspaceId, termination_id: TerminationId) -> None:
        """Settle the receipt if none of its fences is open."""


class ReceiptStore(Protocol):
    """What is read of orders: receipts, what they covered or would cover, and answers that are given again."""

    async def receipt(self, workspace_id: WorkspaceId, termination_id: TerminationId) -> Receipt | None: ...
    async def receipts(self, workspace_id: WorkspaceId, wanted: ReceiptFilter) -> Sequence[Receipt]:
        """Those that match, newest first."""

    async def scope_names(
        self, workspace_id: WorkspaceId, campaign_ids: Sequence[CampaignId], agent_ids: Sequence[AgentId]
    ) -> Mapping[UUID, str]:
        """The names of campaigns and agents by id, those that were deleted or archived too."""

    async def covered(
        self, workspace_id: WorkspaceId, termination_id: TerminationId, after: CallId | None, limit: int
    ) -> Sequence[CoveredCall]:
        """Calls of the receipt by id, above ``after``: settled ones, and pending ones behind its fences."""

    async def open_counts(self, workspace_id: WorkspaceId, selector: Selector) -> Sequence[OpenCounts]:
        """By campaign, what an order with this selector would find now. Only in a snapshot."""

    async def sample(self, workspace_id: WorkspaceId, selector: Selector, limit: int) -> Sequence[CoveredCall]: ...

    async def claim_key(self, workspace_id: WorkspaceId, key: str, fingerprint: bytes, keep_h: int) -> bool:
        """Whether this transaction may give the order of this key; waits for others that try."""

    async def kept_answer(self, workspace_id: WorkspaceId, key: str) -> KeptAnswer | None: ...
    async def keep_answer(
        self, workspace_id: WorkspaceId, key: str, termination_id: TerminationId, answer: Any
    ) -> None: ...


class SuppressionStore(Protocol):
    """Numbers that must not be rung. Add first, then take the exclusive lock of number fences until the commit."""

    async def add(
        self,
        workspace_id: WorkspaceId,
        numbers: Sequence[str],
        *,
        reason: str | None,
        api_key_id: ApiKeyId | None,
        termination_id: TerminationId | None = None,
    ) -> int:
        """How many are new."""

    async def lock(self, workspace_id: WorkspaceId) -> None:
        """That exclusive lock, for whoever gives no order: outside the pool of orders, so it ends who stands still."""

    async def import_contacts(
        self, workspace_id: WorkspaceId, rows: AsyncIterator[bytes], *, reason: str | None, api_key_id: ApiKeyId | None
    ) -> int:
        """Add the numbers of contact rows as the upload's reader writes them; how many are new."""

    async def count_among(self, workspace_id: WorkspaceId, rows: AsyncIterator[bytes]) -> int:
        """How many of the numbers of contact rows are on the list. The rows are staged until the transaction ends."""

    async def page(
        self, workspace_id: WorkspaceId, after: str, lowest: str, highest: str, limit: int
    ) -> Sequence[SuppressedNumber]:
        """By number, above ``after``, from ``lowest`` to ``highest``."""

    async def count(self, workspace_id: WorkspaceId) -> int: ...
    async def count_up_to(self, workspace_id: WorkspaceId, count_max: int) -> int:
        """The count, or ``count_max`` when there are more: at the cost of so many."""

    async def remove(self, workspace_id: WorkspaceId, number: str) -> bool: ...


class SubscriptionStore(Protocol):
    """Who wants to hear of which events: without a subscription none is written."""

    async def replace(
        self, workspace_id: WorkspaceId, agent_id: AgentId | None, event_types: Sequence[str]
    ) -> None: ...
    async def all(self, workspace_id: WorkspaceId) -> Sequence[Subscription]: ...


class WebhookStore(Protocol):
    """Events on their way to subscribers that have a URL."""

    async def set_webhook(
        self,
        workspace_id: WorkspaceId,
        agent_id: AgentId | None,
        event_type: str,
        *,
        callback_url: str,
        headers: Mapping[str, str],
        method: str,
        signing_secret: str,
    ) -> tuple[OpenSubscription, str]:
        """One URL for each event type and agent, the newest wins; also its signing secret, which stays."""

    async def keep_callback(
        self,
        workspace_id: WorkspaceId,
        subject_id: UUID,
        callback: StatusCallback,
        *,
        signing_secret: str,
        origins_max: int,
    ) -> bool:
        """Tell of one call, or of one campaign's calls, there; False when it would be one host too many."""

    async def open(self) -> Sequence[OpenSubscription]:
        """Those that are not paused and have something due."""

    async def claim(self, of: OpenSubscription, count_max: int, lease_s: float) -> Sequence[Delivery]:
        """The oldest undelivered event of each call, if it is due, leased: nobody else tries it before then."""

    async def record(self, of: OpenSubscription, outcomes: Sequence[TryOutcome]) -> Mapping[int, str]:
        """Write how tries have ended; by event, the words that are kept of each: none of a person who was erased."""

    async def give_back(self, of: OpenSubscription, deliveries: Sequence[Delivery]) -> None:
        """Claimed, and given up without an answer: due at once, and the try does not count."""

    async def succeeded(self, of: OpenSubscription) -> None: ...
    async def failed(self, of: OpenSubscription, count: int, count_max: int, lasting_s: float, alarm: str) -> bool:
        """Count failures in a row; whether that has paused the subscription."""

    async def resume(self, of: OpenSubscription, lease_s: float) -> bool: ...
    async def redeliver(self, of: OpenSubscription, first_event_id: int, last_event_id: int) -> int:
        """Send what is over once more, from one event to another; how many."""

    async def deliveries(self, workspace_id: WorkspaceId, wanted: DeliveryFilter) -> Sequence[LoggedDelivery]:
        """A page of the log."""

    async def paused(self) -> Sequence[PausedSubscription]:
        """Of all workspaces."""

    async def oldest_undelivered_s(self) -> float | None:
        """The age of the oldest event that waits for some subscriber, paused ones too; None when none does."""


class ReadingStore(Protocol):
    """How busy the installation is, of all tenants."""

    async def read(self) -> Reading:
        """A few short statements, whose cost does not grow with the number of calls."""


class InvariantStore(Protocol):
    """The rules that hold at every commit, as queries."""

    def watched(self) -> Sequence[str]:
        """Rules that may be checked every minute: with ``since``, they look at what is on the move."""

    def audits(self) -> Sequence[str]:
        """Rules that read whole tables."""

    async def broken(self, name: str, count_max: int, since: datetime | None = None) -> Sequence[str]:
        """Ids that break the rule; none is the healthy answer."""
