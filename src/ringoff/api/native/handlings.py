"""``/api/v1/agents/{agent_id}/handling``: who takes the answered calls of an agent."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.carrier import HandlingKind, answer_handling
from ringoff.domain.identifiers import AgentId
from ringoff.domain.workspace import Agent, Principal
from ringoff.operations import agents

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "agents")


class HandlingView(msgspec.Struct):
    agent_id: str
    kind: HandlingKind
    target: str
    retry_failed: bool


class HandlingRequest(msgspec.Struct, forbid_unknown_fields=True):
    kind: HandlingKind
    target: str = ""
    """A ws:// or wss:// URL, a SIP URI, or the audio to play; empty for ``none``."""
    retry_failed: bool = False
    """Whether a callee whose agent could not be reached is rung again."""


@ROUTES.add("GET", "/agents/{agent_id}/handling", errors=(404,))
async def read_handling(services: Services, principal: Principal, agent_id: UUID) -> HandlingView:
    """How answered calls of the agent are handled."""
    return _shown(await agents.read_agent(services.store, principal, AgentId(agent_id), or_archived=True))


@ROUTES.add("PUT", "/agents/{agent_id}/handling", errors=(404,))
async def change_handling(
    services: Services, principal: Principal, agent_id: UUID, body: HandlingRequest
) -> HandlingView:
    """Hand answered calls over to this, from the next request to ring on."""
    handling = answer_handling(body.kind, body.target, is_failure_retried=body.retry_failed)
    return _shown(await agents.change_handling(services.store, principal, AgentId(agent_id), handling))


def _shown(agent: Agent) -> HandlingView:
    handling = agent.handling
    return HandlingView(str(agent.agent_id), handling.kind, handling.target, handling.is_failure_retried)
