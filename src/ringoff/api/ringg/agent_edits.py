"""``PATCH /agent/v1``: one edit of an agent, by the name of its operation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from ringoff.api.bodies import convert
from ringoff.api.errors import ErrorShape
from ringoff.api.ringg.agents import Language, Variables
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.agent_prompt import WHOLE_PROMPT
from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import AgentId, NumberId
from ringoff.domain.workspace import Principal
from ringoff.operations import agents
from ringoff.operations.agents import AgentEdit
from ringoff.operations.subscriptions import WebhookEntry, set_webhooks

ROUTES = RouteTable("/ca/api/v0", ErrorShape.DETAIL, "agents")

PROMPT_LENGTH_MAX: Final = 50_000
"""Characters of a prompt that is written as a whole, titles included."""
SECTIONS_MAX: Final = 100
INTRO_LENGTH_MAX: Final = 2_000
SUBSCRIPTIONS_MAX: Final = 20


Operation = Literal[
    "attach_inbound_number",
    "edit_agent_display_name",
    "edit_custom_vars",
    "edit_event_subscriptions",
    "edit_intro_message",
    "edit_language",
    "edit_prompt",
    "edit_secondary_language",
    "edit_secondary_voice",
    "edit_voice",
    "remove_inbound_number",
]


class PromptSection(msgspec.Struct, forbid_unknown_fields=True):
    section_title: Annotated[str, msgspec.Meta(max_length=200)]
    section_content: Annotated[str, msgspec.Meta(max_length=PROMPT_LENGTH_MAX)]


class PromptSections(msgspec.Struct, forbid_unknown_fields=True):
    prompt_sections: Annotated[list[PromptSection], msgspec.Meta(min_length=1, max_length=SECTIONS_MAX)]


class WebhookWish(msgspec.Struct, forbid_unknown_fields=True):
    event_type: EventType | Annotated[list[EventType], msgspec.Meta(min_length=1, max_length=len(EventType))]
    """An array since March 2026, one word before; both are sent by clients."""
    callback_url: str
    headers: dict[str, str] = {}
    """Sent with each try and never shown again."""
    method_type: str = "POST"


class AgentEditRequest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Beside ``operation`` and ``agent_id``, exactly the fields of the operation."""

    operation: Operation
    agent_id: UUID
    agent_display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=agents.NAME_LENGTH_MAX)] | None = None
    agent_prompt: Annotated[str, msgspec.Meta(max_length=PROMPT_LENGTH_MAX)] | PromptSections | None = None
    custom_variables: Variables | None = None
    event_subscriptions: (
        Annotated[list[WebhookWish], msgspec.Meta(min_length=1, max_length=SUBSCRIPTIONS_MAX)] | None
    ) = None
    intro_message: Annotated[str, msgspec.Meta(max_length=INTRO_LENGTH_MAX)] | None = None
    language: Language | None = None
    number_id: UUID | None = None
    secondary_language: Language | None = None
    secondary_voice_id: UUID | None = None
    voice_id: UUID | None = None


class EditedAgentAnswer(msgspec.Struct, kw_only=True):
    message: str = "Agent updated successfully!"
    agent_id: str


@dataclass(frozen=True, slots=True)
class _Edit:
    """One operation that changes the agent itself: the field it needs, others that may come along."""

    needs: str
    takes: frozenset[str]
    change: Callable[[AgentEditRequest], AgentEdit]


def _voices(body: AgentEditRequest) -> AgentEdit:
    """Languages and voices come together: what is given is kept, and handed to the agent."""
    given = {
        "voice_id": _text(body.voice_id),
        "secondary_language": body.secondary_language,
        "secondary_voice_id": _text(body.secondary_voice_id),
    }
    config = {name: value for name, value in given.items() if value is not None}
    return AgentEdit(primary_language=body.language, config=config)


def _prompt(body: AgentEditRequest) -> AgentEdit:
    written: Any = body.agent_prompt
    if isinstance(written, PromptSections):
        written = msgspec.to_builtins(written.prompt_sections)
        if sum(len(text) for section in written for text in section.values()) > PROMPT_LENGTH_MAX:
            raise InvalidInput(f"agent_prompt has more than {PROMPT_LENGTH_MAX} characters", field="agent_prompt")
    return AgentEdit(config={WHOLE_PROMPT: written})


_VOICE_FIELDS: Final = frozenset({"language", "voice_id", "secondary_language", "secondary_voice_id"})
_EDITS: Final[dict[str, _Edit]] = {
    "edit_agent_display_name": _Edit(
        "agent_display_name", frozenset(), lambda body: AgentEdit(display_name=body.agent_display_name)
    ),
    "edit_custom_vars": _Edit(
        "custom_variables", frozenset(), lambda body: AgentEdit(custom_variables=body.custom_variables)
    ),
    "edit_intro_message": _Edit(
        "intro_message", frozenset(), lambda body: AgentEdit(config={"intro_message": body.intro_message})
    ),
    "edit_prompt": _Edit("agent_prompt", frozenset(), _prompt),
    "edit_language": _Edit("language", _VOICE_FIELDS, _voices),
    "edit_secondary_language": _Edit("secondary_language", _VOICE_FIELDS, _voices),
    "edit_voice": _Edit("voice_id", _VOICE_FIELDS, _voices),
    "edit_secondary_voice": _Edit("secondary_voice_id", _VOICE_FIELDS, _voices),
}
_SUBSCRIPTIONS: Final = "edit_event_subscriptions"
_NUMBERS: Final = {"attach_inbound_number": agents.attach_number, "remove_inbound_number": agents.detach_number}

_BY_THE_AGENT: Final = "what is heard and said is the work of the software behind the agent's handling: set it there"
_NOT_OFFERED: Final = {
    **dict.fromkeys(
        (
            "edit_dtmf_settings",
            "edit_noise_settings",
            "edit_query_phrases",
            "edit_vad_settings",
            "edit_vocab",
            "edit_voice_speed",
        ),
        _BY_THE_AGENT,
    ),
    **dict.fromkeys(
        ("attach_kb", "remove_kb"), "there are no knowledge bases; write what the agent must know into its prompt"
    ),
    "edit_agent_whitelisted_domains": "there are no calls from web pages",
    "edit_api_settings": "an agent calls no APIs here; the software behind its handling may",
    "edit_extract_callee_name": "give smart_formatter.extract_first_name with each call",
}

_OFFERED: Final = frozenset({*_EDITS, *_NUMBERS, _SUBSCRIPTIONS})
OPERATIONS: Final = _OFFERED | _NOT_OFFERED.keys()
"""All that the compatible API knows, those that are refused too."""


@ROUTES.add("PATCH", "/agent/v1", errors=(404,), documented_body=AgentEditRequest)
async def edit_agent(services: Services, principal: Principal, body: dict[str, Any]) -> EditedAgentAnswer:
    """Change an agent by one operation. Its calls have it from the next request to ring on."""
    operation = _operation(body)
    wish = convert(body, AgentEditRequest, strict=True)
    agent_id = AgentId(wish.agent_id)
    if edit := _EDITS.get(operation):
        _require_fields(body, operation, edit.needs, edit.takes)
        await agents.edit_agent(services.store, principal, agent_id, edit.change(wish))
    elif operation == _SUBSCRIPTIONS:
        _require_fields(body, operation, "event_subscriptions", frozenset())
        await _set_webhooks(services, principal, agent_id, wish.event_subscriptions or [])
    else:
        _require_fields(body, operation, "number_id", frozenset())
        assert wish.number_id is not None, "required above"
        await _NUMBERS[operation](services.store, principal, agent_id, NumberId(wish.number_id))
    return EditedAgentAnswer(agent_id=str(agent_id))


async def _set_webhooks(
    services: Services, principal: Principal, agent_id: AgentId, wishes: Sequence[WebhookWish]
) -> None:
    """One URL for each event type, the newest wins; types that are not named stay as they are."""
    entries = [
        WebhookEntry(
            event_types=wish.event_type if isinstance(wish.event_type, list) else [wish.event_type],
            callback_url=wish.callback_url,
            headers=wish.headers,
            method=wish.method_type,
        )
        for wish in wishes
    ]
    try:
        await set_webhooks(
            services.store, principal, agent_id, entries, allow_private=services.limits.webhook_allow_private
        )
    except InvalidInput as error:
        raise InvalidInput(
            f"event_subscriptions[{error.position}]: {error.message}", field="event_subscriptions"
        ) from error


def _operation(body: dict[str, Any]) -> str:
    """A known operation. What is not done here is refused before its fields are looked at."""
    operation = body.get("operation")
    if operation is None:
        raise InvalidInput("Missing required field: operation", field="operation")
    if isinstance(operation, str) and operation in _NOT_OFFERED:
        raise InvalidInput(f"operation {operation} is not supported: {_NOT_OFFERED[operation]}", field="operation")
    if not isinstance(operation, str) or operation not in _OFFERED:
        known = ", ".join(sorted(_OFFERED))
        raise InvalidInput(f"operation must be one of {known}", field="operation")
    return operation


def _require_fields(body: dict[str, Any], operation: str, needs: str, takes: frozenset[str]) -> None:
    if body.get(needs) is None:
        raise InvalidInput(f"Missing required field: {needs} (of {operation})", field=needs)
    given = {name for name, value in body.items() if value is not None}
    for name in sorted(given - takes - {"operation", "agent_id", needs}):
        raise InvalidInput(f"{name} does not belong to {operation}", field=name)


def _text(given: UUID | None) -> str | None:
    return None if given is None else str(given)
