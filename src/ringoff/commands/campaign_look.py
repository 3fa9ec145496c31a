"""`ringoff campaign upload --dry-run`: what an upload would make of a file, before anything is stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.progress import DownloadColumn, Progress, TaskID

from ringoff.client import ClientError, RingoffClient
from ringoff.client.native_figures import ListPreview
from ringoff.commands.desk import Desk
from ringoff.commands.ending import FAILED, OK

_FAULTS_SHOWN_MAX: Final = 20
_COLUMNS: Final = {"Line": "right", "Column": "left", "Value": "left", "Why": "left"}


def sending(bars: Progress, task: TaskID, then: str) -> Any:
    """Tells a bar how much of a file has gone; after the last byte the server has the word."""

    def note(sent: int, total: int | None) -> None:
        bars.update(task, completed=sent, total=total)
        if sent == total:
            bars.update(task, description=then)

    return note


def show_look(api: RingoffClient, file: Path, fields: Mapping[str, Any], desk: Desk, *, is_json: bool) -> int:
    """The rows that cannot be called, and how many can; 1 when an upload would be refused."""
    with desk.bar(DownloadColumn()) as bars:
        task = bars.add_task("uploading", total=None)
        found = _look(api, file, fields, progress=sending(bars, task, "the server reads it"))
    if is_json:
        desk.json(msgspec.to_builtins(found))
    else:
        desk.say(
            f"Would register {found.valid_rows:,} calls of {found.total_rows:,} rows:"
            f" {found.invalid_rows:,} rows cannot be called, {found.duplicate_rows:,} of them repeat a number;"
            f" {found.suppressed_rows:,} numbers are never rung"
        )
        if found.faults:
            desk.table(_COLUMNS, _rows(found))
    return FAILED if found.invalid_rows else OK


def note_faults(api: RingoffClient, file: Path, fields: Mapping[str, Any], desk: Desk) -> None:
    """All rows of a refused file that cannot be called: it was refused for the first of them."""
    try:
        found = _look(api, file, fields)
    except ClientError:
        return  # the refusal itself is what counts
    for line, column, value, why in _rows(found):
        desk.note(f"line {line}, {column}: {why} ({value})")
    if (more := found.invalid_rows - _FAULTS_SHOWN_MAX) > 0:
        desk.note(f"and {more:,} more")


def _look(api: RingoffClient, file: Path, fields: Mapping[str, Any], progress: Any = None) -> ListPreview:
    return api.native.campaigns.preview(
        file, country_code=fields["country_code"], variables_map=fields["variables_map"], progress=progress
    )


def _rows(found: ListPreview) -> list[tuple[object, ...]]:
    return [(row.line, row.column or "", row.value or "", row.rule) for row in found.faults[:_FAULTS_SHOWN_MAX]]
