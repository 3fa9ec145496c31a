"""The numbers that a file had so far, with the line of each, in so little memory that millions of them fit."""

from array import array
from secrets import randbits
from typing import Final

_BITS_MIN: Final = 12
_WORD: Final = 64
_MASK: Final = (1 << _WORD) - 1


class SeenNumbers:
    """An open hash table of twelve bytes a place; a dict takes five times as much for the same.

    Places are spread by a multiplier that is drawn anew for each file, so that no file can be written to collide.
    """

    def __init__(self) -> None:
        self.count = 0
        self._spread = randbits(_WORD) | 1
        self._make(_BITS_MIN)

    def _make(self, bits: int) -> None:
        self._bits = bits
        self._numbers = array("Q", bytes(8 << bits))
        self._lines = array("I", bytes(4 << bits))
        self._full = (1 << bits) * 2 // 3

    def add(self, number: int, line: int) -> int:
        """0 for a number (1 or more) that is new; otherwise the line on which it came first."""
        numbers = self._numbers
        place = (number * self._spread & _MASK) >> (_WORD - self._bits)
        while seen := numbers[place]:
            if seen == number:
                return self._lines[place]
            place += 1
            if place == len(numbers):
                place = 0
        numbers[place] = number
        self._lines[place] = line
        self.count += 1
        if self.count > self._full:
            self._grow()
        return 0

    def _grow(self) -> None:
        numbers, lines = self._numbers, self._lines
        self.count = 0
        self._make(self._bits + 1)
        for number, line in zip(numbers, lines, strict=True):
            if number:
                self.add(number, line)
