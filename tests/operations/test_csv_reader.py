"""Bad input, row by row: an upload is read exactly, or refused with line, column and rule."""

import csv
import io
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringoff.operations.csv_reader import encode_report, read_upload
from ringoff.operations.csv_report import REPORT_BYTES_MAX, ReadOptions, ReadReport
from tests.support.copy_rows import CopiedContact, decode_copy

WORKSPACE = UUID(int=1)
CAMPAIGN = UUID(int=2)
ONE, TWO, THREE = "+919812345601", "+919812345602", "+919812345603"
GOOD_ROW = f"{ONE},Asha,Pune\n".encode()
HEADER = b"Mobile Number,Name,city\n"


def read(
    content: bytes,
    *,
    variables_map: dict[str, str] | None = None,
    remove_invalid_rows: bool = False,
    country_code: str = "+91",
) -> tuple[ReadReport, list[CopiedContact]]:
    sink = io.BytesIO()
    options = ReadOptions(
        WORKSPACE,
        CAMPAIGN,
        variables_map or {},
        country_code,
        remove_invalid_rows=remove_invalid_rows,
    )
    report = read_upload(io.BytesIO(content), options, sink)
    stream = decode_copy(sink.getvalue())
    assert stream.has_trailer == report.ok, "only a file that is taken may end in the trailer"
    assert (report.error is None) == report.ok
    return report, stream.rows


GOOD_FILES = {
    "plain": HEADER + GOOD_ROW,
    "byte-order mark": b"\xef\xbb\xbf" + HEADER + GOOD_ROW,
    "byte-order mark and quoted header": b'\xef\xbb\xbf"Mobile Number","Name","city"\n' + GOOD_ROW,
    "CRLF": (HEADER + GOOD_ROW).replace(b"\n", b"\r\n"),
    "CR only": (HEADER + GOOD_ROW).replace(b"\n", b"\r"),
    "no newline at the end": HEADER + GOOD_ROW.rstrip(),
    "quoted fields": HEADER + f'"{ONE}","Asha","Pune"\n'.encode(),
    "blank lines": b"\n\n" + HEADER + b"\n  \n" + GOOD_ROW + b"\n\n",
    "lines of separators alone": HEADER + b",,\n" + GOOD_ROW + b" , ,\n,,\n",
    "blanks around names and values": b" Mobile Number , Name , city \n" + f" {ONE} , Asha ,  Pune \n".encode(),
    "names in another case": b"MOBILE NUMBER,name,CITY\n" + GOOD_ROW,
    "columns that nobody asked for": b"Mobile Number,Name,city,plan\n" + f"{ONE},Asha,Pune,gold\n".encode(),
    "empty names in the header": b"Mobile Number,Name,city,,\n" + f"{ONE},Asha,Pune,,\n".encode(),
    "columns in another order": b"city,Name,Mobile Number\n" + f"Pune,Asha,{ONE}\n".encode(),
    "spaces and dashes": HEADER + b"+91 98123-45601,Asha,Pune\n",
    "parentheses": HEADER + b"(+91) 98123 45601,Asha,Pune\n",
    "no country code": HEADER + b"9812345601,Asha,Pune\n",
    "national prefix": HEADER + b"09812345601,Asha,Pune\n",
}


@pytest.mark.parametrize("content", GOOD_FILES.values(), ids=GOOD_FILES.keys())
def test_every_usual_way_to_write_a_csv_gives_the_same_contact(content: bytes) -> None:
    report, rows = read(content, variables_map={"town": "city"})
    assert report.ok, report.error
    assert (report.total_rows, report.valid_rows, report.invalid_rows) == (1, 1, 0)
    args = {"mobile_number": ONE, "callee_name": "Asha", "town": "Pune"}
    [row] = rows
    assert (row.workspace_id, row.campaign_id, row.called_number, row.callee_name) == (WORKSPACE, CAMPAIGN, ONE, "Asha")
    assert row.custom_args == args
    assert report.sample == (args,)


REFUSED_FILES: dict[str, tuple[bytes, int | None, str | None, str]] = {
    "empty": (b"", None, None, "the file is empty"),
    "only a byte-order mark": (b"\xef\xbb\xbf", None, None, "the file is empty"),
    "only blank lines": (b"\n\r\n\n", None, None, "the file is empty"),
    "header only": (HEADER, None, None, "header and no rows"),
    "no number column": (b"Name,city\nAsha,Pune\n", 1, "Mobile Number", "is missing (found: 'Name', 'city')"),
    "semicolons": (b"Mobile Number;Name\n+919812345601;A\n", 1, "Mobile Number", "(found: 'Mobile Number;Name')"),
    "duplicate header": (b"Mobile Number,Name,Name\n" + GOOD_ROW, 1, "Name", "appears twice"),
    "ambiguous case": (b"Mobile Number,NAME,name\n" + GOOD_ROW, 1, "Name", "more than one column"),
    "header not UTF-8": (b"Mobile Number,N\xffme,city\n" + GOOD_ROW, 1, None, "not UTF-8"),
    "UTF-16 with mark": ((HEADER + GOOD_ROW).decode().encode("utf-16"), None, None, "UTF-16"),
    "UTF-16 without mark": ((HEADER + GOOD_ROW).decode().encode("utf-16-le"), 1, None, "NUL"),
    "spreadsheet": (b"PK\x03\x04" + bytes(100), None, None, "spreadsheet"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), None, None, "PNG"),
    "PDF": (b"%PDF-1.7\n" + GOOD_ROW, None, None, "PDF"),
    "binary": (b"\x7fELF\x02\x01\x01\0\0\0\0" + bytes(100), 1, None, "binary"),
    "quote never closed": (HEADER + GOOD_ROW + b'"+919812345602,Asha,Pune\n', 3, None, "never closed"),
    "quote closed lines later": (
        HEADER + b'"a,b\n' + GOOD_ROW + b'x"y,b\n',
        2,
        None,
        "not closed properly (seen on line 4)",
    ),
    "quote open beyond the field limit": (HEADER + b'"' + b"a,b\n" * 40_000, 2, None, "not closed properly"),
    "a line without end": (HEADER + b"," * (3 << 20), None, None, "line of more than"),
}


@pytest.mark.parametrize("skip", [False, True], ids=["strict", "remove_invalid_rows"])
@pytest.mark.parametrize(("content", "line", "column", "rule"), REFUSED_FILES.values(), ids=REFUSED_FILES.keys())
def test_a_file_that_is_no_contact_list_is_refused_whole(
    content: bytes, line: int | None, column: str | None, rule: str, skip: bool
) -> None:
    report, _ = read(content, remove_invalid_rows=skip)
    assert report.error is not None
    assert (report.error.line, report.error.column) == (line, column)
    assert rule in report.error.rule
    assert report.error.message.startswith("Invalid file format.")
    assert report.error.rule in report.error.message


BAD_ROWS: dict[str, tuple[bytes, int, str | None, str, str | None]] = {
    "too short": (b"+919812345602,Asha\n", 3, None, "has 2 fields where the header has 3", None),
    "too long": (b"+919812345602,Asha,Pune,x\n", 3, None, "has 4 fields where the header has 3", None),
    "empty number": (b",Asha,Pune\n", 3, "Mobile Number", "is empty", ""),
    "blank number": (b'"  ",Asha,Pune\n', 3, "Mobile Number", "is empty", ""),
    "words": (b"n/a,Asha,Pune\n", 3, "Mobile Number", "holds no digits", "n/a"),
    "digits and letters": (b"+91981234560x,Asha,Pune\n", 3, "Mobile Number", "is not a phone number", "+91981234560x"),
    "too few digits": (b"+9198,Asha,Pune\n", 3, "Mobile Number", "is not a phone number", "+9198"),
    "scientific notation": (b"9.19812E+11,Asha,Pune\n", 3, "Mobile Number", "is not a phone number", "9.19812E+11"),
    "duplicate": (GOOD_ROW, 3, "Mobile Number", "repeats the number of line 2", ONE),
    "duplicate spelled otherwise": (b"98123 45601,B,C\n", 3, "Mobile Number", "repeats the number of line 2", ONE),
    "not UTF-8": (b"+919812345602,As\xffha,Pune\n", 3, "Name", "is not UTF-8", "As?ha"),
    "NUL": (b"+919812345602,As\0ha,Pune\n", 3, "Name", "holds a NUL character", "As\\0ha"),
    "malformed quoting": (b'+919812345602,"As"ha,Pune\n', 3, None, "followed by something else than a comma", None),
    "field too long": (b"+919812345602," + b"x" * 131_073 + b",Pune\n", 3, None, "longer than 131,072", None),
    "long value": (b"9" * 100 + b",Asha,Pune\n", 3, "Mobile Number", "is not a phone number", "9" * 40 + "…"),
}


@pytest.mark.parametrize(("bad", "line", "column", "rule", "value"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
class TestABadRow:
    def test_refuses_the_upload(self, bad: bytes, line: int, column: str | None, rule: str, value: str | None) -> None:
        report, _ = read(HEADER + GOOD_ROW + bad + f"{THREE},C,D\n".encode())
        assert report.error is not None
        assert (report.error.line, report.error.column) == (line, column)
        assert rule in report.error.rule
        assert report.error.message.startswith(f"Invalid row. line {line}")

    def test_is_skipped_and_counted_on_request(
        self, bad: bytes, line: int, column: str | None, rule: str, value: str | None
    ) -> None:
        report, rows = read(HEADER + GOOD_ROW + bad + f"{THREE},C,D\n".encode(), remove_invalid_rows=True)
        assert report.ok, report.error
        assert (report.total_rows, report.valid_rows, report.invalid_rows) == (3, 2, 1)
        assert [(row.called_number, row.line_no) for row in rows] == [(ONE, 2), (THREE, 4)]
        [fault] = report.errors
        assert (fault.line, fault.column, fault.value) == (line, column, value)
        assert rule in fault.rule

    def test_alone_leaves_nothing_to_call(
        self, bad: bytes, line: int, column: str | None, rule: str, value: str | None
    ) -> None:
        if rule.startswith("repeats"):
            return  # A duplicate alone is the first of its number.
        report, rows = read(HEADER + bad, remove_invalid_rows=True)
        assert report.error is not None
        assert not rows
        assert report.error.rule == "none of the 1 rows is valid"
        assert report.error.line == 2
        assert rule in report.error.message


def test_lines_are_counted_as_an_editor_shows_them() -> None:
    content = HEADER + f'{ONE},"As\nha","Pu\r\nne"\n\n\nx,B,C\n{TWO},B,"C\n"\n{THREE},D,E\n'.encode()
    report, rows = read(content, remove_invalid_rows=True)
    assert [(row.called_number, row.line_no) for row in rows] == [(ONE, 2), (TWO, 8), (THREE, 10)]
    assert [fault.line for fault in report.errors] == [7]
    assert rows[0].callee_name == "As\nha"


def test_only_the_first_faults_are_shown_and_all_are_counted() -> None:
    content = HEADER + GOOD_ROW + b"x,y,z\n" * 50 + GOOD_ROW * 50
    report, _ = read(content, remove_invalid_rows=True)
    assert (report.total_rows, report.invalid_rows, len(report.errors)) == (101, 100, 20)
    assert [fault.line for fault in report.errors] == list(range(3, 23))


def test_a_variable_of_a_column_that_does_not_exist_is_named() -> None:
    for variable in ("city", "mobile_number", "callee_name"):
        report, _ = read(HEADER + GOOD_ROW, variables_map={variable: "Town"}, remove_invalid_rows=True)
        assert report.error is not None
        assert report.error.column == "Town"
        assert f"{variable!r} names the column 'Town'" in report.error.message


def test_the_map_may_rename_the_number_and_the_name() -> None:
    content = f"phone,who,Name\n{ONE},Asha,not me\n".encode()
    report, rows = read(content, variables_map={"mobile_number": "phone", "callee_name": "who", "again": "phone"})
    assert report.ok, report.error
    assert rows[0].callee_name == "Asha"
    assert rows[0].custom_args == {"mobile_number": ONE, "callee_name": "Asha", "again": ONE}


def test_without_a_name_column_the_name_is_empty() -> None:
    _, rows = read(f"Mobile Number\n{ONE}\n".encode())
    assert rows[0].custom_args == {"mobile_number": ONE, "callee_name": ""}


def test_the_form_country_code_applies_to_national_numbers() -> None:
    _, rows = read(b"Mobile Number\n(212) 555-0123\n", country_code="+1")
    assert [row.called_number for row in rows] == ["+12125550123"]


def test_an_unknown_country_code_refuses_the_upload() -> None:
    report, rows = read(HEADER + GOOD_ROW, country_code="+999")
    assert report.error is not None
    assert "country_code" in report.error.message
    assert not rows


def test_the_report_stays_within_its_limit() -> None:
    wide = "x" * 120_000
    content = HEADER + b"".join(f"+9198123456{n:02},{wide},{wide}\n".encode() for n in range(10))
    report, rows = read(content, variables_map={"a": "city"})
    assert len(rows) == len(report.sample) == 10
    encoded = encode_report(report)
    assert 0 < len(encoded) <= REPORT_BYTES_MAX


class AllQuoted(csv.excel):
    quoting = csv.QUOTE_ALL


csv.register_dialect("all quoted", AllQuoted)
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=80, deadline=None)
@given(cells=st.lists(st.tuples(_TEXT, _TEXT), min_size=1, max_size=8), line_end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_a_csv_writer_wrote_is_read_back(cells: list[tuple[str, str]], line_end: str) -> None:
    text = io.StringIO(newline="")
    # Left to itself the writer quotes only its own line end, and a bare CR inside a field would end the record.
    has_line_ends = any(mark in cell for row in cells for cell in row for mark in "\r\n")
    dialect = "all quoted" if has_line_ends else "excel"
    writer = csv.writer(text, dialect, lineterminator=line_end)
    writer.writerow(["note", "Mobile Number", "Name"])
    numbers = [f"+9198123456{position:02}" for position in range(len(cells))]
    for number, (name, note) in zip(numbers, cells, strict=True):
        writer.writerow([note, number, name])
    report, rows = read(text.getvalue().encode(), variables_map={"note": "note"})
    assert report.ok, report.error
    assert [row.custom_args for row in rows] == [
        {"mobile_number": number, "callee_name": name.strip(), "note": note.strip()}
        for number, (name, note) in zip(numbers, cells, strict=True)
    ]
    assert [row.callee_name for row in rows] == [name.strip() for name, _ in cells]


@settings(max_examples=80, deadline=None)
@given(content=st.binary(max_size=200))
def test_no_bytes_whatever_break_the_reader(content: bytes) -> None:
    for prefix in (b"", HEADER, HEADER + GOOD_ROW):
        report, rows = read(prefix + content, remove_invalid_rows=True)
        assert not report.ok or len(rows) == report.valid_rows > 0


@pytest.mark.parametrize("refusal", ["PermissionError", "OSError"])
def test_a_reader_that_may_not_be_nicer_reads_all_the_same(refusal: str, tmp_path: Path) -> None:
    """As under a filter of system calls: systemd's ``@resources``, seccomp of a container."""
    program = f"""
import os, sys

def refused(by):
    raise {refusal}(1, "Operation not permitted")

os.nice = refused
from ringoff.operations.csv_reader import main
sys.exit(main(sys.argv[1:]))
"""
    options = ReadOptions(
        workspace_id=WORKSPACE, campaign_id=CAMPAIGN, variables_map={}, country_code="US", remove_invalid_rows=False
    )
    path = tmp_path / "list.csv"
    path.write_bytes(b"Mobile Number\n+14155550101\n")
    with path.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", program, msgspec.json.encode(options).decode()],
            stdin=file,
            capture_output=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stderr)["valid_rows"] == 1
