"""The part of the seam that keeps pools of calling numbers, and gives the claim their turns."""

from collections.abc import Sequence
from typing import Protocol

from ringoff.domain.identifiers import NumberId, NumberPoolId, TrunkId, WorkspaceId
from ringoff.domain.workspace import CallingNumber, NumberPool


class NumberPoolStore(Protocol):
    """Pools of one workspace. Numbers come and go while their pool is dialled."""

    async def add(self, workspace_id: WorkspaceId, name: str, trunk_id: TrunkId) -> NumberPoolId | None:
        """None when there is one of that name."""

    async def pools(self, workspace_id: WorkspaceId) -> Sequence[NumberPool]:
        """All, by name."""

    async def pool(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> NumberPool | None: ...

    async def lock(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> TrunkId | None:
        """Until the transaction ends nobody edits the pool or takes it; its trunk, None when there is no such pool."""

    async def hold(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> TrunkId | None:
        """Until the transaction ends nobody edits the pool; its trunk, None when there is no such pool."""

    async def set_numbers(
        self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId, number_ids: Sequence[NumberId]
    ) -> int:
        """Let exactly these be in it, except those of another pool; how many are. Only after ``lock``."""

    async def remove(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> None:
        """The numbers stay. Only after ``lock``."""

    async def showing(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> str | None:
        """Who may still be called from it, in words."""

    async def change_pace(
        self, workspace_id: WorkspaceId, number_id: NumberId, cps_max: float | None
    ) -> CallingNumber | None:
        """Calls a second that may show the number out of a pool; None takes the limit away."""

    async def turns(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId, count_max: int) -> Sequence[str]:
        """The numbers to show next, in order; one may be there several times. Only under the trunk's lock."""

    async def take_turns(self, workspace_id: WorkspaceId, numbers: Sequence[str]) -> None:
        """These were given to attempts, in this order. Only under the trunk's lock."""

    async def wait_s(self, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> float | None:
        """Until a number has a turn again; None for an empty pool."""
