"""What an order may be aimed at, to pick from: the agents, and the campaigns that are started and not done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.domain.identifiers import AgentId
from ringoff.domain.records import CampaignRow
from ringoff.domain.workspace import Principal
from ringoff.ports import Store

CAMPAIGNS_OFFERED_MAX: Final = 100
AGENTS_OFFERED_MAX: Final = 200


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
