"""The states of a dial attempt, one originate, and the only moves between them.

An attempt that is given back before its request could leave never happened: its row goes, no state is kept for it.
"""

from enum import StrEnum
from typing import Final


class AttemptState(StrEnum):
    PREPARED = "prepared"
    """Claimed: not permitted yet, and the call is still pending to the world."""
    ORIGINATED = "originated"
    """Permitted: the request to ring is about to leave, or has left."""
    RINGING = "ringing"
    ANSWERED = "answered"
    RELEASED = "released"
    INDETERMINATE = "indeterminate"
    """Its process died or the carrier never said: it is not known what became of it."""


class AttemptEvent(StrEnum):
    PERMITTED = "permitted"
    RANG = "rang"
    ANSWERED = "answered"
    RELEASED = "released"
    LOST = "lost"


ON_WIRE: Final = frozenset({AttemptState.ORIGINATED, AttemptState.RINGING, AttemptState.ANSWERED})
LIVE: Final = ON_WIRE | {AttemptState.PREPARED}
"""What takes a channel of the trunk."""
TERMINAL: Final = frozenset({AttemptState.RELEASED, AttemptState.INDETERMINATE})

TRANSITIONS: Final[dict[tuple[AttemptState, AttemptEvent], AttemptState]] = {
    (AttemptState.PREPARED, AttemptEvent.PERMITTED): AttemptState.ORIGINATED,
    (AttemptState.ORIGINATED, AttemptEvent.RANG): AttemptState.RINGING,
    # Not every carrier reports the ringing.
    (AttemptState.ORIGINATED, AttemptEvent.ANSWERED): AttemptState.ANSWERED,
    (AttemptState.RINGING, AttemptEvent.ANSWERED): AttemptState.ANSWERED,
    (AttemptState.ORIGINATED, AttemptEvent.RELEASED): AttemptState.RELEASED,
    (AttemptState.RINGING, AttemptEvent.RELEASED): AttemptState.RELEASED,
    (AttemptState.ANSWERED, AttemptEvent.RELEASED): AttemptState.RELEASED,
    # The permit's commit was lost with the database; its request was not, and the process knows.
    (AttemptState.PREPARED, AttemptEvent.RELEASED): AttemptState.RELEASED,
    (AttemptState.PREPARED, AttemptEvent.LOST): AttemptState.INDETERMINATE,
    (AttemptState.ORIGINATED, AttemptEvent.LOST): AttemptState.INDETERMINATE,
    (AttemptState.RINGING, AttemptEvent.LOST): AttemptState.INDETERMINATE,
    (AttemptState.ANSWERED, AttemptEvent.LOST): AttemptState.INDETERMINATE,
}


def advance(state: AttemptState, event: AttemptEvent) -> AttemptState:
    """Return the next state; raise ``ValueError`` for a move that does not exist."""
    try:
        return TRANSITIONS[(state, event)]
    except KeyError:
        raise ValueError(f"a dial attempt in state {state} does not take {event}") from None
