"""What the parent asks of the CSV reader process, and what that process answers."""

from struct import Struct
from typing import Any, Final
from uuid import UUID

import msgspec

from ringoff.domain.phone_number import Validation

ERRORS_SHOWN_MAX: Final = 20
SAMPLE_ROWS_MAX: Final = 10
REPORT_BYTES_MAX: Final = 1 << 20
VALUE_CHARS_MAX: Final = 40
COLUMN_CHARS_MAX: Final = 80
COLUMNS_SHOWN_MAX: Final = 200
PROGRESS: Final = Struct("!QQQ")
"""Bytes read, rows read, rows skipped."""


class ReadOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one argument of the reader process."""

    workspace_id: UUID
    campaign_id: UUID
    variables_map: dict[str, str]
    country_code: str
    validation: Validation = "possible"
    remove_invalid_rows: bool = False
    is_preview: bool = False
    """Of each row only the number is written, and a file without a valid row is answered like any other."""
    errors_shown_max: int = ERRORS_SHOWN_MAX
    sample_rows_max: int = SAMPLE_ROWS_MAX
    progress_fd: int | None = None
    """Where the reader writes ``PROGRESS``, over and over at the beginning of a file that it inherits."""


class RowFault(msgspec.Struct, frozen=True):
    """Why one row cannot be called. ``line`` is the line of the file on which the record starts."""

    line: int
    column: str | None
    rule: str
    value: str | None = None

    def sentence(self) -> str:
        where = f"line {self.line}" if self.column is None else f"line {self.line}, column {self.column!r}"
        shown = "" if self.value is None else f" (value {self.value!r})"
        return f"{where}: {self.rule}{shown}"


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing of the file is taken."""

    line: int | None
    column: str | None
    rule: str
    message: str


class ReadReport(msgspec.Struct, frozen=True):
    """Printed once, at the end. With ``ok`` false only ``error`` is set."""

    ok: bool
    total_rows: int = 0
    valid_rows: int = 0
    invalid_rows: int = 0
    duplicate_rows: int = 0
    """Of the invalid ones, those that repeat a number."""
    columns: tuple[str, ...] = ()
    """Only of a preview."""
    sample: tuple[dict[str, Any], ...] = ()
    errors: tuple[RowFault, ...] = ()
    error: Refusal | None = None


class FileRefused(Exception):
    """Ends the reading: nothing of this file may be stored."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refuse_file(rule: str, *, line: int | None = None, column: str | None = None) -> FileRefused:
    """The file as a whole is not a list of contacts that can be read."""
    where = "" if line is None else f" line {line}:"
    return FileRefused(Refusal(line, column, rule, f"Invalid file format.{where} {rule}"))


def shortened(text: str, chars_max: int = VALUE_CHARS_MAX) -> str:
    """The text as it may be shown: printable in any encoding and of bounded length."""
    shown = text if len(text) <= chars_max else text[:chars_max] + "…"
    return shown.encode("utf-8", "replace").decode("utf-8").replace("\0", "\\0")
