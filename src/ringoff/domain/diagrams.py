"""The state machines drawn from their own tables, as Mermaid text for the documentation."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from ringoff.domain import call, campaign, dial_attempt

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


def call_diagram() -> str:
    return _diagram([call.CallStatus.REGISTERED], call.TRANSITIONS, call.TERMINAL)


def campaign_diagram() -> str:
    return _diagram(campaign.INITIAL, campaign.TRANSITIONS, campaign.TERMINAL)


def dial_attempt_diagram() -> str:
    return _diagram([dial_attempt.AttemptState.PREPARED], dial_attempt.TRANSITIONS, dial_attempt.TERMINAL)


def _diagram(
    initial: Sequence[State], transitions: Mapping[tuple[State, Event], State], terminal: Collection[State]
) -> str:
    lines = ["stateDiagram-v2", *(f"    [*] --> {state}" for state in initial)]
    lines += [f"    {before} --> {after}: {event}" for (before, event), after in transitions.items()]
    lines += [f"    {state} --> [*]" for state in type(initial[0]) if state in terminal]
    return "\n".join(lines) + "\n"
