"""The numbered files that make the schema: what is compatible with the release before, what is not, and their steps."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from ringoff.domain.errors import MigrationRefused

RUNS_FROM: Final = 12
"""This code dials, orders, settles, serves and delivers on a schema that has the files up to this number."""

_FILE_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)(?P<kind>\.expand)?\.sql")
_STEP_LINE = re.compile(r"^-- step(?P<outside> outside a transaction)?[ \t]*$", re.MULTILINE)
_COMMENT_LINE = re.compile(r"^\s*(--[^\n]*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a file that is done, or not, by itself. Doing it again must be harmless."""

    sql: str
    is_in_transaction: bool = True
    """False for one statement that PostgreSQL refuses in a transaction, such as CREATE INDEX CONCURRENTLY."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file. ``NNNN_name.expand.sql`` suits processes of the release before; ``NNNN_name.sql`` does not."""

    version: int
    file_name: str
    sql: str

    @property
    def is_expansion(self) -> bool:
        """Whether it may be applied while processes of the release before dial on this database."""
        return self.file_name.endswith(".expand.sql")

    @property
    def is_needed(self) -> bool:
        """Whether this version cannot run without it."""
        return self.version <= RUNS_FROM

    @property
    def checksum(self) -> str:
        """Of the text with Unix line ends, so that a checkout on another system is not an edit."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    @property
    def steps(self) -> Sequence[Step]:
        """By the lines ``-- step`` and ``-- step outside a transaction``; a file without them is one step."""
        marks = list(_STEP_LINE.finditer(self._text))
        starts = [0, *(mark.end() for mark in marks)]
        ends = [*(mark.start() for mark in marks), len(self._text)]
        outside = [False, *(mark["outside"] is not None for mark in marks)]
        parts = [
            Step(self._text[start:end].strip(), not is_outside)
            for start, end, is_outside in zip(starts, ends, outside, strict=True)
        ]
        # A file that only says something still has to be recorded.
        return [part for part in parts if _COMMENT_LINE.sub("", part.sql).strip()] or [Step("")]

    @property
    def _text(self) -> str:
        return self.sql.replace("\r\n", "\n")


def shipped_migrations(directory: Traversable | None = None) -> Sequence[Migration]:
    """The migrations of this version in order; a number twice, a bad name, or a gap up to ``RUNS_FROM`` is refused.

    Later numbers may be missing: they are given out before their files are written.
    """
    directory = directory or files("ringoff.store").joinpath("sql", "migrations")
    migrations: list[Migration] = []
    for file in sorted((f for f in directory.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationRefused(
                f"migration file {file.name} is not named NNNN_name.sql, nor NNNN_name.expand.sql for an expansion"
            )
        migration = Migration(int(match["version"]), file.name, file.read_text(encoding="utf-8"))
        expected = migrations[-1].version + 1 if migrations else 1
        if migration.version < expected or expected < migration.version <= RUNS_FROM:
            raise MigrationRefused(f"migration file {file.name} is out of order: {expected:04} was expected")
        migrations.append(migration)
    return migrations
