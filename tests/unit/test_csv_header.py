"""Columns by their names alone: which a file has, and which most likely feeds which variable."""

import pytest

from ringoff.domain.errors import InvalidInput
from ringoff.operations.csv_header import COLUMNS_MAX, guessed_columns, header_of


@pytest.mark.parametrize(
    ("start", "names"),
    [
        (b"Mobile Number,Name\n+14155550101,Ada\n", ["Mobile Number", "Name"]),
        (b"\xef\xbb\xbf Phone ,Name", ["Phone", "Name"]),
        (b'\n\n"a,b","c"\r\n1,2', ["a,b", "c"]),
    ],
)
def test_the_header_is_the_first_record_that_is_not_blank(start: bytes, names: list[str]) -> None:
    assert header_of(start) == names


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", "the file is empty"),
        (b"%PDF-1.4", "a PDF document, not CSV"),
        (b"Phone,\xff\n1,2\n", "the header is not UTF-8 text"),
        (b'"Phone\n', "never closed"),
        (b"a," * COLUMNS_MAX + b"a\n", f"more than {COLUMNS_MAX}"),
    ],
)
def test_what_has_no_header_is_refused_in_the_words_of_the_upload(start: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        header_of(start)
    assert caught.value.field == "file"


@pytest.mark.parametrize(
    ("header", "variables", "guessed"),
    [
        (["Mobile Number", "Name"], [], {"mobile_number": "Mobile Number", "callee_name": "Name"}),
        (["NAME", "phone_number", "Due Date"], ["due_date"], {
            "mobile_number": "phone_number", "callee_name": "NAME", "due_date": "Due Date",
        }),
        (["Number", "Mobile"], [], {"mobile_number": "Mobile"}),
        (["Phone", "PHONE"], [], {"mobile_number": "Phone"}),
        (["City", "", "—"], ["", "company"], {}),
    ],
)  # fmt: skip
def test_columns_are_guessed_by_what_they_are_called(
    header: list[str], variables: list[str], guessed: dict[str, str]
) -> None:
    assert guessed_columns(header, variables) == guessed
