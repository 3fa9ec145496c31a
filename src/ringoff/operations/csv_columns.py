"""Which column of an uploaded CSV feeds which variable of the call; every doubt is an error that names the column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.operations.csv_report import COLUMN_CHARS_MAX, refuse_file, shortened

NUMBER_COLUMN: Final = "Mobile Number"
CALLEE_COLUMN: Final = "Name"
NUMBER_VARIABLE: Final = "mobile_number"
CALLEE_VARIABLE: Final = "callee_name"
ALWAYS_THERE: Final = (NUMBER_VARIABLE, CALLEE_VARIABLE)
"""What every call says of whom it calls."""
_COLUMNS_SHOWN_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """The header, understood: ``variables`` and ``positions`` run in parallel and leave out the number."""

    names: tuple[str, ...]
    number_position: int
    variables: tuple[str, ...]
    positions: tuple[int, ...]

    @property
    def number_name(self) -> str:
        return shortened(self.names[self.number_position], COLUMN_CHARS_MAX)


def plan_columns(header: Sequence[str], variables_map: Mapping[str, str], line: int) -> ColumnPlan:
    """Match the header on this line with the variables; names match exactly or, failing that, in any case."""
    names = tuple(name.strip() for name in header)
    _refuse_duplicates(names, line)
    position_of = {
        variable: _mapped_position(names, variable, column, line) for variable, column in variables_map.items()
    }
    number_position = position_of.pop(NUMBER_VARIABLE, None)
    if number_position is None:
        number_position = _find(names, NUMBER_COLUMN, line)
    if number_position is None:
        found = ", ".join(repr(shortened(name)) for name in names[:_COLUMNS_SHOWN_MAX])
        rule = f"the column {NUMBER_COLUMN!r} is missing (found: {found})"
        raise refuse_file(rule, line=line, column=NUMBER_COLUMN)
    if CALLEE_VARIABLE not in position_of:
        callee_position = _find(names, CALLEE_COLUMN, line)
        if callee_position is not None:
            position_of[CALLEE_VARIABLE] = callee_position
    return ColumnPlan(names, number_position, tuple(position_of), tuple(position_of.values()))


def _refuse_duplicates(names: Sequence[str], line: int) -> None:
    seen: set[str] = set()
    for name in names:
        # Spreadsheets leave empty names behind; no variable can mean such a column.
        if name and name in seen:
            shown = shortened(name, COLUMN_CHARS_MAX)
            raise refuse_file(f"the column {shown!r} appears twice in the header", line=line, column=shown)
        seen.add(name)


def _mapped_position(names: Sequence[str], variable: str, column: str, line: int) -> int:
    position = _find(names, column.strip(), line) if column.strip() else None
    if position is None:
        shown = shortened(column, COLUMN_CHARS_MAX)
        rule = f"variables_map: {shortened(variable)!r} names the column {shown!r}, which the file does not have"
        raise refuse_file(rule, line=line, column=shown)
    return position


def _find(names: Sequence[str], wanted: str, line: int) -> int | None:
    if wanted in names:
        return names.index(wanted)
    folded = wanted.casefold()
    matches = [position for position, name in enumerate(names) if name.casefold() == folded]
    if len(matches) > 1:
        rule = f"{wanted!r} matches more than one column: {', '.join(repr(names[position]) for position in matches)}"
        raise refuse_file(rule, line=line, column=shortened(wanted, COLUMN_CHARS_MAX))
    return matches[0] if matches else None
