"""What the command line makes of a file of contacts before it is sent: which column is what, and how large it is."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ringoff.commands.ending import MISUSED, Ended

LARGE_FROM_BYTES: Final = 8 * 1024 * 1024
"""From here on a list is verified after the answer, so that the upload is not held up by it."""
_HEADER_BYTES_MAX: Final = 64 * 1024

_NUMBER: Final = "mobile_number"
_CALLEE: Final = "callee_name"
_MEANT: Final = {
    _NUMBER: ("mobile_number", "mobile", "phone_number", "phone", "number", "contact_number", "msisdn"),
    _CALLEE: ("callee_name", "name", "full_name", "customer_name", "contact_name"),
}


def file_of(path: Path) -> Path:
    """``Ended`` unless there is such a file."""
    if not path.is_file():
        raise Ended(f"there is no file {path}", MISUSED)
    return path


def variables_of(path: Path, given: Sequence[str]) -> dict[str, str]:
    """Variable to column: as ``VARIABLE=COLUMN`` says and, where nothing is said, by the names in the header.

    A header that cannot be read here is left to the server, which knows more encodings. ``Ended`` without a ``=``.
    """
    mapped: dict[str, str] = {}
    for pair in given:
        variable, equals, column = pair.partition("=")
        if not (variable and equals and column):
            raise Ended(f"--map {pair!r} must be VARIABLE=COLUMN, as in --map company=Company", MISUSED)
        mapped[variable] = column
    if given:
        return mapped
    by_name: dict[str, str] = {}
    for column in _header(path):
        by_name.setdefault(_snake(column), column)
    by_name.pop("", None)
    for variable, names in _MEANT.items():
        if found := next((by_name.pop(name) for name in names if name in by_name), None):
            mapped[variable] = found
    return mapped | {name: column for name, column in by_name.items() if name not in mapped}


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES_MAX)
    try:
        line = start.decode("utf-8-sig", errors="strict" if len(start) < _HEADER_BYTES_MAX else "ignore").splitlines()
        return [name.strip() for name in next(csv.reader(line[:1]), [])]
    except (UnicodeDecodeError, csv.Error):
        return []


def _snake(column: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", column.strip().casefold()).strip("_")
