"""How a command ends: its documented exit codes, and the one exception that carries a code and the words for it."""

import os
import sys
from typing import Final

OK: Final = 0
FAILED: Final = 1
"""Refused, or something is not as it should be; nothing was changed unless the words say so."""
MISUSED: Final = 2
UNREACHABLE: Final = 3
"""No answer, or the server failed: whether something was done may be unknown, and the words say so."""


class Ended(Exception):
    """The command is over: ``message`` goes to standard error, ``code`` to the shell."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def drop_output() -> None:
    """Nobody reads standard output any more (`| head`): the interpreter would complain when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
