"""The screen of `ringoff watch`: takes the terminal, draws what the server says, and gives the terminal back."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.live import Live

from ringoff.client import ClientError
from ringoff.client.native_figures import Overview
from ringoff.commands.desk import console_on
from ringoff.commands.ending import Ended
from ringoff.commands.server import ended
from ringoff.commands.watch_view import view

_LEAVE: Final = frozenset(b"qQ\x03\x04")
_KEYS_MAX: Final = 64
_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CHARACTERS: Final = 6
"""Of the attributes of a terminal: the list of its special characters."""

Look = Callable[[], Awaitable[Overview]]


class WatchScreen:
    """One look after another until somebody leaves. A server that is away is said so, and looked for again."""

    def __init__(self, look: Look, first: Overview, url: str, *, every_s: float, looks_max: int) -> None:
        self._look = look
        self._overview = first
        self._url = url
        self._every_s = every_s
        self._looks_max = looks_max
        self._trouble = ""
        self._leaving = asyncio.Event()
        self._refused: Ended | None = None
        self._console = console_on(sys.stdout)

    async def run(self) -> None:
        """Until q, Ctrl-C, a signal or the last look. ``Ended`` when the server refuses to go on."""
        loop, keyboard = asyncio.get_running_loop(), sys.stdin.fileno()
        with (
            _single_keys(keyboard),
            Live(
                console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            ) as live,
        ):
            for number in _ENDINGS:
                loop.add_signal_handler(number, self._leaving.set)
            loop.add_signal_handler(signal.SIGWINCH, self._draw, live)
            loop.add_reader(keyboard, self._read_keys, keyboard)
            try:
                async with asyncio.TaskGroup() as group:
                    looking = group.create_task(self._look_again(live))
                    await self._leaving.wait()
                    looking.cancel()  # a server that does not answer holds nobody here
            finally:
                loop.remove_reader(keyboard)
                for number in (*_ENDINGS, signal.SIGWINCH):
                    loop.remove_signal_handler(number)
        if self._refused is not None:
            raise self._refused

    def _draw(self, live: Live) -> None:
        width, height = self._console.size
        live.update(view(self._overview, self._url, self._trouble, width=width, height=height), refresh=True)

    def _read_keys(self, keyboard: int) -> None:
        keys = os.read(keyboard, _KEYS_MAX)
        if not keys or _LEAVE.intersection(keys):
            self._leaving.set()

    async def _look_again(self, live: Live) -> None:
        self._draw(live)
        looks = 1
        while looks != self._looks_max:
            await asyncio.sleep(self._every_s)
            try:
                self._overview, self._trouble = await self._look(), ""
            except ClientError as error:
                if error.status is not None and error.status < 500:
                    self._refused = ended(error)
                    break
                self._trouble = error.message
            looks += 1
            self._draw(live)
        self._leaving.set()


@contextmanager
def _single_keys(keyboard: int) -> Iterator[None]:
    """Keys come one by one and unseen. Ctrl-Z does nothing: a screen that is left behind would be nobody's."""
    before = termios.tcgetattr(keyboard)
    try:
        tty.setcbreak(keyboard)
        now = termios.tcgetattr(keyboard)
        now[_CHARACTERS][termios.VSUSP] = b"\0"
        termios.tcsetattr(keyboard, termios.TCSANOW, now)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)
