"""What an event says to a subscriber: the documented flat JSON, key for key (facts of the public webhook reference)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VERSION = "1.0"
NOT_ENABLED = "not_enabled"


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is looked up when an event is delivered: names, numbers and variables, which do not change."""

    call_id: str
    agent_id: str
    workspace_id: str
    agent_name: str
    to_number: str
    from_number: str | None
    custom_args: Mapping[str, str]
    bulk_list_id: str | None
    """None for an individual call."""
    called_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """One attempt that is over: its documented word and when it was dialled."""

    status: str
    called_at: datetime


def call_completed(
    event_id: str, written: Mapping[str, Any], call: CallFacts, attempts: tuple[AttemptFacts, ...] = ()
) -> dict[str, Any]:
    """One per attempt end, and one for a call that ended without one. ``written`` is the event's own payload.

    What Ringoff does not know (transcript, cost, recording) is null or empty, as for a call that was not connected.
    """
    talk_ms = written.get("talk_ms")
    was_answered = written.get("disposition") == "answered"
    return {
        "event_type": "call_completed",
        "event_id": event_id,
        "call_duration": round(talk_ms / 1_000) if was_answered and talk_ms is not None else None,
        "agent_message_count": 0,
        "user_message_count": 0,
        **_shared(written, call),
        "called_on": _z(call.called_at),
        "created_at": _z(call.created_at),
        "transcript": [],
        "retry_count": max(len(attempts) - 1, 0),
        "attempts": [{"status": each.status, "called_on_time": _z(each.called_at)} for each in attempts],
        "recording_url": None,
    }


def all_processing_completed(
    event_id: str, written: Mapping[str, Any], call: CallFacts, attempts: tuple[AttemptFacts, ...] = ()
) -> dict[str, Any]:
    """One per call that is over for good. Nothing here analyses, which is a status of the documented ones."""
    return {
        **call_completed(event_id, written, call, attempts),
        "event_type": "all_processing_completed",
        "entity_type": "call",
        "platform_analysis": None,
        "platform_analysis_status": NOT_ENABLED,
        "client_analysis": None,
        "client_analysis_status": NOT_ENABLED,
    }


def call_details(
    written: Mapping[str, Any], call: CallFacts, attempts: tuple[AttemptFacts, ...] = ()
) -> dict[str, Any]:
    """What the callback of a request says of a try that is over, as the guide to it had it until August 2025."""
    completed = call_completed("", written, call, attempts)
    return {
        "status": "success",
        "data": {
            "call_id": call.call_id,
            "call_direction": "outbound",
            "status": completed["status"],
            "call_duration": completed["call_duration"],
            "recording_url": None,
            "transcript": "",
            "agent_id": call.agent_id,
            "retry": completed["retry_count"],
            "from_number": call.from_number,
            "to_number": call.to_number,
            "custom_args_values": completed["custom_args_values"],
        },
        "message": "Call Details",
    }


def call_started(event_id: str, written: Mapping[str, Any], call: CallFacts, at: datetime) -> dict[str, Any]:
    """Once, for a call that is registered; the times are null, as documented."""
    return {
        "event_type": "call_started",
        "event_id": event_id,
        "version": VERSION,
        "timestamp": _z(at),
        **_shared(written, call),
        "calling_source": "campaign" if call.bulk_list_id is not None else "api",
        "called_on": None,
        "created_at": None,
    }


def _shared(written: Mapping[str, Any], call: CallFacts) -> dict[str, Any]:
    return {
        "call_id": call.call_id,
        "call_sid": written.get("attempt_id"),
        "agent_id": call.agent_id,
        "workspace_id": call.workspace_id,
        "status": written["status"],
        "sub_status": _word_of_event(written["status"], written["sub_status"]),
        "call_type": "outbound",
        "custom_args_values": dict(call.custom_args),
        "to_number": call.to_number,
        "from_number": call.from_number,
        "bulk_list_id": call.bulk_list_id,
        "agent_name": call.agent_name,
        "version_id": None,
        "version_slug": None,
        "version_description": None,
        "call_cost": None,
        "overall_latency_seconds": None,
        "first_utterance_seconds": None,
        "tool_call_logs": [],
    }


def _word_of_event(status: str, sub_status: str) -> str:
    """Events have words of their own where the history says ``RETRY_SCHEDULED``, or why a call failed."""
    match status:
        case "retry":
            return "QUEUED"
        case "failed" | "error":
            return sub_status.lower()
        case _:
            return sub_status


def _z(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
