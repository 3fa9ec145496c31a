"""``GET /agent/all``, one agent (read, archive), and ``/public/agent`` (create, update by fields)."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, PageOffset, PageSize, instant
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.agent_prompt import PROMPT_SECTIONS, WHOLE_PROMPT, agent_prompt
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import AgentId
from ringoff.domain.workspace import Agent, Principal
from ringoff.operations import agents, subscriptions

READ_ROUTES = RouteTable("/ca/api/v0", ErrorShape.DETAIL, "agents")
CREATE_ROUTES = RouteTable("/ca/api/v0", ErrorShape.AGENT, "agents")

Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}-[A-Z]{2}(?!\n)$")]


class AgentPage(msgspec.Struct, forbid_unknown_fields=True):
    limit: PageSize = 1000
    offset: PageOffset = 0


class ListedAgent(msgspec.Struct):
    id: str
    agent_display_name: str
    agent_type: str
    created_at: Instant
    updated_at: Instant
    call_count: int
    custom_variables: dict[str, str]
    secondary_language: str | None
    template_name: str | None = None
    template_label: str | None = None
    template_icon: str | None = None
    template_source: str | None = None
    template_type: str | None = None
    tools: list[str] = []
    is_archived: bool = False
    secondary_voice_id: str | None = None


class AgentList(msgspec.Struct):
    agents: list[ListedAgent]


class AgentListAnswer(msgspec.Struct, kw_only=True):
    status: str = "success"
    data: AgentList


class AgentVoice(msgspec.Struct):
    id: str
    name: str | None = None
    voice_preview: str | None = None


class AgentFormField(msgspec.Struct):
    key: str
    value: str


class AgentConfig(msgspec.Struct):
    custom_variables: dict[str, str]
    agent_prompt: str
    intro_message: str


class AgentView(msgspec.Struct):
    id: str
    agent_display_name: str
    agent_type: str
    language: str
    voice: AgentVoice | None
    agent_config: AgentConfig
    created_at: Instant
    updated_at: Instant
    secondary_language: str | None
    whitelisted_domains: list[str] = []
    form_fields: list[AgentFormField] = []
    knowledge_base_id: str | None = None
    knowledge_base_name: str | None = None
    template_name: str | None = None
    template_label: str | None = None
    template_icon: str | None = None
    template_source: str | None = None
    template_type: str | None = None
    tools: list[str] = []
    secondary_voice_id: str | None = None


class EventSubscription(msgspec.Struct, omit_defaults=True):
    """Event types with one URL, without its headers: they may be secrets. Without a URL, they are sent to nobody."""

    event_type: list[str]
    callback_url: str | None = None
    method_type: str | None = None


class SubscribedAgentView(AgentView, kw_only=True):
    event_subscriptions: list[EventSubscription]


class AgentAnswer(msgspec.Struct):
    """One object under a plural key, as the compatible API has it."""

    agents: AgentView


class SubscribedAgentAnswer(msgspec.Struct):
    agents: SubscribedAgentView


AgentName = Annotated[str, msgspec.Meta(min_length=1, max_length=agents.NAME_LENGTH_MAX)]
Introduction = Annotated[str, msgspec.Meta(max_length=2000)]
Guidelines = Annotated[str, msgspec.Meta(max_length=3000)]
Task = Annotated[str, msgspec.Meta(max_length=1500)]
Examples = Annotated[str, msgspec.Meta(max_length=5000)]
IntroMessage = Annotated[str, msgspec.Meta(max_length=500)]
Variables = Annotated[list[str], msgspec.Meta(max_length=agents.CUSTOM_VARIABLES_MAX)]
AgentType = Literal["inbound", "outbound", "outbound_inbound"]


class AgentRequest(msgspec.Struct, forbid_unknown_fields=True):
    agent_name: AgentName
    introduction_and_objective: Introduction
    response_guidelines: Guidelines
    task: Task
    primary_language: Language
    voice_id: UUID
    intro_message: IntroMessage
    faq: Examples | None = None
    sample_conversations: Examples | None = None
    secondary_language: Language | None = None
    agent_type: AgentType = "outbound"
    custom_variables: Variables = []


class AgentChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out, or null, stays as it is."""

    agent_name: AgentName | None = None
    introduction_and_objective: Introduction | None = None
    response_guidelines: Guidelines | None = None
    task: Task | None = None
    primary_language: Language | None = None
    voice_id: UUID | None = None
    intro_message: IntroMessage | None = None
    faq: Examples | None = None
    sample_conversations: Examples | None = None
    secondary_language: Language | None = None
    agent_type: AgentType | None = None
    custom_variables: Variables | None = None


class CreatedAgent(msgspec.Struct):
    id: str
    created_at: Instant
    version: str


class CreatedAgentAnswer(msgspec.Struct, kw_only=True):
    success: bool = True
    data: CreatedAgent
    message: str = "Agent created successfully"


class UpdatedAgent(msgspec.Struct):
    id: str
    version: str
    updated_at: Instant


class UpdatedAgentAnswer(msgspec.Struct, kw_only=True):
    success: bool = True
    data: UpdatedAgent
    message: str = "Agent updated successfully"


class DeletedAgentAnswer(msgspec.Struct):
    message: str = "Agent deleted successfully!"


@READ_ROUTES.add("GET", "/agent/all")
async def list_agents(services: Services, principal: Principal, query: AgentPage) -> AgentListAnswer:
    """The agents of the workspace, newest first."""
    page = await agents.list_agents(services.store, principal, query.limit, query.offset)
    return AgentListAnswer(data=AgentList([_listed(agent, call_count) for agent, call_count in page]))


@READ_ROUTES.add("GET", "/agent/{agent_id}", errors=(404,))
async def read_agent(services: Services, principal: Principal, agent_id: UUID) -> AgentAnswer:
    """One agent."""
    return AgentAnswer(_shown(await agents.read_agent(services.store, principal, AgentId(agent_id))))


@READ_ROUTES.add("GET", "/agent/v1/{agent_id}", errors=(404,))
async def read_agent_v1(services: Services, principal: Principal, agent_id: UUID) -> SubscribedAgentAnswer:
    """One agent, with the events that are sent about its calls."""
    agent = await agents.read_agent(services.store, principal, AgentId(agent_id))
    of_workspace = await subscriptions.list_subscriptions(services.store, principal)
    by_target: dict[tuple[str | None, str | None], list[str]] = {}
    for each in of_workspace:
        if each.agent_id == agent.agent_id:
            target = (None, None) if each.callback_url is None else (each.callback_url, each.method)
            by_target.setdefault(target, []).append(each.event_type)
    shown = msgspec.structs.asdict(_shown(agent))
    return SubscribedAgentAnswer(
        SubscribedAgentView(
            **shown, event_subscriptions=[EventSubscription(types, *target) for target, types in by_target.items()]
        )
    )


@READ_ROUTES.add("DELETE", "/agent/{agent_id}", errors=(404,))
async def delete_agent(services: Services, principal: Principal, agent_id: UUID) -> DeletedAgentAnswer:
    """Archive an agent: it takes nothing new; what is registered goes on, and the history stays."""
    await agents.archive_agent(services.store, principal, AgentId(agent_id))
    return DeletedAgentAnswer()


@CREATE_ROUTES.add("POST", "/public/agent")
async def create_agent(services: Services, principal: Principal, body: AgentRequest) -> CreatedAgentAnswer:
    """Create an agent."""
    agent = await agents.create_agent(
        services.store,
        principal,
        agents.NewAgent(
            display_name=body.agent_name,
            agent_type=body.agent_type,
            primary_language=body.primary_language,
            custom_variables=body.custom_variables,
            config=_config(body),
        ),
    )
    return CreatedAgentAnswer(data=CreatedAgent(str(agent.agent_id), instant(agent.created_at), agent.version_slug))


@CREATE_ROUTES.add("PATCH", "/public/agent/{agent_id}", errors=(404,))
async def update_agent(
    services: Services, principal: Principal, agent_id: UUID, body: AgentChange
) -> UpdatedAgentAnswer:
    """Change some fields of an agent. A section of the prompt puts the sections in force again."""
    if all(getattr(body, name) is None for name in body.__struct_fields__):
        raise InvalidInput(f"at least one of {', '.join(body.__struct_fields__)} must be given")
    config = _config(body)
    if set(config) & set(PROMPT_SECTIONS):
        config[WHOLE_PROMPT] = None
    edit = agents.AgentEdit(
        display_name=body.agent_name,
        agent_type=body.agent_type,
        primary_language=body.primary_language,
        custom_variables=body.custom_variables,
        config=config,
    )
    agent = await agents.edit_agent(services.store, principal, AgentId(agent_id), edit, name_field="agent_name")
    return UpdatedAgentAnswer(data=UpdatedAgent(str(agent.agent_id), agent.version_slug, instant(agent.updated_at)))


def _config(body: AgentRequest | AgentChange) -> dict[str, Any]:
    """What is kept as given."""
    given: dict[str, Any] = {
        "voice_id": None if body.voice_id is None else str(body.voice_id),
        "intro_message": body.intro_message,
        "secondary_language": body.secondary_language,
        **{name: getattr(body, name) for name in PROMPT_SECTIONS},
    }
    return {name: value for name, value in given.items() if value is not None}


def _shown(agent: Agent) -> AgentView:
    voice_id = _text(agent, "voice_id")
    return AgentView(
        id=str(agent.agent_id),
        agent_display_name=agent.display_name,
        agent_type=agent.agent_type,
        language=agent.primary_language,
        voice=AgentVoice(voice_id) if voice_id else None,
        agent_config=AgentConfig(
            custom_variables=_variables(agent),
            agent_prompt=agent_prompt(agent.config),
            intro_message=_text(agent, "intro_message") or "",
        ),
        created_at=instant(agent.created_at),
        updated_at=instant(agent.updated_at),
        secondary_language=_text(agent, "secondary_language"),
        secondary_voice_id=_text(agent, "secondary_voice_id"),
    )


def _listed(agent: Agent, call_count: int) -> ListedAgent:
    return ListedAgent(
        id=str(agent.agent_id),
        agent_display_name=agent.display_name,
        agent_type=agent.agent_type,
        created_at=instant(agent.created_at),
        updated_at=instant(agent.updated_at),
        call_count=call_count,
        custom_variables=_variables(agent),
        secondary_language=_text(agent, "secondary_language"),
        secondary_voice_id=_text(agent, "secondary_voice_id"),
    )


def _variables(agent: Agent) -> dict[str, str]:
    return dict.fromkeys(agent.custom_variables, "string")


def _text(agent: Agent, name: str) -> str | None:
    value = agent.config.get(name)
    return value if isinstance(value, str) else None
