"""Loads the named statements of one ``sql/<name>.sql`` file; a wrong name fails while modules are imported."""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME_LINE = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)


def load(name: str) -> Mapping[str, str]:
    """The statements of ``store/sql/<name>.sql`` by their names.

    Look statements up once, at module level: an unknown name is then a ``KeyError`` at import, not in a request.
    """
    return parse(
        files("ringoff.store").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8"), source=f"{name}.sql"
    )


def parse(text: str, *, source: str) -> Mapping[str, str]:
    """Split ``-- name: x`` blocks; text above the first name is a comment for the reader."""
    statements: dict[str, str] = {}
    marks = list(_NAME_LINE.finditer(text))
    if not marks:
        raise ValueError(f"{source}: no '-- name: ...' line")
    ends = [following.start() for following in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        name, body = mark["name"], text[mark.end() : end].strip().removesuffix(";")
        if name in statements:
            raise ValueError(f"{source}: statement {name!r} is defined twice")
        if not body:
            raise ValueError(f"{source}: statement {name!r} is empty")
        statements[name] = body
    return MappingProxyType(statements)
