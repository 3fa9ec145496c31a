"""The kill switch: one request ends every covered call that is not on the wire, at a cost that does not grow.

Campaigns and agents are fenced (an epoch is raised); calls named by id or by number are updated row by row, because
permit and order meet on those rows; numbers with very many calls are fenced too. See docs/decisions.
"""

from dataclasses import dataclass
from typing import Final

from ringoff.domain.call import SubStatus
from ringoff.domain.errors import NothingTerminable, SerializationConflict
from ringoff.domain.identifiers import CallId, TerminationId, WorkspaceId
from ringoff.domain.termination import Selector
from ringoff.domain.workspace import Principal
from ringoff.ports import Gate, Store, Transaction, open_gate

NUMBER_ROWS_MAX: Final = 2_000
"""Open calls of the given numbers up to which rows are updated; above it the numbers are fenced."""

_TRIES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class _Try:
    """One attempt at an order, inside its transaction."""

    tx: Transaction
    workspace_id: WorkspaceId
    termination_id: TerminationId
    selector: Selector
    number_rows_max: int
    gate: Gate
    is_last: bool


async def terminate(
    store: Store,
    principal: Principal,
    selector: Selector,
    *,
    reason: str | None = None,
    number_rows_max: int = NUMBER_ROWS_MAX,
    gate: Gate = open_gate,
) -> TerminationId:
    """End every covered call; once this returns, none of them will be dialled.

    Raises ``NothingTerminable`` when no covered call is registered or in retry; then nothing was changed.
    """
    for tries_left in reversed(range(_TRIES_MAX)):
        try:
            async with store.order_transaction() as tx:
                termination_id = await tx.terminations.add_termination(
                    principal.workspace_id, selector, api_key_id=principal.api_key_id, reason=reason
                )
                await gate("terminate.begun")
                order = _Try(
                    tx, principal.workspace_id, termination_id, selector, number_rows_max, gate, is_last=not tries_left
                )
                if not await _raise_order(order):
                    raise NothingTerminable("No terminable calls found for the specified parameters")
                await gate("terminate.before_commit")
            return termination_id
        except SerializationConflict:
            # A deadlock broken at our cost, or a race that was lost: nothing was changed, nothing acknowledged.
            if not tries_left:
                raise
    raise AssertionError("the loop returns or raises")


async def _raise_order(order: _Try) -> bool:
    """Whether anything was terminable. Each way takes at most one exclusive lock, so orders cannot deadlock."""
    selector = order.selector
    if selector.call_ids is not None:
        return await _cancel_rows(order)
    if selector.mobile_numbers is not None:
        open_count = await order.tx.terminations.count_by_numbers(
            order.workspace_id, selector.mobile_numbers, order.number_rows_max + 1
        )
        if open_count <= order.number_rows_max:
            return await _cancel_rows(order)
    return await _fence(order)


async def _cancel_rows(order: _Try) -> bool:
    orders = order.tx.terminations
    counts = await orders.cancel_calls(order.workspace_id, order.termination_id, order.selector, order.number_rows_max)
    await orders.settle_at_once(order.workspace_id, order.termination_id, counts)
    return counts.cancelled_count > 0


async def _fence(order: _Try) -> bool:
    """Search without a lock, look at what was found under it: permits wait for one row's look, never for a search."""
    witness = await _probe(order)
    if witness is None:
        return False
    await _lock(order)
    await order.gate("terminate.locked")
    if not await order.tx.terminations.is_terminable(order.workspace_id, witness):
        # Dialled or terminated meanwhile: let go and search again, rather than search while permits wait.
        if not order.is_last:
            raise SerializationConflict("the call that was found is not terminable any more")
        if await _probe(order) is None:
            return False
    await _raise_fence(order)
    return True


async def _probe(order: _Try) -> CallId | None:
    workspace_id, selector, orders = order.workspace_id, order.selector, order.tx.terminations
    if selector.mobile_numbers is not None:
        return await orders.probe_numbers(workspace_id, selector)
    if selector.campaign_id is not None:
        return await orders.probe_campaign(workspace_id, selector.campaign_id, selector.agent_id)
    assert selector.agent_id is not None, "a selector selects by something"
    return await orders.probe_agent(workspace_id, selector.agent_id)


async def _lock(order: _Try) -> None:
    workspace_id, selector, orders = order.workspace_id, order.selector, order.tx.terminations
    if selector.mobile_numbers is not None:
        await orders.lock_number_fences(workspace_id)
    elif selector.campaign_id is not None:
        await orders.lock_campaign(workspace_id, selector.campaign_id)
    elif selector.agent_id is not None:
        await orders.lock_agent(workspace_id, selector.agent_id, shared=False)


async def _raise_fence(order: _Try) -> None:
    workspace_id, selector, orders = order.workspace_id, order.selector, order.tx.terminations
    if selector.mobile_numbers is not None:
        await orders.fence_numbers(workspace_id, order.termination_id, selector)
    elif selector.campaign_id is not None:
        await orders.fence_campaign(workspace_id, order.termination_id, selector.campaign_id, SubStatus.USER_TERMINATED)
    elif selector.agent_id is not None:
        await orders.fence_agent(workspace_id, order.termination_id, selector.agent_id)
