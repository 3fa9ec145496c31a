"""The part of the seam that erases persons' data: what was ordered, and the batches that carry it out.

As on the first page (``ports``), a store method never commits, and every write of a state names the state that it
expects.
"""

from collections.abc import Sequence
from typing import Protocol

from ringoff.domain.erasure import BatchRead, Erasure, ErasureRequest, Hindrances, Step, Walk
from ringoff.domain.identifiers import ErasureId, TerminationId, WorkspaceId
from ringoff.domain.workspace import Principal


class ErasureStore(Protocol):
    """Erasures of numbers. Everything but ``has_table`` needs the expanded schema."""

    async def has_table(self) -> bool:
        """False while the schema is that of an older version."""

    async def add(self, principal: Principal, request: ErasureRequest) -> ErasureId:
        """Write the order down, and suppress its numbers if that is wanted: then hold the lock of suppressions."""

    async def ordered(
        self, workspace_id: WorkspaceId, erasure_id: ErasureId, termination_id: TerminationId | None
    ) -> bool:
        """ordered -> waiting: nothing of the numbers is pending; False when somebody else has seen to it."""

    async def erasure(self, workspace_id: WorkspaceId, erasure_id: ErasureId) -> Erasure | None: ...
    async def erasures_below(
        self, workspace_id: WorkspaceId, below: ErasureId | None, limit: int
    ) -> Sequence[Erasure]: ...

    async def next_unfinished(self, count_max: int) -> Sequence[Erasure]:
        """The erasures of one workspace that are due, oldest first, locked against other processes; or none."""

    async def is_stale(self, erasure: Erasure, after_s: float) -> bool:
        """Whether its order is so old that whoever gave it must have died before it was carried out."""

    async def hindrances(self, erasure: Erasure) -> Hindrances: ...
    async def put_off(self, workspace_id: WorkspaceId, pause_s: float) -> None: ...
    async def begin_walk(self, erasures: Sequence[Erasure]) -> None:
        """waiting -> erasing, all of them at the first step."""

    async def read_batch(self, walk: Walk, rows_max: int) -> BatchRead:
        """Erase what is found in the next rows of the walk's step."""

    async def advance(self, walk: Walk, batch: BatchRead, step: Step, place: str) -> None:
        """Write down how far the walk is, in the transaction of the batch."""

    async def finish(self, walk: Walk) -> None:
        """erasing -> done; the numbers are forgotten."""
