"""Erasing persons' data against PostgreSQL: one bounded batch at a time, with its place in the same transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from ringoff.domain.erasure import (
    BatchRead,
    Erasure,
    ErasureCounts,
    ErasureRequest,
    ErasureState,
    Hindrances,
    Step,
    Walk,
    as_row,
    reason_of,
)
from ringoff.domain.identifiers import FIRST_ID, ErasureId, TerminationId, WorkspaceId
from ringoff.domain.number_traces import NumberTraces
from ringoff.domain.phone_number import ERASED, mask
from ringoff.domain.workspace import Principal
from ringoff.store.connection import Connection, asyncpg, row_count
from ringoff.store.sql_loader import load
from ringoff.store.suppressions import PostgresSuppressions

_SQL = load("erasures")
_WORDED: Final[Mapping[Step, tuple[str, str]]] = {
    step: (_SQL[f"{step}_page"], _SQL[f"{step}_write"]) for step in Step if step not in (Step.CALLS, Step.CONTACTS)
}
_WORDED_ROWS_MAX: Final = 2_000
_OWN_REASON: Final = reason_of(ErasureId(FIRST_ID)).removesuffix(str(FIRST_ID))


class PostgresErasures:
    """Implements ``erasure_ports.ErasureStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def has_table(self) -> bool:
        return bool(await self._connection.fetchval(_SQL["has_table"]))

    async def add(self, principal: Principal, request: ErasureRequest) -> ErasureId:
        workspace_id, numbers = principal.workspace_id, list(request.numbers)
        erasure_id = ErasureId(
            await self._connection.fetchval(
                _SQL["add"],
                workspace_id,
                principal.api_key_id,
                request.reason,
                request.suppress,
                numbers,
                [mask(number) for number in numbers],
            )
        )
        suppressions = PostgresSuppressions(self._connection)
        reason = reason_of(erasure_id)
        if request.suppress:
            added_count = await suppressions.add(workspace_id, numbers, reason=reason, api_key_id=principal.api_key_id)
            await self._connection.execute(_SQL["count_suppressed"], workspace_id, erasure_id, added_count)
        await self._connection.execute(_SQL["explain_suppressions"], workspace_id, numbers, reason)
        if request.suppress:
            # Permits in flight end before the commit, and those that follow see the list.
            await suppressions.lock(workspace_id)
        return erasure_id

    async def ordered(
        self, workspace_id: WorkspaceId, erasure_id: ErasureId, termination_id: TerminationId | None
    ) -> bool:
        status = await self._connection.execute(_SQL["ordered"], workspace_id, erasure_id, termination_id)
        return row_count(status) == 1

    async def erasure(self, workspace_id: WorkspaceId, erasure_id: ErasureId) -> Erasure | None:
        row = await self._connection.fetchrow(_SQL["erasure"], workspace_id, erasure_id)
        return None if row is None else _erasure(row)

    async def erasures_below(self, workspace_id: WorkspaceId, below: ErasureId | None, limit: int) -> Sequence[Erasure]:
        return [
            _erasure(row) for row in await self._connection.fetch(_SQL["erasures_below"], workspace_id, below, limit)
        ]

    async def next_unfinished(self, count_max: int) -> Sequence[Erasure]:
        workspace_id = await self._connection.fetchval(_SQL["next_workspace"])
        if workspace_id is None:
            return []
        return [_erasure(row) for row in await self._connection.fetch(_SQL["unfinished"], workspace_id, count_max)]

    async def is_stale(self, erasure: Erasure, after_s: float) -> bool:
        return bool(
            await self._connection.fetchval(_SQL["is_stale"], erasure.workspace_id, erasure.erasure_id, after_s)
        )

    async def hindrances(self, erasure: Erasure) -> Hindrances:
        row = await self._connection.fetchrow(_SQL["hindrances"], erasure.workspace_id, erasure.erasure_id)
        assert row is not None, "locked by this transaction"
        return Hindrances(row["pending"], row["is_blocked"])

    async def put_off(self, workspace_id: WorkspaceId, pause_s: float) -> None:
        await self._connection.execute(_SQL["put_off"], workspace_id, pause_s)

    async def begin_walk(self, erasures: Sequence[Erasure]) -> None:
        ids = [erasure.erasure_id for erasure in erasures]
        await self._connection.execute(_SQL["begin_walk"], erasures[0].workspace_id, ids, Step.CALLS)

    async def read_batch(self, walk: Walk, rows_max: int) -> BatchRead:
        await self._connection.execute(_SQL["steer"], "on")
        match walk.at.step:
            case Step.CALLS:
                return await self._read_calls(walk, rows_max)
            case Step.CONTACTS:
                return await self._read_contacts(walk, rows_max)
            case _:
                return await self._read_words(walk, min(rows_max, _WORDED_ROWS_MAX))

    async def advance(self, walk: Walk, batch: BatchRead, step: Step, place: str) -> None:
        ids = [erasure.erasure_id for erasure in walk.erasures]
        columns = zip(*(as_row(batch.counts.get(each, ErasureCounts())) for each in ids), strict=True)
        await self._connection.execute(
            _SQL["advance"], walk.at.workspace_id, ids, step, place, batch.read_count, *(list(each) for each in columns)
        )

    async def finish(self, walk: Walk) -> None:
        ids = [erasure.erasure_id for erasure in walk.erasures]
        await self._connection.execute(_SQL["finish"], walk.at.workspace_id, ids)

    async def _read_calls(self, walk: Walk, rows_max: int) -> BatchRead:
        workspace_id, at = walk.at.workspace_id, walk.at
        after = UUID(at.place) if at.place else FIRST_ID
        page = await self._connection.fetchrow(
            _SQL["erase_calls"], workspace_id, after, at.beyond_call_id, list(walk.numbers), rows_max
        )
        assert page is not None, "one row without a table"
        counts = _by_owner(walk, page["numbers"], calls=1)
        call_ids = page["call_ids"]
        if call_ids:
            owner = walk.owner_of(page["numbers"][0])
            more = await self._erase_around(workspace_id, call_ids, page["campaign_ids"], page["contact_ids"])
            counts[owner] = counts[owner].plus(more)
        is_over = page["read_count"] < rows_max
        return BatchRead(page["read_count"], None if is_over else str(page["last_call_id"]), counts)

    async def _erase_around(
        self, workspace_id: WorkspaceId, call_ids: Sequence[UUID], campaign_ids: Sequence[UUID], contacts: Sequence[int]
    ) -> ErasureCounts:
        """What belongs to these calls, each found by its key."""
        of_calls = (workspace_id, call_ids)
        await self._connection.execute(_SQL["steer"], "off")
        execute = self._connection.execute
        reports = row_count(await execute(_SQL["erase_reports_of_calls"], *of_calls))
        callbacks = int(await self._connection.fetchval(_SQL["erase_callbacks"], *of_calls))
        answers = row_count(await execute(_SQL["erase_answers_of_subscribers"], *of_calls))
        return ErasureCounts(
            attempts=row_count(await execute(_SQL["erase_attempts"], *of_calls)),
            contacts=row_count(await execute(_SQL["erase_contacts_of_calls"], workspace_id, campaign_ids, contacts)),
            events=reports + callbacks + answers,
        )

    async def _read_contacts(self, walk: Walk, rows_max: int) -> BatchRead:
        campaign_id, _, contact_id = (walk.at.place or f"{FIRST_ID} 0").partition(" ")
        page = await self._connection.fetchrow(
            _SQL["erase_contacts"],
            walk.at.workspace_id,
            UUID(campaign_id),
            int(contact_id),
            list(walk.numbers),
            rows_max,
        )
        assert page is not None, "one row without a table"
        last = page["last_place"] if page["read_count"] == rows_max else None
        return BatchRead(page["read_count"], last, _by_owner(walk, page["numbers"], contacts=1))

    async def _read_words(self, walk: Walk, rows_max: int) -> BatchRead:
        assert walk.at.step is not None, "a walk is at a step"
        page, write = _WORDED[walk.at.step]
        rows = await self._connection.fetch(page, walk.at.workspace_id, walk.at.place, rows_max)
        traces = NumberTraces(walk.numbers)
        counts: dict[ErasureId, ErasureCounts] = {}
        for row in rows:
            words = row["words"]
            erased, found = traces.erased(words)
            if not found:
                continue
            if walk.at.step is Step.ORDERS:
                erased = _without_reason(erased)
            await self._connection.execute(write, walk.at.workspace_id, row["key"], words, erased)
            owner = walk.owner_of(min(found))
            counts[owner] = counts.get(owner, ErasureCounts()).plus(ErasureCounts(words=1))
        return BatchRead(len(rows), rows[-1]["key"] if len(rows) == rows_max else None, counts)


def _by_owner(walk: Walk, numbers: Iterable[str], **one: int) -> dict[ErasureId, ErasureCounts]:
    counts: dict[ErasureId, ErasureCounts] = {}
    for number in numbers:
        owner = walk.owner_of(number)
        counts[owner] = counts.get(owner, ErasureCounts()).plus(ErasureCounts(**one))
    return counts


def _without_reason(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """An order that named nobody else had its reason in this person."""
    numbers, reason = order["selector"].get("mobile_numbers"), order["reason"]
    is_about_them = numbers is not None and all(number == ERASED for number in numbers)
    if reason is None or not is_about_them or reason.startswith(_OWN_REASON):
        return order
    return {**order, "reason": ERASED}


def _erasure(row: "asyncpg.Record") -> Erasure:
    return Erasure(
        workspace_id=row["workspace_id"],
        erasure_id=row["erasure_id"],
        api_key_id=row["api_key_id"],
        state=ErasureState(row["state"]),
        suppress=row["suppress"],
        suppressed_count=row["suppressed_count"],
        reason=row["reason"],
        numbers=row["numbers"] or (),
        masked_numbers=row["masked_numbers"],
        termination_id=row["termination_id"],
        created_at=row["created_at"],
        begun_at=row["begun_at"],
        ended_at=row["ended_at"],
        step=None if row["step"] is None else Step(row["step"]),
        place=row["place"],
        first_call_id=row["first_call_id"],
        beyond_call_id=row["beyond_call_id"],
        read_count=row["read_count"],
        counts=ErasureCounts(
            row["call_count"], row["attempt_count"], row["contact_count"], row["event_count"], row["words_count"]
        ),
    )
