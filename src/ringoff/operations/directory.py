"""Who calls from where: agents, calling numbers, trunks and pools, without the counts that would read their calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.domain.identifiers import AgentId
from ringoff.domain.workspace import Agent, AgentFilter, CallingNumber, NumberFilter, NumberPool, Principal, Trunk
from ringoff.ports import Store

AGENT_NAMES_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Directory:
    agents: Sequence[Agent]
    """Newest first, archived ones too: their calls go on."""
    agent_names: Mapping[AgentId, str]
    """Of 200 agents, for whatever names one by its id."""
    numbers: Sequence[CallingNumber]
    """In their order."""
    trunks: Sequence[Trunk]
    """Their configurations have secrets in them: see ``trunks.hide_secrets``."""
    number_pools: Sequence[NumberPool]


async def directory(store: Store, principal: Principal, agents: AgentFilter, numbers: NumberFilter) -> Directory:
    """A page of agents and one of numbers, with all trunks and pools, at one instant and at the cost of these rows."""
    workspace_id = principal.workspace_id
    async with store.snapshot() as tx:
        return Directory(
            agents=await tx.workspaces.agents_uncounted(workspace_id, agents),
            agent_names=await tx.workspaces.agent_names(workspace_id, AGENT_NAMES_MAX),
            numbers=await tx.workspaces.own_numbers(workspace_id, numbers),
            trunks=await tx.workspaces.trunks(workspace_id),
            number_pools=await tx.number_pools.pools(workspace_id),
        )


async def numbers_of(store: Store, principal: Principal, wanted: NumberFilter) -> Sequence[CallingNumber]:
    """A page of calling numbers."""
    async with store.transaction() as tx:
        return await tx.workspaces.own_numbers(principal.workspace_id, wanted)
