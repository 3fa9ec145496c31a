"""Finds phone numbers in words that somebody wrote, however they are spelled there, and takes them out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ringoff.domain.phone_number import ERASED, national_part

_RUN: Final = re.compile(r"\+?[0-9](?:[ ().\-/\u00a0]{0,2}[0-9]){5,}")
_NOT_A_DIGIT: Final = re.compile(r"[^0-9]+")
_NATIONAL_DIGITS_MIN: Final = 7
"""A shorter national number would be found in every order id and every price."""


class NumberTraces:
    """The spellings of some numbers: international ones wherever they stand, national ones where they stand alone."""

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
        self._lengths = sorted({len(digits) for digits in self._international}, reverse=True)

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
        def replaced(run: re.Match[str]) -> str:
            number = self._number_in(_NOT_A_DIGIT.sub("", run[0]))
            if number is None:
                return run[0]
            found.add(number)
            return ERASED

        return _RUN.sub(replaced, text)

    def _number_in(self, digits: str) -> str | None:
        if (national := self._national.get(digits)) is not None:
            return national
        for length in self._lengths:
            for start in range(len(digits) - length + 1):
                if (number := self._international.get(digits[start : start + length])) is not None:
                    return number
        return None
