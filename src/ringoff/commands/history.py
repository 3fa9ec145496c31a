"""`ringoff history`: what became of the calls, newest first."""

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from ringoff.client.answers import HistoryCall
from ringoff.commands.desk import Desk, Json, Limit
from ringoff.commands.ending import MISUSED, OK, Ended
from ringoff.commands.server import HERE, Server, connected
from ringoff.commands.spreadsheet import csv_lines

_COLUMNS: Final = (
    "Registered",
    "Call",
    "Number",
    "Name",
    "Agent",
    "Status",
    "Why",
    "Seconds",
)
_PAGE_MAX: Final = 1_000


def history(
    *,
    agent_id: str | None = None,
    campaign_id: str | None = None,
    status: str | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    limit: Limit = 50,
    csv: Annotated[bool, Parameter(name="--csv", negative="")] = False,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Show calls and what became of them, newest first.

    Parameters
    ----------
    agent_id
        Calls of this agent.
    campaign_id
        Calls of this campaign.
    status
        Only those that are registered, ongoing, retry, completed, failed, error or cancelled.
    from_
        Registered on this day or at this instant (ISO 8601, UTC) or later.
    to
        Registered on this day or at this instant (ISO 8601, UTC) or earlier.
    limit
        How many are shown; 0 for all, and then 10,000 at most: narrow the dates for more.
    csv
        Print CSV, which no spreadsheet takes for formulas.
    """
    if csv and json:
        raise Ended("give --csv or --json, not both", MISUSED)
    desk = Desk()
    with connected(server) as api:
        found = api.calls.history(
            start_date=from_,
            end_date=to,
            agent_id=agent_id,
            status=status,
            bulk_list_id=campaign_id,
            page_size=min(limit or _PAGE_MAX, _PAGE_MAX),
            rows_max=limit or None,
        )
        if json:
            desk.json_rows(msgspec.to_builtins(row) for row in found)
        elif csv:
            for line in csv_lines(_COLUMNS, map(_cells, found)):
                desk.say(line)
        else:
            desk.table({name: "right" if name == "Seconds" else "left" for name in _COLUMNS}, _shown(found))
    return OK


def _shown(found: Iterator[HistoryCall]) -> Iterator[tuple[object, ...]]:
    return (tuple("" if value is None else value for value in _cells(row)) for row in found)


def _cells(row: HistoryCall) -> tuple[object, ...]:
    agent = row.agent.agent_name if row.agent else None
    seconds = None if row.call_duration is None else f"{row.call_duration:g}"
    return row.created_at, row.id, row.to_number, row.name, agent, row.status, row.sub_status, seconds
