"""The AI voice agents that talk in the calls: list, read, create, and who takes their calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringoff.domain.carrier import AnswerHandling
from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import AgentId
from ringoff.domain.workspace import Agent, Principal
from ringoff.ports import Store

NAME_LENGTH_MAX: Final = 100
CUSTOM_VARIABLES_MAX: Final = 100
VARIABLE_LENGTH_MAX: Final = 100
ALWAYS_CARRIED_VARIABLES: Final = ("callee_name", "mobile_number")
"""Every outbound agent knows whom it talks to."""


@dataclass(frozen=True, slots=True)
class NewAgent:
    """An agent to create; ``config`` keeps prompt sections, intro message and voice as given."""

    display_name: str
    agent_type: str
    primary_language: str
    custom_variables: Sequence[str]
    config: Mapping[str, Any]


async def list_agents(store: Store, principal: Principal, limit: int, offset: int) -> Sequence[tuple[Agent, int]]:
    """One page of agents, newest first, each with its number of calls."""
    async with store.transaction() as tx:
        return await tx.workspaces.agents(principal.workspace_id, limit, offset)


async def read_agent(store: Store, principal: Principal, agent_id: AgentId) -> Agent:
    """One agent of the workspace."""
    async with store.transaction() as tx:
        agent = await tx.workspaces.agent(principal.workspace_id, agent_id)
    if agent is None:
        raise NotFound("Agent not found", field="agent_id")
    return agent


async def create_agent(store: Store, principal: Principal, new: NewAgent) -> Agent:
    """Create an agent. Its variables always include who is called."""
    if not new.display_name.strip() or len(new.display_name) > NAME_LENGTH_MAX:
        raise InvalidInput(f"agent_name must have 1 to {NAME_LENGTH_MAX} characters", field="agent_name")
    variables = _distinct_variables(new.custom_variables)
    async with store.transaction() as tx:
        return await tx.workspaces.add_agent(
            principal.workspace_id, new.display_name, new.agent_type, new.primary_language, variables, new.config
        )


async def change_handling(store: Store, principal: Principal, agent_id: AgentId, handling: AnswerHandling) -> Agent:
    """Say who takes the agent's answered calls, from the next request to ring on."""
    async with store.transaction() as tx:
        agent = await tx.workspaces.change_handling(principal.workspace_id, agent_id, handling)
    if agent is None:
        raise NotFound("Agent not found", field="agent_id")
    return agent


def _distinct_variables(given: Sequence[str]) -> tuple[str, ...]:
    if len(given) > CUSTOM_VARIABLES_MAX:
        raise InvalidInput(f"custom_variables has more than {CUSTOM_VARIABLES_MAX} entries", field="custom_variables")
    for position, name in enumerate(given):
        if not name.strip() or len(name) > VARIABLE_LENGTH_MAX:
            raise InvalidInput(
                f"custom_variables[{position}] must have 1 to {VARIABLE_LENGTH_MAX} characters",
                field="custom_variables",
                position=position,
            )
    return tuple(dict.fromkeys((*ALWAYS_CARRIED_VARIABLES, *given)))
