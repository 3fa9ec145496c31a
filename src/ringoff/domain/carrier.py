"""What a driver is told: the trunk that it dials through, and how an answered call is handed to its agent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ringoff.domain.errors import InvalidInput
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


TARGET_LENGTH_MAX: Final = 1_000
_PRINTED: Final = r"[!-~]"
_TARGETS: Final[Mapping[HandlingKind, tuple[re.Pattern[str], str]]] = {
    # Nobody's password belongs into a URL that goes through logs: parameters are the place for tokens.
    HandlingKind.MEDIA_URL: (
        re.compile(rf"wss?://(?![^/?#]*@){_PRINTED}+"),
        "must be a ws:// or wss:// URL without a user name or password",
    ),
    HandlingKind.SIP_URI: (re.compile(rf"sips?:{_PRINTED}+"), "must be a sip: or sips: URI"),
    HandlingKind.PLAY: (
        re.compile(rf"(https?://(?![^/?#]*@)|[a-z]+:){_PRINTED}+"),
        "must be the address of an audio file (https://...) or a media URI of the carrier (sound:...)",
    ),
}


def answer_handling(kind: HandlingKind, target: str, *, is_failure_retried: bool = False) -> AnswerHandling:
    """Checked. Whether a trunk's driver can do it shows when it dials: agents and trunks meet in a campaign.

    Raises ``InvalidInput`` with the field.
    """
    if kind is HandlingKind.NONE:
        if target:
            raise InvalidInput("target must be empty for the kind none", field="target")
        return AnswerHandling(kind, "", is_failure_retried)
    pattern, rule = _TARGETS[kind]
    if len(target) > TARGET_LENGTH_MAX or not pattern.fullmatch(target):
        raise InvalidInput(f"target {rule}, of at most {TARGET_LENGTH_MAX} characters", field="target")
    return AnswerHandling(kind, target, is_failure_retried)


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
