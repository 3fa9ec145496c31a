"""A command in a real pseudo-terminal, with an emulator that shows what somebody would see on it."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import pyte

from ringoff.clock import SystemClock
from tests.support.processes import RINGOFF, clean_environment

WITHIN_S = 40.0
CTRL_C = "\x03"

# The child becomes the leader of the terminal's foreground before it becomes the command: Ctrl-C reaches it then.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_POLL_S = 0.05
_AGAIN_S = 3.0
_clock = SystemClock()


class Terminal:
    """One `ringoff` command. Everything that it writes is kept, and drawn on a screen of the given size."""

    def __init__(self, *arguments: str, variables: Mapping[str, str], columns: int = 80, lines: int = 24) -> None:
        self._master, self._slave = os.openpty()
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.resize(columns, lines)
        self.modes_before = termios.tcgetattr(self._slave)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, str(RINGOFF), *arguments],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=clean_environment({"TERM": "xterm-256color", **variables}),
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self._slave)
        if error is not None:
            print(f"{self.shown}\nas written: {self.raw[-2_000:]!r}")

    @property
    def shown(self) -> str:
        """The screen, line by line, without the blanks at their ends."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def modes_after(self) -> list[int | list[bytes | int]]:
        return termios.tcgetattr(self._slave)

    @property
    def written(self) -> str:
        """All text since the beginning, without its colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.decode(errors="replace"))

    def resize(self, columns: int, lines: int) -> None:
        """As by somebody who drags the window's corner: the kernel tells the foreground."""
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, and again where nothing happens, as a person would.

        Python sees a signal between two steps of its own: one that comes right before a read is seen after it.
        """
        give_up_at = _clock.monotonic() + WITHIN_S
        while self._process.poll() is None and _clock.monotonic() < give_up_at:
            self.type(CTRL_C)
            again_at = _clock.monotonic() + _AGAIN_S
            while self._process.poll() is None and _clock.monotonic() < again_at:
                self._draw(_POLL_S)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Draws until ``condition``; fails with what was waited for."""
        give_up_at = _clock.monotonic() + WITHIN_S
        while not condition():
            assert _clock.monotonic() < give_up_at, f"not within {WITHIN_S:g} s: {what}\n{self.shown}"
            assert self._process.poll() is None or self._draw(0), f"ended before: {what}\n{self.shown}"
            self._draw(_POLL_S)

    def wait_for(self, text: str) -> None:
        """Until it has been written, wherever."""
        self.wait_until(lambda: text in self.written, repr(text))

    def wait_for_shown(self, text: str) -> None:
        """Until it stands on the screen."""
        self.wait_until(lambda: text in self.shown, repr(text))

    def exit_code(self) -> int:
        """Draws until the command has ended."""
        give_up_at = _clock.monotonic() + WITHIN_S
        while self._process.poll() is None:
            assert _clock.monotonic() < give_up_at, f"it does not end\n{self.shown}"
            self._draw(_POLL_S)
        while self._draw(0):
            pass
        return self._process.wait()

    def _draw(self, wait_s: float) -> bool:
        readable, _writable, _failed = select.select([self._master], [], [], wait_s)
        if not readable:
            return False
        part = os.read(self._master, 65_536)
        self.raw += part
        self._stream.feed(part)
        return bool(part)
