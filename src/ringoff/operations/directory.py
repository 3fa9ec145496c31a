"""Who calls from where: agents, calling numbers, trunks and pools, without the counts that would read their calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.domain.workspace import Agent, CallingNumber, NumberPool, Principal, Trunk
from ringoff.ports import Store

AGENTS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Directory:
    agents: Sequence[Agent]
    """Not archived, newest first, 1,000 at most."""
    numbers: Sequence[CallingNumber]
    trunks: Sequence[Trunk]
    """Their configurations have secrets in them: see ``trunks.hide_secrets``."""
    number_pools: Sequence[NumberPool]


async def directory(store: Store, principal: Principal) -> Directory:
    """All of it at one instant, at the cost of its own rows."""
    workspace_id = principal.workspace_id
    async with store.snapshot() as tx:
        return Directory(
            agents=await tx.workspaces.agents_uncounted(workspace_id, AGENTS_MAX),
            numbers=await tx.workspaces.numbers_uncounted(workspace_id),
            trunks=await tx.workspaces.trunks(workspace_id),
            number_pools=await tx.number_pools.pools(workspace_id),
        )
