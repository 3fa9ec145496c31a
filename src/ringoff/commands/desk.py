"""Where a command speaks: answers to standard output, questions and progress to standard error, all of it made safe."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Event
from typing import Annotated, Any, Final, TextIO

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from ringoff.commands.safe_text import plain

Flag = Annotated[bool, Parameter(negative="")]
Several = Annotated[list[str] | None, Parameter(negative="")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print the answer as JSON.")]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative="", help="Do not ask.")]
Limit = Annotated[int, Parameter(validator=Number(gte=0))]
"""How many; 0 for all."""
Columns = Mapping[str, str]
"""Heading to justification."""

_never: Final = Event()


def wait(wait_s: float) -> None:
    """Between two looks at the server; Ctrl-C ends it."""
    _never.wait(wait_s)


def cell(text: object, style: str = "") -> Text:
    """What a stranger wrote, for a table or a bar: nothing in it is a control character, and nothing is markup."""
    return Text(plain(text), style=style)


def as_json(value: Any, *, indent: int | None = 2) -> str:
    """ASCII only: no character of it acts on a terminal."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


class Desk:
    """The three streams of one command."""

    def __init__(self) -> None:
        self.is_interactive = sys.stdin.isatty() and sys.stderr.isatty()
        """Somebody can be asked."""
        self.is_shown = sys.stdout.isatty()
        self.has_bars = sys.stderr.isatty()

    def say(self, line: str = "") -> None:
        """A line of the answer."""
        print(plain(line), flush=True)

    def json(self, value: Any) -> None:
        """The answer for programs."""
        print(as_json(value), flush=True)

    def json_line(self, value: Any) -> None:
        """One of many answers, each on a line of its own."""
        print(as_json(value, indent=None), flush=True)

    def json_rows(self, rows: Iterable[Any]) -> None:
        """One array, printed as it comes; a page of it is in memory."""
        before = "["
        for row in rows:
            print(f"{before}\n  {as_json(row, indent=None)}", end="")
            before = ","
        print("[]" if before == "[" else "\n]", flush=True)

    def note(self, line: str) -> None:
        """For whoever looks on; no part of the answer."""
        print(plain(line), file=sys.stderr, flush=True)

    def table(self, columns: Columns, rows: Iterable[Sequence[object]]) -> None:
        """A table on a terminal; elsewhere one line for a row, with tabs, and nothing cut off."""
        if self.is_shown:
            console_on(sys.stdout).print(_table(columns, rows))
            return
        print("\t".join(columns))
        for row in rows:
            print("\t".join(plain(value) for value in row))
        sys.stdout.flush()

    def show_before(self, title: str, columns: Columns, rows: Iterable[Sequence[object]]) -> None:
        """A table that belongs to a question."""
        console_on(sys.stderr).print(_table(columns, rows, title))

    def ask(self, question: str) -> str | None:
        """What was typed; None when the input is over."""
        sys.stderr.write(f"{plain(question)} ")
        sys.stderr.flush()
        typed = sys.stdin.readline()
        return typed.strip() if typed else None

    def bar(self, *more: ProgressColumn) -> Progress:
        """Bars for long work; nothing where standard error is no terminal."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            *(more or (TaskProgressColumn(),)),
            console=console_on(sys.stderr),
            disable=not self.has_bars,
            expand=True,
        )


def by_lines(print_line: Callable[[str], None]) -> Callable[[str], None]:
    """Prints a line only when it is another than the last one."""
    last = ""

    def show(line: str) -> None:
        nonlocal last
        if line != last:
            print_line(line)
            last = line

    return show


def console_on(file: TextIO) -> Console:
    """Draws on the terminal that is there: an exported COLUMNS or LINES knows nothing of a window that was resized."""
    environment = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return Console(
        file=file, force_terminal=file.isatty(), markup=False, highlight=False, emoji=False, _environ=environment
    )


def _table(columns: Columns, rows: Iterable[Sequence[object]], title: str | None = None) -> Table:
    table = Table(title=None if title is None else cell(title), title_justify="left", box=None, pad_edge=False)
    for heading, justify in columns.items():
        table.add_column(Text(heading), justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(f"{value:,}" if isinstance(value, int) else value) for value in row))
    return table
