"""The tables of docs/observability.md as the code has them; run as a module, it writes them there."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringoff.observability.families import OF_DATABASE, OF_POOLS, OF_PROCESS, Family

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "ringoff"
PAGE = ROOT / "docs" / "observability.md"

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_LOGGERS = {"log", "_log"}


@dataclass(frozen=True, slots=True, order=True)
class LogCall:
    """One place that writes a line."""

    event: str
    level: str
    fields: tuple[str, ...]
    place: str


def metric_table(families: Sequence[Family]) -> str:
    rows = [
        f"| `{family.name}` | {family.kind} | {', '.join(f'`{label}`' for label in family.labels)} | {family.unit} |"
        f" {family.help} |"
        for family in families
    ]
    return "\n".join(["| metric | type | labels | unit | meaning |", "|---|---|---|---|---|", *rows])


def event_table() -> str:
    """A traceback (`exception`) is at level error."""
    lines: dict[tuple[str, str], set[str]] = {}
    for call in log_calls():
        level = "error" if call.level == "exception" else call.level
        fields = {*call.fields, *({"exception"} if call.level == "exception" else ())}
        lines.setdefault((level, call.event), set()).update(fields)
    rows = [
        f"| {level} | `{event}` | {', '.join(f'`{name}`' for name in sorted(fields))} |"
        for (level, event), fields in sorted(lines.items(), key=lambda row: (_rank(row[0][0]), row[0][1]))
    ]
    return "\n".join(["| level | event | fields |", "|---|---|---|", *rows])


def log_calls() -> list[LogCall]:
    """Every line that our code may write; an event that is not a plain text is an error here."""
    calls: list[LogCall] = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (level := _level(node)) is not None:
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert len(node.args) == 1, f"{place}: what a log line holds has names"
                fields = tuple(keyword.arg or "**" for keyword in node.keywords)
                calls += [LogCall(event, level, fields, place) for event in _events(node.args[0], place)]
    return sorted(calls)


def tables() -> Mapping[str, str]:
    """By the names of their marks in the page."""
    return {
        "process": metric_table(OF_PROCESS),
        "pools": metric_table(OF_POOLS),
        "database": metric_table(OF_DATABASE),
        "events": event_table(),
    }


def with_tables(text: str) -> str:
    """The page with each table between its marks as it should be."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{table}\n\n{end}{after}"
    return text


def _events(argument: ast.expr, place: str) -> list[str]:
    """One, or the two of which a condition chooses one."""
    if isinstance(argument, ast.IfExp):
        return _events(argument.body, place) + _events(argument.orelse, place)
    assert isinstance(argument, ast.Constant), f"{place}: the event of a log line is a plain text"
    return [str(argument.value)]


def _level(node: ast.Call) -> str | None:
    function = node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in _LOGGERS:
        return function.attr if function.attr in LEVELS else None
    # The access log chooses its level by the path.
    is_access = isinstance(function, ast.Name) and function.id == "write" and bool(node.keywords)
    return "info" if is_access else None


def _rank(level: str) -> int:
    return ["error", "warning", "info", "debug"].index(level)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
