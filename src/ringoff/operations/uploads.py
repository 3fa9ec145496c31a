"""The server's side of an upload: starts the CSV reader beside it, hands out its rows, and believes only its report."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, Self

import msgspec

from ringoff.domain.errors import InvalidInput
from ringoff.operations.csv_report import REPORT_BYTES_MAX, ReadOptions, ReadReport, Refusal, RowFault

_CHUNK_BYTES: Final = 256 * 1024
_OPTIONS_BYTES_MAX: Final = 100_000
"""Linux takes at most 128 KiB in one argument of a command line."""
_TRACE_CHARS_MAX: Final = 500


class UploadRefused(InvalidInput):
    """The file breaks a rule; nothing of it may be stored. ``line`` counts from 1 and includes the header."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message, field="file", position=refusal.line)
        self.line = refusal.line
        self.column = refusal.column
        self.rule = refusal.rule


class UploadedFile(Protocol):
    """A real file: the reader process inherits its descriptor."""

    def fileno(self) -> int: ...
    def flush(self) -> None: ...


@dataclass(frozen=True, slots=True)
class UploadReport:
    """What a good upload held. ``invalid_rows`` counts the rows that were skipped, duplicates included."""

    total_rows: int
    valid_rows: int
    invalid_rows: int
    sample: tuple[Mapping[str, Any], ...]
    errors: tuple[RowFault, ...]
    duplicate_rows: int = 0
    columns: tuple[str, ...] = ()
    """Only of a preview."""


class CsvUpload:
    """One run of the reader process: enter, take all of ``rows``, then read ``report``.

    ``progress`` is an empty file in which the reader notes how far it is. Leaving the context ends the process whatever
    it was doing. The rows may be kept only if ``rows`` came to its
    end without an exception.
    """

    def __init__(self, file: UploadedFile, options: ReadOptions, progress: UploadedFile | None = None) -> None:
        self._file = file
        self._progress = progress
        if progress is not None:
            options = msgspec.structs.replace(options, progress_fd=progress.fileno())
        self._options = msgspec.json.encode(options).decode()
        if len(self._options.encode()) > _OPTIONS_BYTES_MAX:
            raise InvalidInput("variables_map is too large", field="variables_map")
        self._process: asyncio.subprocess.Process | None = None
        self._report: UploadReport | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """The reader's command line; it reads the file from its standard input."""
        return (sys.executable, "-P", "-m", "ringoff.operations.csv_reader", self._options)

    @property
    def report(self) -> UploadReport:
        if self._report is None:
            raise RuntimeError("an upload has a report only after its rows were read to the end")
        return self._report

    async def __aenter__(self) -> Self:
        self._file.flush()
        self._process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=self._file.fileno(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_CHUNK_BYTES,
            pass_fds=() if self._progress is None else (self._progress.fileno(),),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):  # It may end between the look and the signal.
                process.kill()
        # Reaps it, and empties the pipes: a wait with unread output could last for ever.
        await process.communicate()

    async def rows(self) -> AsyncIterator[bytes]:
        """PostgreSQL binary COPY bytes of the contact table; raises ``UploadRefused`` for a file that breaks a rule."""
        process = self._process
        if process is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("the rows of an upload can be read only inside its context")
        while chunk := await process.stdout.read(_CHUNK_BYTES):
            yield chunk
        answer = await _read_at_most(process.stderr, REPORT_BYTES_MAX)
        exit_code = await process.wait()
        self._report = _understand(answer, exit_code)


async def _read_at_most(stream: asyncio.StreamReader, bytes_max: int) -> bytes:
    parts = bytearray()
    while chunk := await stream.read(_CHUNK_BYTES):
        parts += chunk
        if len(parts) > bytes_max:
            raise RuntimeError(f"the CSV reader reported more than {bytes_max:,} bytes")
    return bytes(parts)


def _understand(answer: bytes, exit_code: int) -> UploadReport:
    try:
        report = msgspec.json.decode(answer, type=ReadReport)
    except (msgspec.DecodeError, UnicodeDecodeError):
        tail = answer.decode("utf-8", "replace")[-_TRACE_CHARS_MAX:]
        raise RuntimeError(f"the CSV reader ended with {exit_code} and without a report: {tail}") from None
    if report.error is not None:
        raise UploadRefused(report.error)
    if not report.ok or exit_code != 0:
        raise RuntimeError(f"the CSV reader ended with {exit_code} and contradicts itself")
    return UploadReport(
        report.total_rows,
        report.valid_rows,
        report.invalid_rows,
        report.sample,
        report.errors,
        report.duplicate_rows,
        report.columns,
    )
