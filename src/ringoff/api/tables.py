"""Tables that are streamed: CSV that no spreadsheet runs, and a ZIP that never has more than a page in memory."""

import csv
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Final

_FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_PLAIN_NUMBER: Final = re.compile(r"\+[0-9]{1,20}")
_ZIP_YEAR_MIN: Final = 1980


def csv_lines(rows: Iterable[Sequence[str]]) -> str:
    """Lines as RFC 4180 has them."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def as_text(cell: str) -> str:
    """A spreadsheet runs a cell that begins like a formula; an apostrophe before it says that it is text.

    A plain phone number is left as it is: it computes nothing, and programs that read the file want the number.
    """
    if _PLAIN_NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}" if cell.startswith(_FORMULA_BEGINS) else cell


async def zip_stream(file_name: str, made_at: datetime, parts: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """The bytes of a ZIP with one file, piece by piece as its text comes in.

    The directory at its end comes last: a stream that broke off is a file that no program opens.
    """
    sink = _Sink()
    entry = zipfile.ZipInfo(file_name, (max(made_at.year, _ZIP_YEAR_MIN), *made_at.timetuple()[1:6]))
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(sink, "w") as archive:
        with archive.open(entry, "w", force_zip64=True) as file:
            async for part in parts:
                file.write(part.encode())
                if taken := sink.take():
                    yield taken
        yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """What was written since it was last taken. Without a position: the ZIP then needs to go back nowhere."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        self._written += chunk
        return len(chunk)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken
