"""Tables that are streamed: nothing waits for the end, nothing piles up, no cell is run by a spreadsheet."""

import csv
import io
import random
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.api.tables import as_text, csv_lines, zip_stream

MADE_AT = datetime(2026, 1, 5, 12, 30, 10, tzinfo=UTC)
PART_CHARS, PART_COUNT = 64 * 1024, 100


@pytest.mark.anyio
async def test_a_zip_leaves_piece_by_piece() -> None:
    dice = random.Random(1)
    taken_count = 0

    async def parts() -> AsyncIterator[str]:
        nonlocal taken_count
        for _ in range(PART_COUNT):
            taken_count += 1
            yield "".join(dice.choices("0123456789abcdef", k=PART_CHARS))

    pieces: list[bytes] = []
    ahead_max = 0
    async for piece in zip_stream("calls.csv", MADE_AT, parts()):
        pieces.append(piece)
        ahead_max = max(ahead_max, taken_count - len(pieces))
    assert ahead_max <= 2, "what was read has left before more is read"
    assert max(len(piece) for piece in pieces) < 2 * PART_CHARS
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    [entry] = archive.infolist()
    assert (entry.filename, entry.file_size, entry.date_time) == (
        "calls.csv",
        PART_CHARS * PART_COUNT,
        (2026, 1, 5, 12, 30, 10),
    )


@pytest.mark.anyio
async def test_a_zip_that_breaks_off_does_not_open() -> None:
    async def parts() -> AsyncIterator[str]:
        yield "id\r\n" * 100_000
        raise ConnectionError("the database went away")

    pieces: list[bytes] = []
    with pytest.raises(ConnectionError):
        async for piece in zip_stream("calls.csv", MADE_AT, parts()):
            pieces.append(piece)  # noqa: PERF401 - what came before the break is wanted
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"], ids=repr)
def test_a_cell_that_begins_like_a_formula_is_text(begin: str) -> None:
    assert as_text(f"{begin}1+1") == f"'{begin}1+1"
    assert as_text(f"1{begin}1") == f"1{begin}1"


@pytest.mark.parametrize(
    ("cell", "is_number"), [("+14155550111", True), ("+1-2", False), ("+", False), ("+1\n", False)]
)
def test_a_phone_number_stays_a_phone_number(cell: str, is_number: bool) -> None:
    assert (as_text(cell) == cell) is is_number


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(st.lists(CELLS, min_size=2)))
def test_lines_are_read_as_they_were_written(rows: list[list[str]]) -> None:
    assert list(csv.reader(io.StringIO(csv_lines(rows), newline=""))) == rows
