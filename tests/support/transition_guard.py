"""Triggers for test databases that refuse every change of state that the domain's tables do not know.

The statements decide states in SQL; the tables of ``domain/`` say which moves exist. With these triggers in the
template, every test of the suite checks the one against the other.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from ringoff.domain import call, campaign, dial_attempt

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


def guard_sql() -> str:
    return "\n".join(
        [
            _guard("call", "status", _call_moves()),
            _guard("campaign", "status", _moves(campaign.TRANSITIONS)),
            _guard("dial_attempt", "state", _moves(dial_attempt.TRANSITIONS)),
        ]
    )


def _call_moves() -> set[tuple[str, str]]:
    moves = _moves(call.TRANSITIONS)
    # The permit's commit was lost with the database but its request was not: two moves become one.
    lost_permit = {
        (pending, after)
        for pending in call.TERMINABLE
        for before, after in moves
        if before == call.CallStatus.ONGOING and pending != after
    }
    return moves | lost_permit


def _moves(transitions: Mapping[tuple[State, Event], State]) -> set[tuple[str, str]]:
    return {(before, after) for (before, _event), after in transitions.items()}


def _guard(table: str, column: str, moves: Iterable[tuple[str, str]]) -> str:
    known = ", ".join(f"('{before}', '{after}')" for before, after in sorted(moves))
    # A row version of this very transaction may be taken back: nobody has seen it.
    return f"""
        CREATE FUNCTION guard_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.{column} <> NEW.{column}
               AND (OLD.{column}, NEW.{column}) NOT IN ({known})
               AND OLD.xmin::text::bigint <> pg_current_xact_id()::text::bigint % 4294967296
            THEN
                RAISE EXCEPTION '{table}: no move from % to %', OLD.{column}, NEW.{column};
            END IF;
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER guard_{table} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION guard_{table}();
    """
