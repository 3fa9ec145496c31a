"""Rows as CSV for a spreadsheet or a terminal: no cell is run as a formula, and none acts on the terminal."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

from ringoff.commands.safe_text import plain

_FORMULA_BEGINS: Final = ("=", "+", "-", "@")
_PLAIN_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")


def csv_line(cells: Iterable[object]) -> str:
    """One line as RFC 4180 has it, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([as_text("" if cell is None else cell) for cell in cells])
    return text.getvalue()


def csv_lines(header: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterable[str]:
    """The header and the rows, as they come."""
    yield csv_line(header)
    for row in rows:
        yield csv_line(row)


def as_text(cell: object) -> str:
    """A spreadsheet runs a cell that begins like a formula; an apostrophe before it says that it is text.

    Numbers, phone numbers among them, are left as they are: they compute nothing.
    """
    shown = plain(cell)
    if _PLAIN_NUMBER.fullmatch(shown):
        return shown
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA_BEGINS) else shown
