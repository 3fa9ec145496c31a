"""The table of seen numbers answers as a dict would, at any size."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from ringoff.operations.csv_seen import SeenNumbers

NUMBERS = st.integers(min_value=1, max_value=999_999_999_999_999)


@given(st.lists(NUMBERS | st.integers(min_value=1, max_value=40)))
def test_the_first_line_of_a_number_is_remembered(numbers: list[int]) -> None:
    seen, first_lines = SeenNumbers(), dict[int, int]()
    for line, number in enumerate(numbers, start=2):
        assert seen.add(number, line) == first_lines.get(number, 0)
        first_lines.setdefault(number, line)
    assert seen.count == len(first_lines)


def test_it_grows_without_forgetting() -> None:
    dice = Random(7)
    numbers = [*range(919_800_000_000, 919_800_020_000), *(dice.randrange(10**14) + 1 for _ in range(20_000))]
    seen = SeenNumbers()
    first_lines: dict[int, int] = {}
    for line, number in enumerate(numbers, start=2):
        assert seen.add(number, line) == first_lines.get(number, 0)
        first_lines.setdefault(number, line)
    assert [seen.add(number, 1) for number in first_lines] == list(first_lines.values())
    assert seen.count == len(first_lines)
