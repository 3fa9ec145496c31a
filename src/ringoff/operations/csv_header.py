"""The header of a CSV by itself: which columns a file has, and which of them most likely feed which variable."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Final

from ringoff.domain.errors import InvalidInput
from ringoff.operations.csv_columns import CALLEE_VARIABLE, NUMBER_VARIABLE
from ringoff.operations.csv_reader import Faults, records
from ringoff.operations.csv_report import FileRefused, refuse_file
from ringoff.operations.csv_text import open_text, refuse_other_formats, unreadable_column

START_BYTES: Final = 256 * 1024
"""As much of a file as its header is looked for in."""
COLUMNS_MAX: Final = 500
_LIKELY: Final[Mapping[str, Sequence[str]]] = {
    NUMBER_VARIABLE: (
        "mobilenumber",
        "mobile",
        "phonenumber",
        "phone",
        "mobilephone",
        "telephone",
        "msisdn",
        "cell",
        "contactnumber",
        "number",
        "to",
    ),
    CALLEE_VARIABLE: ("calleename", "name", "fullname", "customername", "contactname", "firstname"),
}
"""Spellings of headers, without case, blanks and signs; the first that a file has is taken."""


def header_of(start: bytes) -> Sequence[str]:
    """The names of the columns, from the beginning of the file; ``InvalidInput`` as for the upload of the file."""
    try:
        refuse_other_formats(start)
        line, header = next(records(open_text(io.BytesIO(start)), Faults(are_skipped=True)), (0, None))
        if header is None:
            raise refuse_file("the file is empty")
        if unreadable_column(header) is not None:
            raise refuse_file("the header is not UTF-8 text", line=line)
        if len(header) > COLUMNS_MAX:
            raise refuse_file(f"the header has {len(header)} columns, more than {COLUMNS_MAX}", line=line)
    except FileRefused as refused:
        raise InvalidInput(refused.refusal.message, field="file", position=refused.refusal.line) from None
    return [name.strip() for name in header]


def guessed_columns(header: Sequence[str], variables: Sequence[str]) -> dict[str, str]:
    """A column for the number, the name and each of the agent's variables, as far as the names say so."""
    by_spelling: dict[str, str] = {}
    for name in header:
        by_spelling.setdefault(_bare(name), name)
    guessed: dict[str, str] = {}
    for variable in dict.fromkeys((NUMBER_VARIABLE, CALLEE_VARIABLE, *variables)):
        found = [by_spelling[bare] for bare in _LIKELY.get(variable, (_bare(variable),)) if bare in by_spelling]
        if found and found[0]:
            guessed[variable] = found[0]
    return guessed


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
