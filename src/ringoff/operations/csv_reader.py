"""The child process that reads an uploaded CSV: every row it writes as binary COPY is callable, or it says why not.

It runs beside the server instead of inside it, so that parsing a million rows does not delay a termination.
Standard input is the file, standard output takes the COPY bytes, standard error takes one report at the end. The
COPY trailer is written only when the whole file was good, so that the database itself refuses anything less.
"""

import csv
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from struct import Struct
from typing import Any, BinaryIO, Final, TextIO

import msgspec

from ringoff.domain.errors import InvalidInput
from ringoff.domain.phone_number import NumberNormalizer
from ringoff.operations.csv_columns import CALLEE_VARIABLE, NUMBER_VARIABLE, ColumnPlan, plan_columns
from ringoff.operations.csv_report import (
    COLUMN_CHARS_MAX,
    COLUMNS_SHOWN_MAX,
    ERRORS_SHOWN_MAX,
    PROGRESS,
    REPORT_BYTES_MAX,
    FileRefused,
    ReadOptions,
    ReadReport,
    Refusal,
    RowFault,
    refuse_file,
    shortened,
)
from ringoff.operations.csv_seen import SeenNumbers
from ringoff.operations.csv_text import look_over, open_text, unreadable_column

COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"
JSONB_VERSION: Final = b"\x01"
_WRITE_BYTES: Final = 256 * 1024
_NICENESS: Final = 10
_PROGRESS_ROWS: Final = 10_000
_NO_ARGS: Final = b"{}"
_ROW_FIELDS: Final = Struct("!h").pack(6)
_LENGTH: Final = Struct("!i").pack
_LENGTH_AND_INT: Final = Struct("!ii").pack


class Faults:
    """The rows that cannot be called: counted when the upload may lose them, fatal when it may not."""

    def __init__(self, *, are_skipped: bool, shown_max: int = ERRORS_SHOWN_MAX) -> None:
        self._are_skipped = are_skipped
        self._shown_max = shown_max
        self.count = 0
        self.duplicate_count = 0
        self.shown: list[RowFault] = []

    @property
    def wants_more(self) -> bool:
        return len(self.shown) < self._shown_max

    def add(self, line: int, column: str | None, rule: str, value: str | None = None) -> None:
        self.count += 1
        if self._are_skipped and not self.wants_more:
            return
        shown_column = None if column is None else shortened(column, COLUMN_CHARS_MAX)
        fault = RowFault(line, shown_column, rule, None if value is None else shortened(value))
        if not self._are_skipped:
            raise FileRefused(Refusal(line, fault.column, rule, f"Invalid row. {fault.sentence()}"))
        self.shown.append(fault)


def read_upload(source: BinaryIO, options: ReadOptions, sink: BinaryIO) -> ReadReport:
    """Copy the callable rows of ``source`` to ``sink``; the report says whether they may be kept."""
    try:
        return _read(source, options, sink)
    except FileRefused as refused:
        return ReadReport(ok=False, error=refused.refusal)
    except InvalidInput as wrong:
        return ReadReport(ok=False, error=Refusal(None, None, wrong.message, wrong.message))


def _read(source: BinaryIO, options: ReadOptions, sink: BinaryIO) -> ReadReport:
    is_suspicious = look_over(source)
    text = open_text(source)
    faults = Faults(are_skipped=options.remove_invalid_rows, shown_max=options.errors_shown_max)
    rows = records(text, faults)
    header_line, header = next(rows, (0, None))
    if header is None:
        raise refuse_file("the file is empty")
    if unreadable_column(header) is not None:
        raise refuse_file("the header is not UTF-8 text", line=header_line)
    plan = plan_columns(header, options.variables_map, header_line)
    normalizer = NumberNormalizer(options.country_code, options.validation)
    if options.progress_fd is not None:
        rows = _reported(rows, faults, source.fileno(), options.progress_fd)
    sink.write(COPY_HEADER)
    valid_count, sample = _copy_rows(
        rows, plan, normalizer, faults, options=options, sink=sink, is_suspicious=is_suspicious
    )
    if not valid_count and not options.is_preview:
        raise _no_valid_rows(faults)
    sink.write(COPY_TRAILER)
    return ReadReport(
        ok=True,
        total_rows=valid_count + faults.count,
        valid_rows=valid_count,
        invalid_rows=faults.count,
        duplicate_rows=faults.duplicate_count,
        columns=tuple(shortened(name, COLUMN_CHARS_MAX) for name in plan.names[:COLUMNS_SHOWN_MAX])
        if options.is_preview
        else (),
        sample=tuple(sample),
        errors=tuple(faults.shown),
    )


def records(text: TextIO, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the line on which it starts; records that csv cannot read go to faults."""
    reader = csv.reader(text, strict=True)
    line = 1
    while True:
        try:
            for row in reader:
                if any(map(str.strip, row)):  # a line of separators alone is as blank as an empty one
                    yield line, row
                line = reader.line_num + 1
            return
        except csv.Error as error:
            _refuse_record(line, reader.line_num, str(error), faults)
            line = reader.line_num + 1


def _reported(
    rows: Iterator[tuple[int, list[str]]], faults: Faults, source_fd: int, progress_fd: int
) -> Iterator[tuple[int, list[str]]]:
    """The same records; now and then, how far the reading is."""
    for count, row in enumerate(rows, start=1):
        if not count % _PROGRESS_ROWS:
            mark = PROGRESS.pack(os.lseek(source_fd, 0, os.SEEK_CUR), count, faults.count)
            os.pwrite(progress_fd, mark, 0)
        yield row


def _refuse_record(line: int, last_line: int, reason: str, faults: Faults) -> None:
    if "unexpected end of data" in reason:
        raise refuse_file("a quote that opens in this record is never closed", line=line)
    if last_line > line:
        # Several lines were read as one quoted field: to go on here would drop rows that nobody counted.
        rule = f"a quote that opens in this record is not closed properly (seen on line {last_line})"
        raise refuse_file(rule, line=line)
    if "field larger than" in reason:
        faults.add(line, None, f"a field is longer than {csv.field_size_limit():,} characters")
    else:
        faults.add(line, None, "a quoted field is followed by something else than a comma")


def _copy_rows(
    rows: Iterator[tuple[int, list[str]]],
    plan: ColumnPlan,
    normalizer: NumberNormalizer,
    faults: Faults,
    *,
    options: ReadOptions,
    sink: BinaryIO,
    is_suspicious: bool,
) -> tuple[int, list[dict[str, Any]]]:
    """The hot loop: its locals are there because a million rows pass them."""
    width, number_position = len(plan.names), plan.number_position
    variables, positions = plan.variables, plan.positions
    normalize, write = normalizer.normalize, sink.write
    encode = msgspec.json.Encoder().encode
    owner = (options.workspace_id.bytes, options.campaign_id.bytes)
    key_fields = _ROW_FIELDS + b"".join(_LENGTH(16) + identifier for identifier in owner)
    seen = SeenNumbers()
    first_line_of = seen.add
    sample: list[dict[str, Any]] = []
    is_preview, sample_rows_max = options.is_preview, options.sample_rows_max
    for line, row in rows:
        if len(row) != width:
            faults.add(line, None, f"has {len(row)} fields where the header has {width}")
            continue
        if is_suspicious and (bad_position := unreadable_column(row)) is not None:
            rule = "holds a NUL character" if "\0" in row[bad_position] else "is not UTF-8"
            faults.add(line, plan.names[bad_position], rule, row[bad_position])
            continue
        number = normalize(row[number_position])
        if number is None:
            text = row[number_position].strip()
            faults.add(line, plan.number_name, _number_rule(text, options.validation), text)
            continue
        if first_line := first_line_of(int(number), line):
            faults.add(line, plan.number_name, f"repeats the number of line {first_line}", number)
            faults.duplicate_count += 1
            continue
        args = {NUMBER_VARIABLE: number, CALLEE_VARIABLE: ""}
        args.update(zip(variables, [row[position].strip() for position in positions], strict=True))
        if is_preview:
            write(encode_row(key_fields, number, "", _NO_ARGS, line))
        else:
            write(encode_row(key_fields, number, args[CALLEE_VARIABLE], encode(args), line))
        if len(sample) < sample_rows_max:
            sample.append(args)
    return seen.count, sample


def encode_row(key_fields: bytes, number: str, callee_name: str, custom_args: bytes, line: int) -> bytes:
    """One row of COPY contact (workspace_id, campaign_id, called_number, callee_name, custom_args, line_no)."""
    number_bytes, name_bytes = number.encode(), callee_name.encode()
    return b"".join(
        (
            key_fields,
            _LENGTH(len(number_bytes)),
            number_bytes,
            _LENGTH(len(name_bytes)),
            name_bytes,
            _LENGTH(len(custom_args) + 1),
            JSONB_VERSION,
            custom_args,
            _LENGTH_AND_INT(4, line),
        )
    )


def _number_rule(text: str, validation: str) -> str:
    if not text:
        return "is empty"
    if not any(character.isdigit() for character in text):
        return "holds no digits"
    return f"is not a phone number (validation: {validation})"


def _no_valid_rows(faults: Faults) -> FileRefused:
    if not faults.count:
        return refuse_file("the file has a header and no rows")
    first = faults.shown[0]
    rule = f"none of the {faults.count:,} rows is valid"
    return FileRefused(Refusal(first.line, first.column, rule, f"No valid rows: {rule}. First: {first.sentence()}"))


def encode_report(report: ReadReport) -> bytes:
    """The report as JSON within its limit; rows of the sample give way first."""
    encoded = msgspec.json.encode(report)
    while len(encoded) > REPORT_BYTES_MAX and report.sample:
        report = msgspec.structs.replace(report, sample=report.sample[:-1])
        encoded = msgspec.json.encode(report)
    return encoded


def main(arguments: list[str]) -> int:
    # Ctrl-C goes to the whole process group: the parent decides, and its end closes our pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):  # where a sandbox forbids it, it is as nice as its parent
        os.nice(_NICENESS)
    gc.disable()  # Rows make no cycles, and this process ends with its file.
    options = msgspec.json.decode(arguments[0], type=ReadOptions)
    try:
        with open(0, "rb", closefd=False) as source, open(1, "wb", buffering=_WRITE_BYTES) as sink:
            report = read_upload(source, options, sink)
    except BrokenPipeError:
        os._exit(1)  # The parent is gone or wants no more; there is nobody to tell, and nothing to flush.
    with open(2, "wb", closefd=False) as report_sink:
        report_sink.write(encode_report(report))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
