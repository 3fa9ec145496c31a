"""What is a trace of a number in words that somebody wrote, and what only looks like one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.domain.number_traces import NumberTraces

ADA = "+12025550101"
BOB = "+442079460123"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (ADA, "erased"),
        ("12025550101", "erased"),
        ("call 001 202-555-0101 now", "call erased now"),
        ("(202) 555-0101", "(erased"),
        ("2025550101", "erased"),
        ("0 20 7946 0123", "erased"),
        ("sip:+12025550101@example.com;user=phone", "sip:erased@example.com;user=phone"),
        ("https://hook.example/?to=%2B12025550101", "https://hook.example/?to=%2Berased"),
        ({"mobile_numbers": [ADA, BOB, "+12025550102"]}, {"mobile_numbers": ["erased", "erased", "+12025550102"]}),
        ({ADA: 1}, {"erased": 1}),
        ([12025550101, 3, True, None], ["erased", 3, True, None]),
        ("asked by 202-555-0101 2 times", "asked by erased 2 times"),
        ("ticket 4712 202-555-0101", "ticket 4712 erased"),
        ("ticket 4712 +1 202-555-0101 for 10 30", "ticket 4712 erased for 10 30"),
        ("202-555-0101 202-555-0102 (20) 7946 0123", "erased 202-555-0102 (erased"),
        ("202-555-0101\n020 7946 0123", "erased\nerased"),
        ("+1 - (202) - 555 0101", "erased"),
        ("202\u2013555\u20110101", "erased"),
        ("+44 (0)20 7946 0123", "+44 (erased"),
        ("trunk9912025550101.5", "trunkerased.5"),
    ],
)
def test_a_number_is_found_however_it_is_spelled(words: Any, expected: Any) -> None:
    erased, found = NumberTraces([ADA, BOB]).erased(words)
    assert erased == expected
    assert found


@pytest.mark.parametrize(
    "words",
    [
        "+12025550102",
        "order 52025550101 of 2026-11-26",
        "order 5202-555-0101 of 10",
        "202-555-01015",
        "019ab1c2-0000-7000-8000-12025550101a",
        "2026-11-26T04:46:09+00:00",
        {"count": 2025550101, "is_on": True},
        None,
    ],
)
def test_what_is_no_trace_stays(words: Any) -> None:
    traces = NumberTraces([BOB]) if isinstance(words, str) and "12025550101a" in words else NumberTraces([ADA, BOB])
    assert traces.erased(words) == (words, frozenset())


def test_a_short_national_number_is_found_in_its_international_form_only() -> None:
    traces = NumberTraces(["+29012345"])
    assert traces.erased("29012345")[0] == "erased"
    assert traces.erased("12345 and 012345")[0] == "12345 and 012345"


@given(
    st.recursive(st.text(max_size=30) | st.integers() | st.booleans() | st.none(), lambda v: st.lists(v, max_size=4))
)
def test_erasing_twice_finds_nothing_more(value: Any) -> None:
    traces = NumberTraces([ADA, BOB])
    erased, _ = traces.erased([value, ADA])
    assert traces.erased(erased) == (erased, frozenset())
