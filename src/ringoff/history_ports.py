"""The part of the seam that looks back: pages of calls, how many there are, and what became of attempts."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ringoff.domain.call_table import CallTableFilter, FoundCalls
from ringoff.domain.identifiers import CallId, WorkspaceId
from ringoff.domain.records import AnalyticsFilter, AttemptTally, CallFilter, CallRow, Counted


class HistoryStore(Protocol):
    """Reads of many calls at a bounded cost, by effective status. A transaction begins with one of the first two."""

    async def for_pages(self, timeout_ms: int) -> None:
        """For the rest of this transaction: plans that read no more than their page, and a limit for each statement."""

    async def for_sums(self, timeout_ms: int) -> None:
        """For the rest of this transaction: a limit for each statement."""

    async def page(self, workspace_id: WorkspaceId, filter: CallFilter) -> Sequence[CallId]:
        """Ids of one page, newest first. One snapshot with ``shown``, or the two may differ."""

    async def count(self, workspace_id: WorkspaceId, filter: CallFilter, count_max: int) -> Counted:
        """How many the filter matches without its limit and offset; counted up to ``count_max``."""

    async def shown(self, workspace_id: WorkspaceId, call_ids: Sequence[CallId]) -> Sequence[CallRow]:
        """These calls, in the order of the ids."""

    async def table(self, workspace_id: WorkspaceId, wanted: CallTableFilter, looked_max: int) -> FoundCalls:
        """The next ids of one campaign's table in the direction of the walk, and one more than its limit."""

    async def calls_by_status(self, workspace_id: WorkspaceId, filter: AnalyticsFilter) -> Mapping[str, int]:
        """Calls by effective status."""

    async def attempts_by_outcome(
        self, workspace_id: WorkspaceId, filter: AnalyticsFilter, bucket_ends_s: Sequence[float]
    ) -> Sequence[AttemptTally]:
        """Attempts that were on the wire, by calling number, disposition and length of talk.

        Bucket 0 ends at the first of ``bucket_ends_s``; each end belongs to the bucket above it.
        """
