"""One call on an Asterisk: where it is, and what of it was reported. No I/O."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ringoff.domain.attempt_records import OriginateRequest
from ringoff.domain.events import Answered, CarrierEvent, Progressed, Rang, Released
from ringoff.domain.release_cause import ReleaseCause
from ringoff.telephony.asterisk.link import AsteriskLink

AGENT_SUFFIX: Final = "-agent"
BRIDGE_SUFFIX: Final = "-bridge"
PLAYBACK_SUFFIX: Final = "-play"


class AsteriskCall:
    """Turns what Asterisk says about one channel into the events of its attempt, each at most once and in order."""

    def __init__(self, request: OriginateRequest, link: AsteriskLink, config: Mapping[str, Any]) -> None:
        self.request = request
        self.link = link
        self.endpoint: str = config["endpoint"]
        self.agent_endpoint: str = config["agent_endpoint"]
        self.amd_context: str = config["amd_context"]
        self.goes_on_with_machines = config["amd_on_machine"] == "continue"
        self.channel_id = str(request.attempt_id)
        self.is_accepted = False
        """Asterisk took the originate: from here on only Asterisk ends it."""
        self.is_release_wanted = False
        self.is_disowned = False
        """The engine was told that nobody knows whether it rings: whatever turns up is hung up."""
        self.is_over = False
        self.agent_failed = False
        self.is_handed_over = False
        self.is_in_dialplan = False
        """Sent to the context of machine detection, and not back yet."""
        self.has_run_dialplan = False
        """That context exists: something in it has run."""
        self.detected = asyncio.Event()
        """Back from there, or over."""
        self.voicemail_detected = False
        self.agent_up = asyncio.Event()
        """The agent's channel is in our application, or is gone: see ``is_agent_gone``."""
        self.is_agent_gone = False
        self._has_progressed = False
        self._has_rung = False
        self._answered_s: float | None = None

    @property
    def agent_channel_id(self) -> str:
        return self.channel_id + AGENT_SUFFIX

    @property
    def bridge_id(self) -> str:
        return self.channel_id + BRIDGE_SUFFIX

    @property
    def playback_id(self) -> str:
        return self.channel_id + PLAYBACK_SUFFIX

    def progressed(self, at: datetime) -> list[CarrierEvent]:
        if self._has_progressed or self._has_rung or self._answered_s is not None:
            return []
        self._has_progressed = True
        return [Progressed(self.request.attempt_id, at)]

    def rang(self, at: datetime) -> list[CarrierEvent]:
        if self._has_rung or self._answered_s is not None:
            return []
        self._has_rung = True
        return [Rang(self.request.attempt_id, at)]

    def answered(self, at: datetime, now_s: float) -> list[CarrierEvent]:
        if self._answered_s is not None:
            return []
        self._answered_s = now_s
        return [Answered(self.request.attempt_id, at)]

    def released(self, cause: ReleaseCause, at: datetime, now_s: float) -> list[CarrierEvent]:
        if self.is_over:
            return []
        self.is_over = True
        self.agent_up.set()
        self.detected.set()
        was_answered = self._answered_s is not None
        return [
            Released(
                self.request.attempt_id,
                at,
                cause,
                was_answered,
                talk_ms=0 if self._answered_s is None else round((now_s - self._answered_s) * 1_000),
                voicemail_detected=was_answered and self.voicemail_detected,
                agent_failed=was_answered and self.agent_failed,
            )
        ]


def release_cause(event: Mapping[str, Any]) -> ReleaseCause:
    """What a ``ChannelDestroyed`` says. Asterisk writes 0 for what it does not know."""
    sip_status, q850_cause = event.get("tech_cause"), event.get("cause")
    return ReleaseCause(
        sip_status=sip_status if isinstance(sip_status, int) and sip_status > 0 else None,
        q850_cause=q850_cause if isinstance(q850_cause, int) and q850_cause > 0 else None,
        text=str(event.get("cause_txt") or ""),
    )
