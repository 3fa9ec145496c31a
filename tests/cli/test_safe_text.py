"""Text of strangers, whatever it is, prints as itself and does nothing else."""

import io
from unicodedata import bidirectional, category

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ringoff.commands.desk import as_json, cell
from ringoff.commands.safe_text import REPLACEMENT, plain
from ringoff.commands.spreadsheet import as_text, csv_line

ANY_TEXT = st.text(st.characters(exclude_categories=()))
OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


@given(ANY_TEXT)
def test_nothing_that_acts_is_left_and_nothing_is_dropped(text: str) -> None:
    shown = plain(text)
    assert len(shown) == len(text)
    for before, after in zip(text, shown, strict=True):
        assert category(after) not in ("Cc", "Cs", "Zl", "Zp")
        assert bidirectional(after) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        assert after in (before, REPLACEMENT)
    assert plain(shown) == shown


@pytest.mark.parametrize("text", ["Priya Sharma", "अनन्या", "क्‍ष", "Zoë", "李雷", "O'Neil (2)", "👩‍🚀"])
def test_names_stay_as_they_are(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *OVERRIDES])
def test_each_character_that_acts_is_replaced(character: str) -> None:
    assert plain(f"a{character}b") == f"a{REPLACEMENT}b"


@given(ANY_TEXT)
def test_a_cell_is_no_markup_and_has_no_control_characters(text: str) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system="truecolor", width=10_000, markup=True)
    console.print(cell(text), end="", soft_wrap=True)
    assert written.getvalue() == plain(text)


@pytest.mark.parametrize("text", ["[red]", "[/]", "[link=file:///etc]x[/link]", "[bold"])
def test_what_looks_like_markup_is_shown(text: str) -> None:
    assert cell(text).plain == text
    assert not cell(text).spans


@given(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3))
def test_json_is_ascii_that_prints(value: dict[str, str]) -> None:
    assert all(character == "\n" or character.isprintable() for character in as_json(value))
    assert as_json(value).isascii()


@pytest.mark.parametrize("text", ["=1+1", "+1+cmd", "-2+3", "@SUM(A1)", "  =1+1", "\t=1", "\n=1", '=HYPERLINK("x")'])
def test_no_spreadsheet_takes_a_cell_for_a_formula(text: str) -> None:
    assert not as_text(text).lstrip().startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("text", ["+919876540001", "-12.5", "17", "Priya", ""])
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    assert as_text(text) == text


@given(st.lists(ANY_TEXT, max_size=4))
def test_a_row_is_one_line(cells: list[str]) -> None:
    assert len(csv_line(cells).splitlines()) <= 1
    assert plain(csv_line(cells)) == csv_line(cells)
