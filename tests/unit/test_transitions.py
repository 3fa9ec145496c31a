"""The three state machines: terminal means terminal, everything is reachable, and the diagrams show each row."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import pytest

from ringoff.domain import call, campaign, diagrams, dial_attempt
from ringoff.domain.call import CallEvent, CallStatus
from ringoff.domain.dial_attempt import AttemptState


class Machine(NamedTuple):
    states: type[StrEnum]
    events: type[StrEnum]
    initial: Sequence[StrEnum]
    transitions: Mapping[Any, StrEnum]
    terminal: frozenset[StrEnum]
    advance: Callable[..., StrEnum]
    diagram: Callable[[], str]


MACHINES = [
    Machine(
        call.CallStatus, call.CallEvent, [call.CallStatus.REGISTERED],
        call.TRANSITIONS, frozenset(call.TERMINAL), call.advance, diagrams.call_diagram,
    ),
    Machine(
        campaign.CampaignStatus, campaign.CampaignEvent, campaign.INITIAL,
        campaign.TRANSITIONS, frozenset(campaign.TERMINAL), campaign.advance, diagrams.campaign_diagram,
    ),
    Machine(
        dial_attempt.AttemptState, dial_attempt.AttemptEvent, [dial_attempt.AttemptState.PREPARED],
        dial_attempt.TRANSITIONS, frozenset(dial_attempt.TERMINAL), dial_attempt.advance,
        diagrams.dial_attempt_diagram,
    ),
]  # fmt: skip

every_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.states.__name__)


@every_machine
def test_nothing_leaves_a_terminal_state_and_all_else_can_be_left(machine: Machine) -> None:
    left = {before for before, _ in machine.transitions}
    assert left == set(machine.states) - machine.terminal


@every_machine
def test_every_state_is_reachable_and_every_event_is_used(machine: Machine) -> None:
    reached = set(machine.initial)
    while more := {after for (before, _), after in machine.transitions.items() if before in reached} - reached:
        reached |= more
    assert reached == set(machine.states)
    assert {event for _, event in machine.transitions} == set(machine.events)


@every_machine
def test_advance_knows_the_table_and_nothing_else(machine: Machine) -> None:
    for state in machine.states:
        for event in machine.events:
            if (state, event) in machine.transitions:
                assert machine.advance(state, event) is machine.transitions[(state, event)]
            else:
                with pytest.raises(ValueError, match=event):
                    machine.advance(state, event)


@every_machine
def test_the_diagram_shows_each_row(machine: Machine) -> None:
    drawn = machine.diagram().splitlines()
    assert drawn[0] == "stateDiagram-v2"
    starts = {f"    [*] --> {state}" for state in machine.initial}
    rows = {f"    {before} --> {after}: {event}" for (before, event), after in machine.transitions.items()}
    ends = {f"    {state} --> [*]" for state in machine.terminal}
    assert set(drawn[1:]) == starts | rows | ends


def test_a_termination_ends_what_is_terminable_and_forbids_the_retry_of_what_is_not() -> None:
    for status in call.TERMINABLE:
        assert call.advance(status, CallEvent.TERMINATED) is CallStatus.CANCELLED
    assert call.TERMINABLE.isdisjoint(call.TERMINAL)


def test_what_takes_a_channel() -> None:
    for state in AttemptState:
        assert (state in dial_attempt.LIVE) is (state not in dial_attempt.TERMINAL)
        assert (state in dial_attempt.ON_WIRE) is (state in dial_attempt.LIVE and state is not AttemptState.PREPARED)
