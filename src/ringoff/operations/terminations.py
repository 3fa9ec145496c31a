"""The kill switch: one request ends every covered call that is not on the wire, at a cost that does not grow.

Campaigns and agents are fenced (an epoch is raised); calls named by id or by number are updated row by row, because
permit and order meet on those rows; numbers with very many calls are fenced too. See docs/decisions.
"""

from typing import Final

from ringoff.domain.call import SubStatus
from ringoff.domain.errors import NothingTerminable, SerializationConflict
from ringoff.domain.identifiers import CallId, TerminationId
from ringoff.domain.termination import Selector
from ringoff.domain.workspace import Principal
from ringoff.ports import Gate, Store, Transaction, open_gate

NUMBER_ROWS_MAX: Final = 2_000
"""Open calls of the given numbers up to which rows are updated; above it the numbers are fenced."""

_TRIES_MAX: Final = 5


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
                if not await _raise_order(tx, principal, termination_id, selector, number_rows_max, gate):
                    raise NothingTerminable("No terminable calls found for the specified parameters")
                await gate("terminate.before_commit")
            return termination_id
        except SerializationConflict:
            # The database broke a deadlock at our cost; nothing was changed and nothing was acknowledged.
            if not tries_left:
                raise
    raise AssertionError("the loop returns or raises")


async def _raise_order(
    tx: Transaction,
    principal: Principal,
    termination_id: TerminationId,
    selector: Selector,
    number_rows_max: int,
    gate: Gate,
) -> bool:
    """Whether anything was terminable. Each way takes at most one exclusive lock, so orders cannot deadlock."""
    workspace_id, orders = principal.workspace_id, tx.terminations
    if selector.call_ids is not None:
        return await _cancel_rows(tx, principal, termination_id, selector, number_rows_max)
    if selector.mobile_numbers is not None:
        open_count = await orders.count_by_numbers(workspace_id, selector.mobile_numbers, number_rows_max + 1)
        if open_count <= number_rows_max:
            return await _cancel_rows(tx, principal, termination_id, selector, number_rows_max)
    return await _fence(tx, principal, termination_id, selector, gate)


async def _cancel_rows(
    tx: Transaction, principal: Principal, termination_id: TerminationId, selector: Selector, rows_max: int
) -> bool:
    counts = await tx.terminations.cancel_calls(principal.workspace_id, termination_id, selector, rows_max)
    await tx.terminations.settle_at_once(principal.workspace_id, termination_id, counts)
    return counts.cancelled_count > 0


async def _fence(
    tx: Transaction, principal: Principal, termination_id: TerminationId, selector: Selector, gate: Gate
) -> bool:
    """Search without a lock, look at what was found under it: permits wait for one row's look, never for a search."""
    workspace_id, orders = principal.workspace_id, tx.terminations
    witness = await _probe(tx, principal, selector)
    if witness is None:
        return False
    if selector.mobile_numbers is not None:
        await orders.lock_number_fences(workspace_id)
    elif selector.campaign_id is not None:
        await orders.lock_campaign(workspace_id, selector.campaign_id)
    else:
        assert selector.agent_id is not None, "a selector selects by something"
        await orders.lock_agent(workspace_id, selector.agent_id, shared=False)
    await gate("terminate.locked")
    if not await orders.is_terminable(workspace_id, witness) and await _probe(tx, principal, selector) is None:
        return False
    if selector.mobile_numbers is not None:
        await orders.fence_numbers(workspace_id, termination_id, selector)
    elif selector.campaign_id is not None:
        await orders.fence_campaign(workspace_id, termination_id, selector.campaign_id, SubStatus.USER_TERMINATED)
    else:
        assert selector.agent_id is not None, "a selector selects by something"
        await orders.fence_agent(workspace_id, termination_id, selector.agent_id)
    return True


async def _probe(tx: Transaction, principal: Principal, selector: Selector) -> CallId | None:
    workspace_id, orders = principal.workspace_id, tx.terminations
    if selector.mobile_numbers is not None:
        return await orders.probe_numbers(workspace_id, selector)
    if selector.campaign_id is not None:
        return await orders.probe_campaign(workspace_id, selector.campaign_id, selector.agent_id)
    assert selector.agent_id is not None, "a selector selects by something"
    return await orders.probe_agent(workspace_id, selector.agent_id)
