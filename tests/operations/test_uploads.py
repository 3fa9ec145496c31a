"""The reader process for real: its bytes, its report, its refusals, its end."""

import asyncio
import os
from pathlib import Path
from uuid import UUID

import pytest

from ringoff.domain.errors import InvalidInput
from ringoff.operations.csv_report import PROGRESS, ReadOptions
from ringoff.operations.uploads import CsvUpload, UploadRefused
from tests.support.copy_rows import CopyStream, decode_copy

pytestmark = pytest.mark.anyio
OPTIONS = ReadOptions(UUID(int=1), UUID(int=2), {"town": "city"}, "+91", remove_invalid_rows=True)
HEADER = b"Mobile Number,Name,city\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def write_rows(path: Path, count: int) -> Path:
    path.write_bytes(HEADER + b"".join(f"+9198{number:08},Asha {number},Pune\n".encode() for number in range(count)))
    return path


async def read_all(upload: CsvUpload) -> CopyStream:
    return decode_copy(b"".join([chunk async for chunk in upload.rows()]))


async def test_rows_and_report_come_from_the_process(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "good.csv", 20_000)
    with path.open("ab") as more:
        more.write(b"nobody,Asha,Pune\n+919800000000,again,Pune\n")
    with path.open("rb") as file:
        file.read()  # Where the file was left must not matter.
        async with CsvUpload(file, OPTIONS) as upload:
            stream = await read_all(upload)
            report = upload.report
    assert stream.has_trailer
    assert len(stream.rows) == report.valid_rows == 20_000
    assert (report.total_rows, report.invalid_rows) == (20_002, 2)
    assert [fault.rule for fault in report.errors] == ["holds no digits", "repeats the number of line 2"]
    assert report.sample[0] == {"mobile_number": "+919800000000", "callee_name": "Asha 0", "town": "Pune"}


async def test_a_refusal_names_line_column_and_rule(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "bad.csv", 20_000)
    with path.open("ab") as more:
        more.write(b"nobody,Asha,Pune\n")
    strict = ReadOptions(UUID(int=1), UUID(int=2), {}, "+91")
    stream = bytearray()

    async def collect(upload: CsvUpload) -> None:
        async for chunk in upload.rows():
            stream.extend(chunk)

    with path.open("rb") as file:
        async with CsvUpload(file, strict) as upload:
            with pytest.raises(UploadRefused) as refused:
                await collect(upload)
            with pytest.raises(RuntimeError):
                _ = upload.report
    error = refused.value
    assert (error.line, error.column, error.rule) == (20_002, "Mobile Number", "holds no digits")
    assert (error.field, error.position) == ("file", 20_002)
    assert "line 20002, column 'Mobile Number': holds no digits (value 'nobody')" in error.message
    assert not decode_copy(bytes(stream)).has_trailer


async def test_leaving_early_ends_the_process(tmp_path: Path) -> None:
    with write_rows(tmp_path / "long.csv", 50_000).open("rb") as file:
        async with CsvUpload(file, OPTIONS) as upload:
            assert upload._process is not None
            pid = upload._process.pid
            assert await anext(upload.rows())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_that_dies_is_no_good_upload(tmp_path: Path) -> None:
    with write_rows(tmp_path / "long.csv", 50_000).open("rb") as file:
        async with CsvUpload(file, OPTIONS) as upload:
            rows = upload.rows()
            await anext(rows)
            assert upload._process is not None
            upload._process.kill()
            with pytest.raises(RuntimeError, match="without a report"):
                async for _ in rows:
                    pass


async def test_a_reader_whose_parent_is_gone_ends_quietly(tmp_path: Path) -> None:
    upload_path = write_rows(tmp_path / "long.csv", 50_000)
    with upload_path.open("rb") as file:
        upload = CsvUpload(file, OPTIONS)
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = await asyncio.create_subprocess_exec(
            *upload.command, stdin=file.fileno(), stdout=write_end, stderr=asyncio.subprocess.PIPE
        )
        os.close(write_end)
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors == b""


async def test_a_map_that_fits_no_command_line_is_refused(tmp_path: Path) -> None:
    options = ReadOptions(UUID(int=1), UUID(int=2), {"x" * 100_000: "city"}, "+91")
    with write_rows(tmp_path / "good.csv", 1).open("rb") as file, pytest.raises(InvalidInput, match="variables_map"):
        CsvUpload(file, options)


async def test_the_reader_notes_how_far_it_is(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "long.csv", 25_000)
    with path.open("rb") as file, (tmp_path / "marks").open("w+b") as marks:
        async with CsvUpload(file, OPTIONS, marks) as upload:
            await read_all(upload)
            assert upload.report.total_rows == 25_000
        bytes_read, rows_read, invalid_count = PROGRESS.unpack(os.pread(marks.fileno(), PROGRESS.size, 0))
    assert (rows_read, invalid_count) == (20_000, 0)
    assert 0 < bytes_read <= path.stat().st_size
