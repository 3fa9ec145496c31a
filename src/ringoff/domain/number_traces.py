"""Finds phone numbers in words that somebody wrote, however they are spelled there, and takes them out."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from ringoff.domain.phone_number import ERASED, SEPARATORS, national_part

_RUN: Final = re.compile(rf"\+?[0-9](?:[{re.escape(''.join(map(chr, SEPARATORS)))}]{{0,6}}[0-9]){{5,}}")
"""Digits, with as much between two of them as somebody may write within a number, or between two numbers."""
_GROUP: Final = re.compile(r"[0-9]+")
_NATIONAL_DIGITS_MIN: Final = 7
"""A shorter national number would be found in every order id and every price."""


class NumberTraces:
    """The spellings of some numbers: international ones wherever they stand, national ones from one gap to another.

    What goes is always whole groups of digits; groups beside them stay.
    """

    def __init__(self, numbers: Iterable[str]) -> None:
        self._international: dict[str, str] = {}
        self._national: dict[str, str] = {}
        for number in numbers:
            digits = number.removeprefix("+")
            self._international[digits] = number
            national = national_part(number)
            if national is not None and len(national) >= _NATIONAL_DIGITS_MIN:
                for spelling in (national, f"0{national}"):
                    self._national.setdefault(spelling, number)
        self._international_lengths = sorted({len(digits) for digits in self._international}, reverse=True)
        self._national_lengths = sorted({len(digits) for digits in self._national}, reverse=True)

    def erased(self, value: Any) -> tuple[Any, frozenset[str]]:
        """The JSON value with ``erased`` in place of each trace, and whose traces there were. Keys of objects too."""
        found: set[str] = set()
        return self._walked(value, found), frozenset(found)

    def _walked(self, value: Any, found: set[str]) -> Any:
        match value:
            case str():
                return self._text(value, found)
            case bool():
                return value
            case int() if (number := self._international.get(str(value))) is not None:
                found.add(number)
                return ERASED
            case Mapping():
                return {self._text(str(key), found): self._walked(each, found) for key, each in value.items()}
            case Sequence():
                return [self._walked(each, found) for each in value]
            case _:
                return value

    def _text(self, text: str, found: set[str]) -> str:
        return _RUN.sub(lambda run: self._run(run[0], found), text)

    def _run(self, run: str, found: set[str]) -> str:
        groups = list(_GROUP.finditer(run))
        digits = "".join(group[0] for group in groups)
        # Where in the digits groups begin and end.
        gaps = list(accumulate((len(group[0]) for group in groups), initial=0))
        kept, kept_from, at = "", 0, 0
        while at < len(digits):
            number, end = self._number_at(digits, at, gaps)
            if number is None:
                at += 1
                continue
            found.add(number)
            first, last = bisect_right(gaps, at) - 1, bisect_left(gaps, end) - 1
            # The plus before the first group goes with it.
            kept += run[kept_from : groups[first].start() if first else 0] + ERASED
            kept_from, at = groups[last].end(), gaps[last + 1]
        return kept + run[kept_from:]

    def _number_at(self, digits: str, at: int, gaps: Sequence[int]) -> tuple[str | None, int]:
        """Whose number begins there, and where it ends."""
        for length in self._international_lengths:
            piece = digits[at : at + length]
            if (number := self._international.get(piece)) is not None:
                return number, at + len(piece)
        if _is_among(gaps, at):
            for length in self._national_lengths:
                piece = digits[at : at + length]
                number = self._national.get(piece)
                if number is not None and _is_among(gaps, at + len(piece)):
                    return number, at + len(piece)
        return None, at


def _is_among(gaps: Sequence[int], place: int) -> bool:
    found = bisect_left(gaps, place)
    return found < len(gaps) and gaps[found] == place
