"""Text of strangers for a terminal: whatever a list or a server says, it moves no cursor and turns no line around."""

from typing import Final
from unicodedata import category

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

# Control characters (C0, DEL, C1), surrogates, line and paragraph separators, and invisible format characters, to which
# all bidirectional overrides and isolates belong.
_REPLACED: Final = frozenset({"Cc", "Cs", "Cf", "Zl", "Zp"})
# Names in Indian scripts and in Persian are misspelt without these two; they join letters and do nothing else.
_JOINERS: Final = frozenset("\u200c\u200d")


def plain(text: object) -> str:
    """One line that prints as itself. Every character that could act on the terminal is replaced, none is dropped."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(
        REPLACEMENT if category(character) in _REPLACED and character not in _JOINERS else character
        for character in shown
    )
