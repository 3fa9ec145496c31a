"""Ordering the erasure of persons by their numbers, and carrying it out: batch by batch, resumable at any instant.

First no number of it can be dialled any more, then what is on the wire ends, then every trace is replaced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from ringoff.domain.erasure import STEPS, Erasure, ErasureRequest, ErasureState, Walk, reason_of
from ringoff.domain.errors import DatabaseUnavailable, NotFound, NothingTerminable
from ringoff.domain.identifiers import CallId, ErasureId, TerminationId
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.domain.workspace import Principal
from ringoff.observer_port import NOBODY, Observer
from ringoff.operations.terminations import terminate
from ringoff.ports import Gate, Store, Transaction, open_gate

log = structlog.get_logger()

WALK_ERASURES_MAX: Final = 100
"""Erasures that read the tables together: up to 10,000 numbers for the price of one."""
BATCH_ROWS_MAX: Final = 10_000
_LOOK_AGAIN_S: Final = 1.0
_STALE_S: Final = 60.0
NOT_FOUND: Final = "Erasure not found"
_NOT_EXPANDED: Final = "erasures need the schema of this version, which is still being brought about; try again"


async def order_erasure(
    store: Store, principal: Principal, request: ErasureRequest, *, gate: Gate = open_gate, observer: Observer = NOBODY
) -> Erasure:
    """Suppress the numbers, terminate their pending calls, and leave the rest to ``Erasing``.

    Once this returns, no call of the numbers that was registered before is dialled, and with ``suppress`` no later one
    either. Whoever dies in between has acknowledged nothing, and the order is finished by the loop.
    """
    async with store.transaction() as tx:
        await _require_table(tx)
        erasure_id = await tx.erasures.add(principal, request)
    await gate("erase.ordered")
    termination_id = await _terminate(store, principal, erasure_id, Selector(mobile_numbers=request.numbers), observer)
    await gate("erase.terminated")
    async with store.transaction() as tx:
        await tx.erasures.ordered(principal.workspace_id, erasure_id, termination_id)
        ordered = await tx.erasures.erasure(principal.workspace_id, erasure_id)
    assert ordered is not None, "written by this function"
    log.info("erasure ordered", erasure_id=str(erasure_id), numbers=list(ordered.masked_numbers))
    return ordered


async def erasure(store: Store, principal: Principal, erasure_id: ErasureId) -> Erasure:
    """How far an erasure is."""
    async with store.transaction() as tx:
        await _require_table(tx)
        found = await tx.erasures.erasure(principal.workspace_id, erasure_id)
    if found is None:
        raise NotFound(NOT_FOUND, field="erasure_id")
    return found


async def erasures(store: Store, principal: Principal, below: ErasureId | None, limit: int) -> Sequence[Erasure]:
    """Erasures of the workspace, newest first, older than ``below``."""
    async with store.transaction() as tx:
        await _require_table(tx)
        return await tx.erasures.erasures_below(principal.workspace_id, below, limit)


@dataclass(frozen=True, slots=True)
class _ToEnd:
    """What still has to be terminated, found by a step and done after its transaction."""

    erasure: Erasure
    pending: Sequence[CallId] = ()


class Erasing:
    """What the loop does, one short transaction at a time; any number of processes may."""

    def __init__(self, store: Store, gate: Gate = open_gate, batch_rows_max: int = BATCH_ROWS_MAX) -> None:
        self._store = store
        self._gate = gate
        self._batch_rows_max = batch_rows_max
        self._has_table = False

    async def step(self) -> int | None:
        """Rows that were read for the erasures of one workspace; None when nothing can be done at the moment."""
        to_end: list[_ToEnd] = []
        async with self._store.dispatch_transaction() as tx:
            self._has_table = self._has_table or await tx.erasures.has_table()
            if not self._has_table:
                return None
            unfinished = await tx.erasures.next_unfinished(WALK_ERASURES_MAX)
            if not unfinished:
                return None
            walking = [each for each in unfinished if each.state is ErasureState.ERASING]
            if walking:
                read_count = await self._walk(tx, Walk(walking))
                await self._gate("erase.before_commit")
                return read_count
            to_end = await self._look(tx, unfinished)
        for each in to_end:
            await self._end(each)
        return 0 if to_end else None

    async def _walk(self, tx: Transaction, walk: Walk) -> int:
        step = walk.at.step
        assert step is not None, "an erasure that walks is at a step"
        batch = await tx.erasures.read_batch(walk, self._batch_rows_max)
        if batch.last_place is not None:
            await tx.erasures.advance(walk, batch, step, batch.last_place)
            return batch.read_count
        following = STEPS.index(step) + 1
        if following < len(STEPS):
            await tx.erasures.advance(walk, batch, STEPS[following], "")
            return batch.read_count
        await tx.erasures.advance(walk, batch, step, "")
        await tx.erasures.finish(walk)
        for each in walk.erasures:
            log.info("erasure done", erasure_id=str(each.erasure_id), numbers=list(each.masked_numbers))
        return batch.read_count

    async def _look(self, tx: Transaction, unfinished: Sequence[Erasure]) -> list[_ToEnd]:
        """Begin with those that nothing stands in the way of; those that wait are looked at again later."""
        ready: list[Erasure] = []
        to_end: list[_ToEnd] = []
        for each in unfinished:
            if each.state is ErasureState.ORDERED:
                if await tx.erasures.is_stale(each, _STALE_S):
                    to_end.append(_ToEnd(each))
                continue
            hindrances = await tx.erasures.hindrances(each)
            if hindrances.pending:
                to_end.append(_ToEnd(each, hindrances.pending))
            elif not hindrances.is_blocked:
                ready.append(each)
        await tx.erasures.put_off(unfinished[0].workspace_id, _LOOK_AGAIN_S)
        if ready:
            await tx.erasures.begin_walk(ready)
        return to_end

    async def _end(self, what: _ToEnd) -> None:
        """A retry that was scheduled after the order; or all of the order, whose giver has died."""
        each = what.erasure
        principal = Principal(each.workspace_id, each.api_key_id)
        if what.pending:
            await _terminate(self._store, principal, each.erasure_id, Selector(call_ids=tuple(what.pending)), NOBODY)
            return
        selector = Selector(mobile_numbers=tuple(each.numbers))
        termination_id = await _terminate(self._store, principal, each.erasure_id, selector, NOBODY)
        async with self._store.dispatch_transaction() as tx:
            await tx.erasures.ordered(each.workspace_id, each.erasure_id, termination_id)


async def _terminate(
    store: Store, principal: Principal, erasure_id: ErasureId, selector: Selector, observer: Observer
) -> TerminationId | None:
    """None when nothing was pending, which is no failure here."""
    order = TerminationOrder(selector, reason=reason_of(erasure_id))
    try:
        return (await terminate(store, principal, order, observer=observer)).termination_id
    except NothingTerminable:
        return None


async def _require_table(tx: Transaction) -> None:
    if not await tx.erasures.has_table():
        raise DatabaseUnavailable(_NOT_EXPANDED)
