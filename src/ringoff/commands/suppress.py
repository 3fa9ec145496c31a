"""`ringoff suppress`: the numbers that are never rung, one by one or as a file."""

from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from cyclopts import App
from rich.progress import DownloadColumn, MofNCompleteColumn

from ringoff.commands.campaign_look import sending
from ringoff.commands.contacts import file_of
from ringoff.commands.desk import Desk, Flag, Json, Limit
from ringoff.commands.ending import MISUSED, OK, Ended
from ringoff.commands.server import HERE, Server, connected, fate_told

_AT_ONCE_MAX: Final = 100

suppress_app = App(name="suppress")


@suppress_app.command
def add(*numbers: str, reason: str | None = None, json: Json = False, server: Server = HERE) -> int:
    """Never ring these numbers again, whoever uploads them. Calls to them that wait are cancelled.

    Parameters
    ----------
    numbers
        In E.164, as in +12025550101.
    reason
        Why; 500 characters at most.
    """
    if not numbers:
        raise Ended("give at least one number", MISUSED)
    desk = Desk()
    added = done = 0
    with connected(server) as api:
        try:
            with fate_told("add them again: what is on the list stays"), desk.bar(MofNCompleteColumn()) as bars:
                task = bars.add_task("suppressing", total=len(numbers))
                for start in range(0, len(numbers), _AT_ONCE_MAX):
                    part = list(numbers[start : start + _AT_ONCE_MAX])
                    added += api.native.suppressions.add(part, reason=reason).added_count
                    done += len(part)
                    bars.update(task, completed=done)
        finally:
            if 0 < done < len(numbers):
                desk.note(f"The first {done:,} numbers are on the list")
    return _tell_added(desk, added, is_json=json)


@suppress_app.command(name="list")
def list_numbers(*, number: str | None = None, limit: Limit = 50, json: Json = False, server: Server = HERE) -> int:
    """Numbers that are never rung, in their order.

    Parameters
    ----------
    number
        Only this one: is it there?
    limit
        How many are shown; 0 for all.
    """
    desk = Desk()
    with connected(server) as api:
        found = islice(api.native.suppressions.list(mobile_number=number), limit or None)
        if json:
            desk.json_rows(msgspec.to_builtins(row) for row in found)
        else:
            columns = {"Number": "left", "Since": "left", "Reason": "left", "Termination": "left"}
            rows = ((row.mobile_number, row.created_at, row.reason or "", row.termination_id or "") for row in found)
            desk.table(columns, rows)
    return OK


@suppress_app.command
def remove(*numbers: str, json: Json = False, server: Server = HERE) -> int:
    """Let numbers be rung again.

    Parameters
    ----------
    numbers
        In E.164, as in +12025550101.
    """
    if not numbers:
        raise Ended("give at least one number", MISUSED)
    desk = Desk()
    with connected(server) as api:
        for number in numbers:
            api.native.suppressions.remove(number)
            if not json:
                desk.say(f"{number} may be rung again")
    if json:
        desk.json({"removed": list(numbers)})
    return OK


@suppress_app.command(name="import")
def import_file(
    file: Path,
    *,
    country_code: str,
    column: str | None = None,
    skip_invalid: Flag = False,
    reason: str | None = None,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Add every number of a CSV, or none.

    Parameters
    ----------
    file
        The CSV, with a header.
    country_code
        Of numbers that have none, as in +91.
    column
        The column of the numbers; `Mobile Number` if left out.
    skip_invalid
        Leave out rows that hold no number. Without it one such row refuses the file.
    reason
        Why; 500 characters at most.
    """
    desk = Desk()
    unknown = "whether the numbers are on the list is unknown: import it again, what is there already stays"
    with connected(server) as api, fate_told(unknown), desk.bar(DownloadColumn()) as bars:
        task = bars.add_task("uploading", total=None)
        answer = api.native.suppressions.import_csv(
            file_of(file),
            country_code=country_code,
            number_column=column,
            remove_invalid_rows=skip_invalid,
            reason=reason,
            progress=sending(bars, task, "the server reads it"),
        )
    if json:
        desk.json(msgspec.to_builtins(answer))
        return OK
    if answer.failed_rows:
        desk.say(f"{answer.failed_rows:,} of {answer.total_rows or 0:,} rows hold no number and are left out")
    return _tell_added(desk, answer.added_count, is_json=False)


@suppress_app.command
def export(file: Path, *, json: Json = False, server: Server = HERE) -> int:
    """Write the whole list as CSV.

    Parameters
    ----------
    file
        Replaced when everything has arrived.
    """
    desk = Desk()
    with connected(server) as api:
        done = api.native.suppressions.export_csv(file)
    if json:
        desk.json({"file": str(file), "file_bytes": done.file_bytes})
    else:
        desk.say(f"{done.file_bytes or 0:,} bytes are in {file}")
    return OK


def _tell_added(desk: Desk, added: int, *, is_json: bool) -> int:
    if is_json:
        desk.json({"added_count": added})
    else:
        desk.say(f"{added:,} numbers are new on the list")
    return OK
