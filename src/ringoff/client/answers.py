"""Answers of the compatible routes. Fields with a default may be missing there; what is unknown is ignored."""

import json
from typing import Any

import msgspec


class Workspace(msgspec.Struct, kw_only=True):
    id: str
    name: str
    created_at: str | None = None
    credits: float = 0
    locked_credits: float = 0
    role: str | None = None
    """Only where workspaces are listed."""


class WorkspaceUser(msgspec.Struct, kw_only=True):
    id: str
    username: str | None = None
    email: str | None = None
    role: str | None = None
    invite_status: str | None = None


class NumberAgent(msgspec.Struct, kw_only=True):
    id: str
    agent_display_name: str | None = None


class WorkspaceNumber(msgspec.Struct, kw_only=True):
    """``id`` goes into ``from_number_id``, ``number`` into ``from_number``."""

    id: str
    number: str
    created_at: str | None = None
    call_count: int = 0
    agent: NumberAgent | None = None
    is_inbound_enabled: bool = False
    is_test_number: bool = False
    tags: list[str] = []
    is_spam: bool = False
    spam_message: str | None = None
    provider: str | None = None
    display_name: str | None = None
    owner: str | None = None
    is_custom_number: bool = False
    telephony_id: str | None = None
    number_pool_id: str | None = None


class ListedAgent(msgspec.Struct, kw_only=True):
    id: str
    agent_display_name: str
    agent_type: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    call_count: int = 0
    custom_variables: dict[str, Any] = {}
    tools: list[Any] = []
    is_archived: bool = False
    secondary_language: str | None = None
    secondary_voice_id: str | None = None
    template_name: str | None = None
    template_label: str | None = None
    template_icon: str | None = None
    template_source: str | None = None
    template_type: str | None = None


class AgentVoice(msgspec.Struct, kw_only=True):
    id: str | None = None
    name: str | None = None
    voice_preview: str | None = None


class AgentScript(msgspec.Struct, kw_only=True):
    custom_variables: dict[str, Any] = {}
    agent_prompt: str = ""
    intro_message: str = ""


class EventSubscription(msgspec.Struct, kw_only=True):
    event_type: list[str] | str
    callback_url: str | None = None
    method_type: str | None = None


class Agent(msgspec.Struct, kw_only=True):
    id: str
    agent_display_name: str
    agent_type: str | None = None
    language: str | None = None
    voice: AgentVoice | None = None
    agent_config: AgentScript = msgspec.field(default_factory=AgentScript)
    created_at: str | None = None
    updated_at: str | None = None
    secondary_language: str | None = None
    secondary_voice_id: str | None = None
    whitelisted_domains: list[str] = []
    form_fields: list[Any] = []
    knowledge_base_id: str | None = None
    knowledge_base_name: str | None = None
    tools: list[Any] = []
    event_subscriptions: list[EventSubscription] = []


class WrittenAgent(msgspec.Struct, kw_only=True):
    """What creating or updating an agent gives back."""

    id: str
    version: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class StartedCall(msgspec.Struct, kw_only=True):
    """A call that was registered, from the keys of either generation of the API."""

    call_id: str
    call_status: str | None = None
    call_direction: str | None = None
    agent_id: str | None = None
    initiated_at: str | None = None
    """UTC without a zone."""
    from_number: str | None = None
    to_number: str | None = None
    custom_args_values: dict[str, Any] = {}


class CallAgent(msgspec.Struct, kw_only=True):
    id: str | None = None
    agent_name: str | None = None
    agent_version_id: str | None = None


class HistoryCall(msgspec.Struct, kw_only=True):
    id: str
    to_number: str | None = None
    name: str | None = None
    status: str
    sub_status: str | None = None
    created_at: str | None = None
    agent: CallAgent | None = None
    call_duration: float | None = None
    """Answered seconds."""
    call_attempt_time: str | None = None
    call_cost: float | None = None
    call_type: str | None = None
    inbound_from: str | None = None
    from_numbers: list[str] = []
    voicemail_detected: bool = False
    audio_recording: str | None = None
    transcript: Any = None
    """As it came, mostly a text of JSON; see ``turns``."""

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The talk, as ``{"bot": …}`` and ``{"user": …}``."""
        return turns_of(self.transcript)


class HistoryPage(msgspec.Struct, kw_only=True):
    calls: list[HistoryCall] = []
    limit: int | None = None
    offset: int | None = None
    count: int | None = None
    total: int | None = None
    is_total_exact: bool = True
    """False when ``total`` only says that there are more than the server has counted."""


class CallDetails(msgspec.Struct, kw_only=True):
    id: str
    call_status: str
    call_sub_status: str | None = None
    call_direction: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    callee_name: str | None = None
    agent_id: str | None = None
    initiation_time: str | None = None
    recording_url: str | None = None
    custom_args_values: dict[str, Any] = {}
    transcription_url: Any = None
    """Misnamed there: the turns of the talk; see ``turns``."""
    platform_analysis: dict[str, Any] | None = None
    client_analysis: dict[str, Any] | None = None

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The talk, as ``{"bot": …}`` and ``{"user": …}``."""
        return turns_of(self.transcription_url)


class Download(msgspec.Struct, kw_only=True):
    """Either the file was written, or the server has said in ``message`` how it will come."""

    file_bytes: int | None = None
    message: str | None = None


class SavedCampaign(msgspec.Struct, kw_only=True):
    list_id: str
    message: str | None = None
    custom_args_values: list[dict[str, Any]] = []
    """The first rows, as the agent will know them."""
    total_rows: int | None = None
    successful_rows: int | None = None
    failed_rows: int | None = None


class LargeList(msgspec.Struct, kw_only=True):
    """An uploaded list, as its upload or ``upload_status`` tells of it; the last five are Ringoff's own."""

    bulk_list_id: str
    status: str
    campaign_name: str | None = None
    total_callees: int = 0
    invalidated_rows_count: int = 0
    invalidated_rows_csv_url: str | None = None
    message: str | None = None
    verified_rows_count: int | None = None
    valid_rows_count: int | None = None
    percent: int | None = None
    invalidated_rows: list[dict[str, Any]] = []
    failure: str | None = None


class Balance(msgspec.Struct, kw_only=True):
    bulk_list_id: str
    status: str | None = None
    message: str | None = None
    required_credits: float | None = None
    available_credits: float | None = None
    sufficient_balance: bool | None = None


class StartedLargeList(msgspec.Struct, kw_only=True):
    bulk_list_id: str
    status: str
    message: str | None = None


class StartedCampaign(msgspec.Struct, kw_only=True):
    status: str
    has_ongoing_calls: bool = False
    campaign_id: str | None = None


class ListedCampaign(msgspec.Struct, kw_only=True):
    id: str
    name: str | None = None
    campaign_status: str
    created_at: str | None = None
    updated_at: str | None = None
    campaign_start_time: str | None = None
    campaign_end_time: str | None = None
    total_count: int | None = None
    registered_count: int | None = None
    completed_count: int | None = None


class Terminated(msgspec.Struct, kw_only=True):
    """An order that was carried out."""

    message: str
    termination_id: str | None = None
    """Names the receipt; only Ringoff has one."""
    is_replayed: bool = False
    """This is the first answer to the same key again; nothing was done now."""


def turns_of(transcript: Any) -> list[dict[str, Any]]:
    """An array, or a text of one; nothing of what is neither."""
    if isinstance(transcript, str):
        try:
            transcript = json.loads(transcript)
        except ValueError:
            return []
    return [turn for turn in transcript if isinstance(turn, dict)] if isinstance(transcript, list) else []
