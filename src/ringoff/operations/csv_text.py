"""Tells text from bytes that only look like it: formats that are no CSV, lines without end, NULs, broken UTF-8."""

import io
from collections.abc import Sequence
from typing import BinaryIO, Final, TextIO

from ringoff.operations.csv_report import refuse_file

_CHUNK_BYTES: Final = 1 << 20
_OTHER_FORMATS: Final = (
    (b"PK\x03\x04", "a spreadsheet or zip archive, not CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook, not CSV"),
    (b"\x89PNG", "a PNG image, not CSV"),
    (b"\xff\xd8\xff", "a JPEG image, not CSV"),
    (b"GIF8", "a GIF image, not CSV"),
    (b"%PDF", "a PDF document, not CSV"),
    (b"\x1f\x8b", "a gzip archive, not CSV"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)


def look_over(source: BinaryIO) -> bool:
    """Refuse what is no CSV at all; otherwise whether single rows may hold bytes that are no text.

    One pass over the raw bytes is cheap, spares plain ASCII files a check per row, and bounds the memory that a
    file without line ends could take.
    """
    source.seek(0)
    is_suspicious = False
    is_first = True
    while chunk := source.read(_CHUNK_BYTES):
        if is_first:
            refuse_other_formats(chunk)
            is_first = False
        if len(chunk) == _CHUNK_BYTES and b"\n" not in chunk and b"\r" not in chunk:
            raise refuse_file(f"the file has a line of more than {_CHUNK_BYTES:,} bytes")
        is_suspicious = is_suspicious or not chunk.isascii() or b"\0" in chunk
    source.seek(0)
    return is_suspicious


def open_text(source: BinaryIO) -> TextIO:
    """The file as text; a byte-order mark is dropped and broken bytes stay visible as surrogates."""
    return io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="")


def unreadable_column(row: Sequence[str]) -> int | None:
    """The position of the first field that holds a NUL or is not UTF-8."""
    if _is_text("".join(row)):
        return None
    return next(position for position, field in enumerate(row) if not _is_text(field))


def _is_text(field: str) -> bool:
    if "\0" in field:
        return False
    if field.isascii():
        return True
    try:
        field.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_other_formats(start: bytes) -> None:
    """Judge a file by its first bytes."""
    for magic, name in _OTHER_FORMATS:
        if start.startswith(magic):
            raise refuse_file(f"the file is {name}")
    first_line = start.splitlines()[0] if start else b""
    if b"\0" in first_line:
        raise refuse_file("the first line holds NUL bytes: the file is binary or UTF-16, not CSV in UTF-8", line=1)
