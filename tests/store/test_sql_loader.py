"""Named statements come out as written, and a mistake in a file is an error at once."""

import pytest

from ringoff.store.sql_loader import load, parse


def test_statements_are_found_by_name_without_their_semicolon() -> None:
    text = "-- Why this file exists.\n\n-- name: one\n-- A remark.\nSELECT 1;\n\n-- name: two\nSELECT\n    2;\n"
    assert parse(text, source="x.sql") == {"one": "-- A remark.\nSELECT 1", "two": "SELECT\n    2"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n", "x.sql: statement 'one' is defined twice"),
        ("-- name: one\n-- name: two\nSELECT 2;\n", "x.sql: statement 'one' is empty"),
        ("SELECT 1;\n", "x.sql: no '-- name: ...' line"),
    ],
)
def test_a_malformed_file_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text, source="x.sql")


def test_an_unknown_statement_is_an_error_where_it_is_looked_up() -> None:
    with pytest.raises(KeyError, match="no_such_statement"):
        load("postgres")["no_such_statement"]
