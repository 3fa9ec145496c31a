"""The AI voice agents that talk in the calls: list, read, create, edit, archive, and who takes their calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ringoff.domain.carrier import AnswerHandling
from ringoff.domain.errors import Conflict, InvalidInput, NotFound
from ringoff.domain.identifiers import AgentId, NumberId, WorkspaceId
from ringoff.domain.workspace import Agent, Principal
from ringoff.ports import Store, Transaction

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


@dataclass(frozen=True, slots=True)
class AgentEdit:
    """What becomes of an agent; None, and what is not in ``config``, stays as it is."""

    display_name: str | None = None
    agent_type: str | None = None
    primary_language: str | None = None
    custom_variables: Sequence[str] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    """A value of None takes the entry away."""


async def list_agents(store: Store, principal: Principal, limit: int, offset: int) -> Sequence[tuple[Agent, int]]:
    """One page of agents that are not archived, newest first, each with its number of calls."""
    async with store.transaction() as tx:
        return await tx.workspaces.agents(principal.workspace_id, limit, offset)


async def read_agent(store: Store, principal: Principal, agent_id: AgentId, *, or_archived: bool = False) -> Agent:
    """One agent of the workspace."""
    async with store.transaction() as tx:
        agent = await tx.workspaces.agent(principal.workspace_id, agent_id)
    if agent is None or (agent.archived_at is not None and not or_archived):
        raise _missing()
    return agent


async def active_agent(tx: Transaction, workspace_id: WorkspaceId, agent_id: AgentId) -> Agent | None:
    """The agent, if it may be given new calls: an archived one is not."""
    agent = await tx.workspaces.agent(workspace_id, agent_id)
    return None if agent is None or agent.archived_at is not None else agent


async def create_agent(store: Store, principal: Principal, new: NewAgent) -> Agent:
    """Create an agent. Its variables always include who is called."""
    _require_name(new.display_name, "agent_name")
    variables = _distinct_variables(new.custom_variables)
    async with store.transaction() as tx:
        return await tx.workspaces.add_agent(
            principal.workspace_id, new.display_name, new.agent_type, new.primary_language, variables, new.config
        )


async def edit_agent(
    store: Store, principal: Principal, agent_id: AgentId, edit: AgentEdit, *, name_field: str = "agent_display_name"
) -> Agent:
    """Make a new version of the agent, which its calls have from the next request to ring on.

    ``name_field`` is what the caller's request calls the name.
    """
    if edit.display_name is not None:
        _require_name(edit.display_name, name_field)
    variables = None if edit.custom_variables is None else _distinct_variables(edit.custom_variables)
    async with store.transaction() as tx:
        agent = _found(await tx.workspaces.agent_to_edit(principal.workspace_id, agent_id))
        config = {name: value for name, value in {**agent.config, **edit.config}.items() if value is not None}
        edited = replace(
            agent,
            display_name=agent.display_name if edit.display_name is None else edit.display_name,
            agent_type=agent.agent_type if edit.agent_type is None else edit.agent_type,
            primary_language=agent.primary_language if edit.primary_language is None else edit.primary_language,
            custom_variables=agent.custom_variables if variables is None else variables,
            config=config,
        )
        return _found(await tx.workspaces.change_agent(edited))


async def archive_agent(store: Store, principal: Principal, agent_id: AgentId) -> None:
    """The agent takes nothing new: no call, no upload, no start, no edit. It is no order: what waits goes on."""
    async with store.transaction() as tx:
        if not await tx.workspaces.archive_agent(principal.workspace_id, agent_id):
            raise _missing()


async def attach_number(store: Store, principal: Principal, agent_id: AgentId, number_id: NumberId) -> None:
    """Show the number with this agent; nobody else may have it. In a new version, as every edit."""
    workspace_id = principal.workspace_id
    async with store.transaction() as tx:
        agent = _found(await tx.workspaces.agent_to_edit(workspace_id, agent_id))
        if not await tx.workspaces.attach_number(workspace_id, number_id, agent_id):
            number = await tx.workspaces.number(workspace_id, number_id)
            if number is None:
                raise NotFound("Number not found", field="number_id")
            if number.agent_id != agent_id:
                raise Conflict("number_id belongs to another agent: remove it there first", field="number_id")
        await tx.workspaces.change_agent(agent)


async def detach_number(store: Store, principal: Principal, agent_id: AgentId, number_id: NumberId) -> None:
    """Show the number with no agent."""
    workspace_id = principal.workspace_id
    async with store.transaction() as tx:
        agent = _found(await tx.workspaces.agent_to_edit(workspace_id, agent_id))
        if not await tx.workspaces.detach_number(workspace_id, number_id, agent_id):
            if await tx.workspaces.number(workspace_id, number_id) is None:
                raise NotFound("Number not found", field="number_id")
            raise Conflict("number_id is not attached to this agent", field="number_id")
        await tx.workspaces.change_agent(agent)


async def change_handling(store: Store, principal: Principal, agent_id: AgentId, handling: AnswerHandling) -> Agent:
    """Say who takes the agent's answered calls, from the next request to ring on. Also for those of an archived one."""
    async with store.transaction() as tx:
        return _found(await tx.workspaces.change_handling(principal.workspace_id, agent_id, handling))


def _found(agent: Agent | None) -> Agent:
    if agent is None:
        raise _missing()
    return agent


def _missing() -> NotFound:
    return NotFound("Agent not found", field="agent_id")


def _require_name(name: str, field: str) -> None:
    if not name.strip() or len(name) > NAME_LENGTH_MAX:
        raise InvalidInput(f"{field} must have 1 to {NAME_LENGTH_MAX} characters", field=field)


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
