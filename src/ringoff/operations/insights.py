"""What became of the calls: history, one call, counts by status. Effective statuses only."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ringoff.domain.call import CallStatus
from ringoff.domain.errors import NotFound
from ringoff.domain.identifiers import CallId
from ringoff.domain.records import CallDetail, CallFilter, CallRow
from ringoff.domain.workspace import Principal
from ringoff.ports import Store


async def history(store: Store, principal: Principal, filter: CallFilter) -> tuple[Sequence[CallRow], int]:
    """One page of calls, newest first, and how many the filter matches in all."""
    async with store.transaction() as tx:
        return await tx.calls.history(principal.workspace_id, filter)


async def call_details(store: Store, principal: Principal, call_id: CallId) -> CallDetail:
    """One call with its dial attempts."""
    async with store.transaction() as tx:
        detail = await tx.calls.call(principal.workspace_id, call_id)
    if detail is None:
        raise NotFound("Call not found", field="id")
    return detail


async def counts(store: Store, principal: Principal, filter: CallFilter) -> Mapping[CallStatus, int]:
    """How many calls the filter matches in each status."""
    async with store.transaction() as tx:
        totals = {}
        for status in CallStatus:
            one = replace(filter, status=status, limit=1, offset=0)
            _, totals[status] = await tx.calls.history(principal.workspace_id, one)
    return totals
