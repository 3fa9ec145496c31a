"""The house rules that a machine can check; what it cannot check is for reviews."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "ringoff"
SQL = SOURCE / "store" / "sql"

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
BANNED_WORDS = {"manager", "helper", "helpers", "util", "utils", "data", "info", "item", "lead"}
# An entrance of HTTP may be called a handler; nothing else.
HANDLER_HOME = SOURCE / "api"

# The statements that move a call on its way to the wire and back work on rows under locks, with the epoch as a
# parameter, and `campaign_clock.sql` asks for pending rows at that epoch. Everybody else reads `call_effective`,
# where a fenced row already shows as cancelled.
# `invariants.sql` and `audits.sql` check the writers, so they must see what those wrote.
# `history.sql` finds a page among millions through the partial indexes by raw status; it shows rows of the view.
# `call_table.sql` does the same for one campaign in both directions.
# `work.sql` looks for what is due at the epoch of its campaign; claim and permit judge.
# `tallies.sql` counts what is on the wire; fences do not change that.
# `coverage.sql` finds what an order covers through the partial indexes, and judges fences as an order does.
# `cluster.sql` translates transaction ids; it judges nothing.
RAW_CALL_FILES = {
    "cluster.sql",
    "dispatch.sql",
    "rescue.sql",
    "work.sql",
    "terminations.sql",
    "sweep.sql",
    "coverage.sql",
    "history.sql",
    "call_table.sql",
    "erasures.sql",
    "retention.sql",
    "tallies.sql",
    "campaign_clock.sql",
    "registrations.sql",
    "invariants.sql",
    "audits.sql",
}
# Registration inserts, and `DELETE`/`INSERT` never read a status; only these forms read or change one.
RAW_CALL = re.compile(r"\b(?:FROM|JOIN|UPDATE)\s+call\b(?!_)", re.IGNORECASE)

SQL_STATEMENT = re.compile(r"\s*(?:SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|WITH)\s", re.ASCII)
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")

MODULES = sorted(path for folder in ("src", "tests", "bench", "examples") for path in (ROOT / folder).rglob("*.py"))
SOURCES = [path for path in MODULES if SOURCE in path.parents]
SQL_FILES = sorted(SQL.rglob("*.sql"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def words_of(name: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return set(spaced.lower().strip("_").split("_"))


def strings_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_promises(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        assert path.name == "__init__.py", "an empty module"
        return
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "the first line of a module is its promise"
    assert docstring.splitlines()[0].rstrip().endswith((".", ":", "?")), "the promise is one line, a whole sentence"


@pytest.mark.parametrize("path", [*MODULES, *SQL_FILES], ids=name_of)
def test_a_file_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_function_fits_on_the_screen(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name} in line {node.lineno} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_sql_lives_in_sql_files(path: Path) -> None:
    for line, text in strings_in(ast.parse(path.read_text(encoding="utf-8"))):
        assert not SQL_STATEMENT.match(text), f"line {line}: {text[:40]!r}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_names_say_what_a_thing_is(path: Path) -> None:
    names = [(1, path.stem)]
    names += [
        (node.lineno, node.name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    banned = BANNED_WORDS if HANDLER_HOME in path.parents else BANNED_WORDS | {"handler"}
    for line, name in names:
        assert not words_of(name) & banned, f"line {line}: {name}"


@pytest.mark.parametrize("path", [*MODULES, *SQL_FILES], ids=name_of)
def test_nothing_is_left_for_later(path: Path) -> None:
    if path == Path(__file__):
        return
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        assert not UNFINISHED.search(text), f"line {line}: {text.strip()}"


@pytest.mark.parametrize("path", sorted(set(SQL.glob("*.sql"))), ids=name_of)
def test_a_call_is_read_by_its_effective_status(path: Path) -> None:
    if path.name in RAW_CALL_FILES:
        return
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        statement = text.split("--", maxsplit=1)[0]
        assert not RAW_CALL.search(statement), f"line {line}: {text.strip()}"


def test_the_lock_files_name_no_registry() -> None:
    for path in sorted(ROOT.glob("requirements*.lock")):
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert not re.search(r"://|--(?:extra-)?index|--find-links", text), f"{path.name} line {line}: {text}"
