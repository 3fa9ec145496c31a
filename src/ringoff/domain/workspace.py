"""A tenant and the things it owns besides campaigns: keys, agents, trunks, numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from ringoff.domain.carrier import AnswerHandling
from ringoff.domain.identifiers import AgentId, ApiKeyId, NumberId, NumberPoolId, TrunkId, WorkspaceId


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: the workspace that the key opens, and the key itself."""

    workspace_id: WorkspaceId
    api_key_id: ApiKeyId


@dataclass(frozen=True, slots=True)
class Workspace:
    workspace_id: WorkspaceId
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's public face. The secret is shown once and stored as its SHA-256 only."""

    api_key_id: ApiKeyId
    workspace_id: WorkspaceId
    name: str
    prefix: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Agent:
    """An AI voice agent, as the carrier hand-over and the compatible API need it.

    ``config`` keeps the fields of the create request as given (prompt sections, intro message, voice).
    An archived agent takes nothing new; what was registered before goes on.
    """

    agent_id: AgentId
    workspace_id: WorkspaceId
    display_name: str
    agent_type: str
    primary_language: str
    custom_variables: tuple[str, ...]
    config: Mapping[str, Any]
    handling: AnswerHandling
    created_at: datetime
    updated_at: datetime
    version: int = 1
    """Counts the edits: calls are always made with the newest."""
    archived_at: datetime | None = None

    @property
    def version_slug(self) -> str:
        return f"v{self.version}"

    @property
    def version_id(self) -> UUID:
        """The same for the same version, wherever it is asked for."""
        return uuid5(self.agent_id, self.version_slug)


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier endpoint with its limits. ``cps_max`` is originates per second, ``channels_max`` concurrent calls.

    ``is_up`` is what its driver said last, None when it has said nothing; ``alarm`` is what somebody should look at.
    """

    trunk_id: TrunkId
    workspace_id: WorkspaceId
    name: str
    driver: str
    cps_max: float
    channels_max: int
    is_enabled: bool
    is_up: bool | None
    alarm: str | None
    alarm_at: datetime | None
    created_at: datetime
    updated_at: datetime
    config: Mapping[str, Any] = field(repr=False)
    """Has passwords in it."""


@dataclass(frozen=True, slots=True)
class CallingNumber:
    """A number that the workspace may show as caller id, and the trunk that carries it."""

    number_id: NumberId
    workspace_id: WorkspaceId
    number: str
    display_name: str | None
    trunk_id: TrunkId
    created_at: datetime
    agent_id: AgentId | None = None
    """The agent that it is shown with."""
    number_pool_id: NumberPoolId | None = None
    cps_max: float | None = None
    """Calls a second that may show it out of a pool; None: as many as its trunk takes."""


@dataclass(frozen=True, slots=True)
class NumberPool:
    """Numbers of one trunk that take turns as caller id: the one shown longest ago is next."""

    number_pool_id: NumberPoolId
    name: str
    trunk_id: TrunkId
    numbers: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFilter:
    """A page of agents, newest first; None means no restriction."""

    name_part: str | None = None
    below: AgentId | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFilter:
    """A page of calling numbers, in their order; None means no restriction."""

    agent_id: AgentId | None = None
    above: str = ""
    limit: int = 50
