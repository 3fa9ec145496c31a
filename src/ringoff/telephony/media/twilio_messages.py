"""The messages of the Twilio Media Streams WebSocket protocol, made and read.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages. Audio is mu-law, 8000 Hz, mono, in base64.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SAMPLE_RATE: Final = 8_000
"""Samples a second; in mu-law also bytes a second."""
ACCOUNT_SID: Final = "AC" + "0" * 32
"""Twilio's agents expect an account; there is none here."""


@dataclass(frozen=True, slots=True)
class StreamStart:
    """What the agent is told before the first audio. ``call_sid`` is our attempt id."""

    call_sid: str
    stream_sid: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AgentAudio:
    """Mu-law that the agent wants the callee to hear."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class AgentMark:
    """A name that is to come back when everything before it was heard."""

    name: str


@dataclass(frozen=True, slots=True)
class AgentClear:
    """Barge-in: what was not heard yet shall not be heard."""


AgentMessage = AgentAudio | AgentMark | AgentClear


def read_agent_message(text: str) -> AgentMessage | None:
    """What the agent sent, or None for what is no message of the protocol: an agent's slip costs nobody the call."""
    try:
        message = json.loads(text)
        match message.get("event"):
            case "media":
                return AgentAudio(base64.b64decode(message["media"]["payload"], validate=True))
            case "mark":
                name = message["mark"]["name"]
                return AgentMark(name) if isinstance(name, str) else None
            case "clear":
                return AgentClear()
            case _:
                return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        return None


class MessageWriter:
    """Makes the messages of one stream, numbered from 1 as the protocol wants."""

    def __init__(self, start: StreamStart) -> None:
        self._start = start
        self._sequence_number = 0
        self._chunk = 0
        self._samples = 0

    def connected(self) -> str:
        return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self) -> str:
        start = self._start
        return self._message(
            "start",
            {
                "accountSid": ACCOUNT_SID,
                "streamSid": start.stream_sid,
                "callSid": start.call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": SAMPLE_RATE, "channels": 1},
                "customParameters": dict(start.parameters),
            },
        )

    def media(self, audio: bytes) -> str:
        """``timestamp`` is milliseconds of audio since the stream began."""
        self._chunk += 1
        timestamp_ms = self._samples * 1_000 // SAMPLE_RATE
        self._samples += len(audio)
        payload = base64.b64encode(audio).decode("ascii")
        # Fifty a second for each call: the one message that is worth writing by hand.
        self._sequence_number += 1
        return (
            f'{{"event":"media","sequenceNumber":"{self._sequence_number}","streamSid":"{self._start.stream_sid}",'
            f'"media":{{"track":"inbound","chunk":"{self._chunk}","timestamp":"{timestamp_ms}","payload":"{payload}"}}}}'
        )

    def mark(self, name: str) -> str:
        return self._message("mark", {"name": name})

    def dtmf(self, digit: str) -> str:
        return self._message("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> str:
        return self._message("stop", {"accountSid": ACCOUNT_SID, "callSid": self._start.call_sid})

    def _message(self, event: str, body: Mapping[str, Any]) -> str:
        self._sequence_number += 1
        return json.dumps(
            {
                "event": event,
                "sequenceNumber": str(self._sequence_number),
                "streamSid": self._start.stream_sid,
                event: body,
            }
        )
