"""The first name of a full name: what an agent says when it greets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.domain.callee_name import first_name


@pytest.mark.parametrize(
    ("full", "first"),
    [
        ("Asha", "Asha"),
        ("Asha Rao", "Asha"),
        ("Dr. Asha Rao", "Asha"),
        ("mrs ASHA rao", "ASHA"),
        ("Prof. Dr. Asha Rao", "Asha"),
        ("Shri Ravi Kumar", "Ravi"),
        ("Rao, Asha", "Asha"),
        ("Rao, Dr. Asha", "Asha"),
        ("  Jean-Luc   Picard ", "Jean-Luc"),
        ("आशा राव", "आशा"),
        ("Dr.", "Dr."),
        (" ", " "),
    ],
)
def test_the_first_word_that_is_no_title(full: str, first: str) -> None:
    assert first_name(full) == first


@given(st.text(min_size=1, max_size=50))
def test_nothing_is_invented(full: str) -> None:
    assert first_name(full) in full
