"""The kill switch: one request ends every covered call that is not on the wire, at a cost that does not grow.

Campaigns and agents are fenced (an epoch is raised); calls named by id or by number are updated row by row, because
permit and order meet on those rows; numbers with very many calls are fenced too. See docs/decisions.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from ringoff.domain.errors import Conflict, InvalidInput, NothingTerminable, SerializationConflict
from ringoff.domain.identifiers import CallId, TerminationId, WorkspaceId
from ringoff.domain.records import Receipt
from ringoff.domain.termination import IDEMPOTENCY_KEEP_H, IDEMPOTENCY_KEY_LENGTH_MAX, Selector, TerminationOrder
from ringoff.domain.workspace import Principal
from ringoff.observer_port import NOBODY, Observer, OrderNotes, OrderOutcome
from ringoff.ports import Gate, Store, Transaction, open_gate

NUMBER_ROWS_MAX: Final = 2_000
"""Open calls of the given numbers up to which rows are updated; above it the numbers are fenced."""

NOTHING_FOUND: Final = "No terminable calls found for the specified parameters"
_TRIES_MAX: Final = 5

_keys_in_flight: Final[WeakValueDictionary[tuple[WorkspaceId, str], asyncio.Lock]] = WeakValueDictionary()
"""Held by the orders of this process that came with a key, while they last."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The client's own name for one order, and how its first answer is written down."""

    key: str
    family: str
    """Which API it came through: their answers differ, so a key of one is taken in the other."""
    answer: Callable[[Receipt], Any]

    def fingerprint(self, order: TerminationOrder) -> bytes:
        """The same for the same request, whatever the order of its JSON keys."""
        return hashlib.sha256(msgspec.json.encode((self.family, order))).digest()


@dataclass(frozen=True, slots=True)
class GivenOrder:
    """An order that has been carried out, now or when its key was first used."""

    termination_id: TerminationId
    is_replayed: bool = False
    answer: Any = None
    """What was written down for the key; None without one."""


@dataclass(frozen=True, slots=True)
class _Try:
    """One attempt at an order, inside its transaction."""

    tx: Transaction
    principal: Principal
    order: TerminationOrder
    number_rows_max: int
    gate: Gate
    is_last: bool
    termination_id: TerminationId | None = None
    """Known beforehand only where something must name it before the order's row is written."""
    suppressed_count: int = 0

    @property
    def workspace_id(self) -> WorkspaceId:
        return self.principal.workspace_id

    @property
    def selector(self) -> Selector:
        return self.order.selector


class _TooManyRows(Exception):
    """The numbers have more open calls than rows may be updated: roll back, and fence them."""


async def terminate(
    store: Store,
    principal: Principal,
    order: TerminationOrder | Selector,
    *,
    idempotency: IdempotencyKey | None = None,
    number_rows_max: int = NUMBER_ROWS_MAX,
    gate: Gate = open_gate,
    observer: Observer = NOBODY,
) -> GivenOrder:
    """End every covered call; once this returns, none of them will be dialled. A bare selector is a plain order.

    Raises ``NothingTerminable`` when no covered call is registered or in retry (or, with a hang-up, on the wire); then
    nothing was changed, and a key that came with it is still free. ``InvalidInput`` for a bad key, ``Conflict`` for one
    that was used for another order within 24 hours.
    """
    if isinstance(order, Selector):
        order = TerminationOrder(order)
    with observer.order(OrderNotes(order.selector.level)) as notes:
        try:
            given = await _once(store, principal, order, idempotency, number_rows_max, gate)
        except NothingTerminable:
            notes.outcome = OrderOutcome.NOTHING_TERMINABLE
            # Whoever hears this takes what was there for ended. An end that a standby does not have yet may still be
            # lost: the commit of nothing returns when it has it.
            async with store.order_transaction():
                pass
            raise
        except (InvalidInput, Conflict):
            notes.outcome = OrderOutcome.REFUSED
            raise
        notes.outcome = OrderOutcome.REPLAYED if given.is_replayed else OrderOutcome.GIVEN
    return given


async def _once(
    store: Store,
    principal: Principal,
    order: TerminationOrder,
    idempotency: IdempotencyKey | None,
    number_rows_max: int,
    gate: Gate,
) -> GivenOrder:
    if idempotency is None:
        return await _carry_out(store, principal, order, None, number_rows_max, gate)
    _require_key(idempotency.key)
    # A client that hears nothing sends its order again. The database would make the second wait for the first on a
    # connection that other orders need.
    place = (principal.workspace_id, idempotency.key)
    async with _keys_in_flight.setdefault(place, asyncio.Lock()):
        return await _carry_out(store, principal, order, idempotency, number_rows_max, gate)


async def _carry_out(
    store: Store,
    principal: Principal,
    order: TerminationOrder,
    idempotency: IdempotencyKey | None,
    rows_max: int,
    gate: Gate,
) -> GivenOrder:
    tries_left = _TRIES_MAX
    while True:
        tries_left -= 1
        try:
            async with store.order_transaction() as tx:
                # The retry after a rollback for too many rows is not counted: it takes another way.
                attempt = _Try(tx, principal, order, rows_max, gate, is_last=not tries_left)
                return await _give(attempt, idempotency)
        except _TooManyRows:
            tries_left, rows_max = tries_left + 1, -1
        except SerializationConflict:
            # A deadlock broken at our cost, or a race that was lost: nothing was changed, nothing acknowledged.
            if not tries_left:
                raise


async def _give(attempt: _Try, idempotency: IdempotencyKey | None) -> GivenOrder:
    """The whole order inside its transaction: its key, its suppressions, its calls."""
    if idempotency is not None and (replayed := await _first_answer(attempt, idempotency)) is not None:
        return replayed
    await attempt.gate("terminate.begun")
    if attempt.order.suppress:
        attempt = await _suppress(attempt)
    termination_id = await _end_calls(attempt)
    if termination_id is None:
        hint = "; nothing was suppressed either: POST /api/v1/suppressions does that" if attempt.order.suppress else ""
        raise NothingTerminable(NOTHING_FOUND + hint)
    answer = None
    if idempotency is not None:
        answer = await _write_answer(attempt, idempotency, termination_id)
    await attempt.gate("terminate.before_commit")
    return GivenOrder(termination_id, answer=answer)


async def _first_answer(attempt: _Try, idempotency: IdempotencyKey) -> GivenOrder | None:
    """None when this is the first order with its key (in 24 hours): then the key is ours until the transaction ends."""
    receipts, workspace_id = attempt.tx.receipts, attempt.workspace_id
    fingerprint = idempotency.fingerprint(attempt.order)
    if await receipts.claim_key(workspace_id, idempotency.key, fingerprint, IDEMPOTENCY_KEEP_H):
        return None
    kept = await receipts.kept_answer(workspace_id, idempotency.key)
    if kept is None:
        raise SerializationConflict("the key's answer has just expired")
    if kept.fingerprint != fingerprint:
        raise Conflict("Idempotency-Key was used for another order within 24 hours", field="Idempotency-Key")
    return GivenOrder(kept.termination_id, is_replayed=True, answer=kept.answer)


async def _write_answer(attempt: _Try, idempotency: IdempotencyKey, termination_id: TerminationId) -> Any:
    receipt = await attempt.tx.receipts.receipt(attempt.workspace_id, termination_id)
    assert receipt is not None, "written by this transaction"
    answer = idempotency.answer(receipt)
    await attempt.tx.receipts.keep_answer(attempt.workspace_id, idempotency.key, termination_id, answer)
    return answer


async def _suppress(attempt: _Try) -> _Try:
    """The list before the lock, the lock before any call's row: the one order in which nobody waits in a circle."""
    assert attempt.selector.mobile_numbers is not None, "parse_order asks for numbers"
    tx, workspace_id = attempt.tx, attempt.workspace_id
    termination_id = await tx.terminations.new_termination_id()
    added_count = await tx.suppressions.add(
        workspace_id,
        attempt.selector.mobile_numbers,
        reason=attempt.order.reason,
        api_key_id=attempt.principal.api_key_id,
        termination_id=termination_id,
    )
    await tx.terminations.lock_number_fences(workspace_id)
    return replace(attempt, termination_id=termination_id, suppressed_count=added_count)


async def _end_calls(attempt: _Try) -> TerminationId | None:
    """None when nothing was terminable. Each way takes at most one exclusive lock, so orders cannot deadlock."""
    selector = attempt.selector
    if selector.call_ids is not None:
        return await _cancel_rows(attempt)
    by_rows = (
        selector.mobile_numbers is not None
        and attempt.number_rows_max >= 0
        # Rows that a verification is still to write can only be fenced. Asked before any row is looked at: when it has
        # just ended, its rows are there.
        and not await attempt.tx.terminations.is_verifying(attempt.workspace_id, selector)
    )
    return await _cancel_rows(attempt) if by_rows else await _fence(attempt)


async def _cancel_rows(attempt: _Try) -> TerminationId | None:
    orders = attempt.tx.terminations
    rows = await orders.lock_rows(attempt.workspace_id, attempt.selector, attempt.number_rows_max)
    if rows is None:
        raise _TooManyRows
    if not rows.pending and not (rows.ongoing and attempt.order.hangs_up):
        return None
    return await orders.cancel_rows(
        attempt.workspace_id,
        attempt.order,
        rows,
        api_key_id=attempt.principal.api_key_id,
        termination_id=attempt.termination_id,
        suppressed_count=attempt.suppressed_count,
    )


async def _fence(attempt: _Try) -> TerminationId | None:
    """Search without a lock, look at what was found under it: permits wait for one row's look, never for a search."""
    orders, workspace_id, hangs_up = attempt.tx.terminations, attempt.workspace_id, attempt.order.hangs_up
    witness, is_found = await _search(attempt)
    if not is_found and not hangs_up:
        return None
    await _lock(attempt)
    await attempt.gate("terminate.locked")
    termination_id = await orders.add_termination(
        workspace_id,
        attempt.order,
        api_key_id=attempt.principal.api_key_id,
        termination_id=attempt.termination_id,
        suppressed_count=attempt.suppressed_count,
    )
    # Counted before anything is searched: nothing gets on the wire under the lock, so a call that leaves it after this
    # is pending when it is searched. The other way round it could be missed by both.
    ongoing_count = await orders.record_ongoing(workspace_id, termination_id, attempt.order)
    is_hanging_up = hangs_up and ongoing_count > 0
    if not is_hanging_up and not await _is_still_there(attempt, witness):
        # Dialled, terminated or verified meanwhile: let go and search again, rather than search while permits wait.
        if is_found and not attempt.is_last:
            raise SerializationConflict("the call that was found is not terminable any more")
        if await _probe(attempt) is None:
            return None
    if await _raise_fence(attempt, termination_id):
        return termination_id
    if is_hanging_up:
        # Only what an earlier order left on the wire: no campaign is fenced, and no sweep would close the receipt.
        await orders.close(workspace_id, termination_id)
        return termination_id
    # The last pending call was ended by another order after the look: a receipt without a fence would never be closed.
    if attempt.is_last:
        return None
    raise SerializationConflict("the call that was found is not terminable any more")


async def _search(attempt: _Try) -> tuple[CallId | None, bool]:
    """The witness, and whether there is anything to end: also a list whose calls its verification is still to write."""
    witness = await _probe(attempt)
    if witness is not None or await attempt.tx.terminations.is_verifying(attempt.workspace_id, attempt.selector):
        return witness, True
    # A verification may have ended between the two looks: then its calls are there now.
    witness = await _probe(attempt)
    return witness, witness is not None


async def _is_still_there(attempt: _Try, witness: CallId | None) -> bool:
    """What was found, looked at again under the lock."""
    orders, workspace_id = attempt.tx.terminations, attempt.workspace_id
    if witness is not None and await orders.is_terminable(workspace_id, witness):
        return True
    return await orders.is_verifying(workspace_id, attempt.selector)


async def _probe(attempt: _Try) -> CallId | None:
    workspace_id, selector, orders = attempt.workspace_id, attempt.selector, attempt.tx.terminations
    if selector.mobile_numbers is not None:
        return await orders.probe_numbers(workspace_id, selector)
    if selector.campaign_id is not None:
        return await orders.probe_campaign(workspace_id, selector.campaign_id, selector.agent_id)
    assert selector.agent_id is not None, "a selector selects by something"
    return await orders.probe_agent(workspace_id, selector.agent_id)


async def _lock(attempt: _Try) -> None:
    workspace_id, selector, orders = attempt.workspace_id, attempt.selector, attempt.tx.terminations
    if selector.mobile_numbers is not None:
        await orders.lock_number_fences(workspace_id)
    elif selector.campaign_id is not None:
        await orders.lock_campaign(workspace_id, selector.campaign_id)
    elif selector.agent_id is not None:
        await orders.lock_agent(workspace_id, selector.agent_id, shared=False)


async def _raise_fence(attempt: _Try, termination_id: TerminationId) -> bool:
    """False when an agent has no campaign with an open call of its present epoch; the others always have a fence."""
    workspace_id, selector, orders = attempt.workspace_id, attempt.selector, attempt.tx.terminations
    if selector.mobile_numbers is not None:
        await orders.fence_numbers(workspace_id, termination_id, selector)
    elif selector.campaign_id is not None:
        await orders.fence_campaign(workspace_id, termination_id, selector.campaign_id)
    elif selector.agent_id is not None:
        return await orders.fence_agent(workspace_id, termination_id, selector.agent_id) > 0
    return True


def _require_key(key: str) -> None:
    if not 0 < len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            f"Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters",
            field="Idempotency-Key",
        )
