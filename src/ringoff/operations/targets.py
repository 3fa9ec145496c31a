"""What there is to pick from: for an order agents and started campaigns, for a start numbers and their pools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.domain.identifiers import AgentId, TrunkId
from ringoff.domain.records import CampaignRow
from ringoff.domain.workspace import CallingNumber, NumberFilter, NumberPool, Principal
from ringoff.ports import Store

CAMPAIGNS_OFFERED_MAX: Final = 100
AGENTS_OFFERED_MAX: Final = 200
NUMBERS_OFFERED_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Offered:
    """The newest of each; whatever is not among them can be named by its id."""

    campaigns: Sequence[CampaignRow]
    agents: Mapping[AgentId, str]


async def offered(store: Store, principal: Principal) -> Offered:
    """At a cost that does not grow with calls."""
    async with store.transaction() as tx:
        campaigns = await tx.campaigns.running_campaigns(principal.workspace_id, CAMPAIGNS_OFFERED_MAX)
        return Offered(campaigns, await tx.workspaces.agent_names(principal.workspace_id, AGENTS_OFFERED_MAX))


async def agent_names(store: Store, principal: Principal) -> Mapping[AgentId, str]:
    """The names of 200 agents, those that are not archived first."""
    async with store.transaction() as tx:
        return await tx.workspaces.agent_names(principal.workspace_id, AGENTS_OFFERED_MAX)


@dataclass(frozen=True, slots=True)
class Callers:
    """What a campaign may show to those it calls."""

    numbers: Sequence[CallingNumber]
    """The first 200; any other can be named."""
    pools: Sequence[NumberPool]
    trunk_names: Mapping[TrunkId, str]


async def callers(store: Store, principal: Principal) -> Callers:
    """The numbers, pools and trunks of the workspace; no attempt is counted."""
    async with store.transaction() as tx:
        numbers = await tx.workspaces.own_numbers(principal.workspace_id, NumberFilter(limit=NUMBERS_OFFERED_MAX))
        pools = await tx.number_pools.pools(principal.workspace_id)
        trunks = await tx.workspaces.trunks(principal.workspace_id)
    return Callers(numbers, pools, {trunk.trunk_id: trunk.name for trunk in trunks})
