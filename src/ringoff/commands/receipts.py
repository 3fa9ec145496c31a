"""`ringoff receipt`: what an order was and what it has done; without an id, the latest orders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from ringoff.client import RingoffClient, Unreadable
from ringoff.client import native_answers as answers
from ringoff.client.tolerance import read_as
from ringoff.commands.desk import Desk, Json
from ringoff.commands.ending import MISUSED, OK, Ended
from ringoff.commands.server import HERE, Server, connected

ORDERS: Final = "/api/v1/terminations"
Receipt = Mapping[str, Any]
"""As the server gave it, with all that it said; what is read here was checked."""
Page = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]

_SHOWN_MAX: Final = 10
_CALLS_MAX: Final = 1_000


class _Receipts(msgspec.Struct):
    terminations: list[answers.Receipt]


def receipt(
    termination_id: str | None = None,
    *,
    find: str | None = None,
    export: Path | None = None,
    limit: Page = 20,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Show what an order was, and what it has done. Without an id: the latest orders.

    Parameters
    ----------
    termination_id
        The X-Termination-Id of the order.
    find
        Without an id: only orders with this text in their ids, names, numbers, reasons, or the name of their key.
    export
        With an id: write all calls that it covers to this file, as CSV.
    limit
        Without an id: how many orders are shown, 1 to 1,000.
    """
    desk = Desk()
    with connected(server) as api:
        if termination_id is None:
            if export is not None:
                raise Ended("--export needs the id of one order", MISUSED)
            return _list(api, {"limit": limit, "text": find}, desk, is_json=json)
        if export is not None:
            done = api.native.terminations.export_csv(termination_id, export)
            desk.note(f"{done.file_bytes or 0:,} bytes are in {export}")
        found = read_receipt(api, termination_id, _CALLS_MAX if json else 1)
    if json:
        desk.json(found)
        return OK
    for line in lines_of(found):
        desk.say(line)
    return OK


def read_receipt(api: RingoffClient, termination_id: str, calls_max: int = 1) -> Receipt:
    """As the server has it now."""
    path = f"{ORDERS}/{quote(termination_id, safe='')}"
    return checked(api.request("GET", path, query={"limit": calls_max}), answers.Receipt)


def checked(found: Any, kind: type[Any]) -> Mapping[str, Any]:
    """``found`` as it is, if it is what it should be; ``Unreadable`` otherwise: something else has answered."""
    try:
        read_as(found, kind)
    except (msgspec.ValidationError, TypeError) as error:
        raise Unreadable(f"the answer is something else: {error}") from error
    answer: Mapping[str, Any] = found
    return answer


def lines_of(receipt: Receipt) -> list[str]:
    """The whole receipt in words."""
    key = receipt["api_key"]
    given_by = f"{key['name']} ({key['prefix']}...)" if key else "nobody: the campaign met its end time"
    selectors = [f"  {name:14} {_selected(value)}" for name, value in receipt["selector"].items()]
    return [
        f"termination  {receipt['termination_id']}",
        f"level        {receipt['level']}",
        *selectors,
        f"reason       {receipt['reason'] or '-'}",
        f"ongoing      {receipt['ongoing']}",
        f"given by     {given_by}",
        f"given at     {receipt['created_at']}",
        f"settled at   {receipt['settled_at'] or '-'}",
        counted(receipt),
    ]


def counted(receipt: Receipt) -> str:
    """What it has done so far, or for good."""
    counts = receipt["counts"]
    words = (
        f"{counts['cancelled']:,} cancelled, {counts['left_ongoing']:,} left ongoing,"
        f" {counts['retry_barred']:,} retries barred, {counts['hung_up']:,} hung up"
    )
    if receipt["suppress"]:
        words += f", {counts['suppressed']:,} numbers suppressed"
    if receipt["state"] == "settled":
        return f"settled: {words}"
    return f"settling: {words} so far; `ringoff receipt {receipt['termination_id']}` shows the final counts"


def _selected(value: Any) -> str:
    return f"{len(value)}: {', '.join(value[:_SHOWN_MAX])}" if isinstance(value, list) else str(value)


def _list(api: RingoffClient, query: Mapping[str, Any], desk: Desk, *, is_json: bool) -> int:
    answer = checked(api.request("GET", ORDERS, query=query), _Receipts)
    found = answer["terminations"]
    if is_json:
        desk.json(found)
        return OK
    columns = {"Given": "left", "Termination": "left", "Level": "left", "State": "left", "Cancelled": "right"}
    rows = [
        (row["created_at"], row["termination_id"], row["level"], row["state"], row["counts"]["cancelled"])
        for row in found
    ]
    desk.table(columns, rows)
    return OK
