"""What a driver is told: the trunk that it dials through, and how an answered call is handed to its agent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ringoff.domain.identifiers import AttemptId, TrunkId, WorkspaceId


@dataclass(frozen=True, slots=True)
class TrunkSpec:
    """A trunk as its driver sees it. ``config`` was read by the driver's own ``read_config`` when it was stored."""

    workspace_id: WorkspaceId
    trunk_id: TrunkId
    driver: str
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Has passwords in it: never shown, never logged."""


class HandlingKind(StrEnum):
    """Who takes an answered call."""

    NONE = "none"
    """Nobody: the call is up until somebody hangs up. For tests, and for carriers that bring their own agent."""
    MEDIA_URL = "media_url"
    """A WebSocket that speaks the Twilio Media Streams protocol (ws:// or wss://)."""
    SIP_URI = "sip_uri"
    """A second leg to this SIP URI, bridged or by third party call control (RFC 3725)."""
    PLAY = "play"
    """An audio file is played, then the call is released."""


@dataclass(frozen=True, slots=True)
class AnswerHandling:
    """How answered calls of an agent are handled. ``target`` is the URL, the SIP URI or the audio's address."""

    kind: HandlingKind = HandlingKind.NONE
    target: str = ""
    is_failure_retried: bool = False
    """Whether a callee whose agent could not be reached is rung again (after the delay for failures)."""


@dataclass(frozen=True, slots=True)
class TrunkReport:
    """What a driver knows about a trunk besides its calls: it answers (OPTIONS, a WebSocket that is up) or does not."""

    workspace_id: WorkspaceId
    trunk_id: TrunkId
    is_up: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class CarrierCallback:
    """A report that a carrier posted to our HTTP server about one attempt, verified before it was stored."""

    attempt_id: AttemptId
    fields: Mapping[str, str]
