"""``GET /agent/all``, ``GET /agent/{agent_id}`` and ``POST /public/agent``."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, PageOffset, PageSize, instant
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.agent_prompt import PROMPT_SECTIONS, agent_prompt
from ringoff.domain.identifiers import AgentId
from ringoff.domain.workspace import Agent, Principal
from ringoff.operations import agents

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


class AgentAnswer(msgspec.Struct):
    """One object under a plural key, as the compatible API has it."""

    agents: AgentView


class AgentRequest(msgspec.Struct, forbid_unknown_fields=True):
    agent_name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    introduction_and_objective: Annotated[str, msgspec.Meta(max_length=2000)]
    response_guidelines: Annotated[str, msgspec.Meta(max_length=3000)]
    task: Annotated[str, msgspec.Meta(max_length=1500)]
    primary_language: Language
    voice_id: UUID
    intro_message: Annotated[str, msgspec.Meta(max_length=500)]
    faq: Annotated[str, msgspec.Meta(max_length=5000)] | None = None
    sample_conversations: Annotated[str, msgspec.Meta(max_length=5000)] | None = None
    secondary_language: Language | None = None
    agent_type: Literal["inbound", "outbound", "outbound_inbound"] = "outbound"
    custom_variables: Annotated[list[str], msgspec.Meta(max_length=100)] = []


class CreatedAgent(msgspec.Struct):
    id: str
    created_at: Instant
    version: str = "v1"


class CreatedAgentAnswer(msgspec.Struct, kw_only=True):
    success: bool = True
    data: CreatedAgent
    message: str = "Agent created successfully"


@READ_ROUTES.add("GET", "/agent/all")
async def list_agents(services: Services, principal: Principal, query: AgentPage) -> AgentListAnswer:
    """The agents of the workspace, newest first."""
    page = await agents.list_agents(services.store, principal, query.limit, query.offset)
    return AgentListAnswer(data=AgentList([_listed(agent, call_count) for agent, call_count in page]))


@READ_ROUTES.add("GET", "/agent/{agent_id}", errors=(404,))
async def read_agent(services: Services, principal: Principal, agent_id: UUID) -> AgentAnswer:
    """One agent."""
    agent = await agents.read_agent(services.store, principal, AgentId(agent_id))
    voice_id = _text(agent, "voice_id")
    return AgentAnswer(
        AgentView(
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
        )
    )


@CREATE_ROUTES.add("POST", "/public/agent")
async def create_agent(services: Services, principal: Principal, body: AgentRequest) -> CreatedAgentAnswer:
    """Create an agent."""
    config: dict[str, Any] = {
        "voice_id": str(body.voice_id),
        "intro_message": body.intro_message,
        "secondary_language": body.secondary_language,
        **{name: getattr(body, name) for name in PROMPT_SECTIONS},
    }
    agent = await agents.create_agent(
        services.store,
        principal,
        agents.NewAgent(
            display_name=body.agent_name,
            agent_type=body.agent_type,
            primary_language=body.primary_language,
            custom_variables=body.custom_variables,
            config={name: value for name, value in config.items() if value is not None},
        ),
    )
    return CreatedAgentAnswer(data=CreatedAgent(str(agent.agent_id), instant(agent.created_at)))


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
    )


def _variables(agent: Agent) -> dict[str, str]:
    return dict.fromkeys(agent.custom_variables, "string")


def _text(agent: Agent, name: str) -> str | None:
    value = agent.config.get(name)
    return value if isinstance(value, str) else None
