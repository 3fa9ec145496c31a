"""What the command line does with orders: give, preview, read back; in words, or in the JSON of the server."""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from ringoff.client import ClientError, Misused, Repeat, Retries, RingoffClient, Unreachable
from ringoff.domain.errors import InvalidInput

DEFAULT_URL: Final = "http://127.0.0.1:8080"
ORDERS: Final = "/api/v1/terminations"
OK, FAILED, UNREACHABLE = 0, 1, 3
_SHOWN_MAX: Final = 10

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where answers and complaints of one command go."""

    say: Say
    complain: Say
    as_json: bool


def connect(url: str | None, api_key: str | None) -> RingoffClient:
    """The server and the key of the options or, failing that, of the environment; ``InvalidInput`` without a key."""
    key = api_key or os.environ.get("RINGOFF_API_KEY")
    if not key:
        raise InvalidInput("give --api-key, or set RINGOFF_API_KEY", field="api_key")
    try:
        # Whoever stands before the terminal is told at once that there was no answer, and may give the order again.
        once = Retries(attempts_max=1)
        return RingoffClient(url or os.environ.get("RINGOFF_URL") or DEFAULT_URL, key, retries=once)
    except Misused as error:
        raise InvalidInput(error.message, field=error.field) from error


def order_body(
    given: Mapping[str, object], *, reason: str | None, is_hangup: bool, is_suppress: bool
) -> dict[str, object]:
    """The request of an order, with only what was asked for; ``InvalidInput`` without any selector."""
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise InvalidInput("give --agent-id, --call-id, --campaign-id or --number")
    if reason is not None:
        body["reason"] = reason
    if is_hangup:
        body["ongoing"] = "hangup"
    if is_suppress:
        body["suppress"] = True
    return body


def preview(api: RingoffClient, body: Mapping[str, object], desk: Desk) -> int:
    """Say what the order would cover now; nothing is written."""
    try:
        found = api.request("POST", f"{ORDERS}/preview", json=body, repeat=Repeat.FREELY)
    except ClientError as error:
        return _failed(error, desk)
    if desk.as_json:
        desk.say(json.dumps(found, indent=2))
        return OK
    counts = found["counts"]
    fate = "would be hung up" if body.get("ongoing") == "hangup" else "would be left to end"
    desk.say(
        f"Would terminate {found['terminable_count']:,} calls: {counts['registered']:,} registered,"
        f" {counts['retry']:,} in retry; {counts['ongoing']:,} ongoing {fate}"
    )
    if found.get("is_verifying"):
        desk.say("and whatever comes of large lists that are still being verified")
    for row in found["by_campaign"][:_SHOWN_MAX]:
        pending = row["counts"]["registered"] + row["counts"]["retry"]
        desk.say(f"  {row['campaign_id'] or 'individual calls':36}  {pending:>12,}  {row['name']}")
    if (more := found["campaign_count"] - _SHOWN_MAX) > 0:
        desk.say(f"  and {more:,} more campaigns")
    return OK


def give(api: RingoffClient, body: Mapping[str, object], key: str | None, desk: Desk) -> int:
    """Give the order under an Idempotency-Key, so that giving it again after a lost answer brings its receipt."""
    key = key or secrets.token_urlsafe(16)
    again = f"give it again with --idempotency-key {key}"
    try:
        receipt = api.request("POST", ORDERS, json=body, idempotency_key=key)
    except Unreachable as error:
        fate = f"whether it was carried out is unknown: {again}" if error.was_sent else "nothing was terminated"
        desk.complain(f"{error}; {fate}")
        return UNREACHABLE
    except ClientError as error:
        if _is_of_the_server(error):
            desk.complain(f"{error.status} {error}; {again}")
            return UNREACHABLE
        return _failed(error, desk)
    if desk.as_json:
        desk.say(json.dumps(receipt, indent=2))
        return OK
    desk.say("Calls terminated successfully!")
    desk.say(f"X-Termination-Id: {receipt['termination_id']}")
    desk.say(_counts(receipt))
    return OK


def show_receipt(api: RingoffClient, termination_id: str, desk: Desk) -> int:
    """One receipt in words, or as the server gave it."""
    try:
        limit = 1000 if desk.as_json else 1
        receipt = api.request("GET", f"{ORDERS}/{quote(termination_id, safe='')}", query={"limit": limit})
    except ClientError as error:
        return _failed(error, desk)
    if desk.as_json:
        desk.say(json.dumps(receipt, indent=2))
        return OK
    key = receipt["api_key"]
    desk.say(f"termination  {receipt['termination_id']}")
    desk.say(f"level        {receipt['level']}")
    for name, value in receipt["selector"].items():
        shown = f"{len(value)}: {', '.join(value[:_SHOWN_MAX])}" if isinstance(value, list) else value
        desk.say(f"  {name:14} {shown}")
    desk.say(f"reason       {receipt['reason'] or '-'}")
    desk.say(f"ongoing      {receipt['ongoing']}")
    given_by = f"{key['name']} ({key['prefix']}...)" if key else "nobody: the campaign met its end time"
    desk.say(f"given by     {given_by}")
    desk.say(f"given at     {receipt['created_at']}")
    desk.say(f"settled at   {receipt['settled_at'] or '-'}")
    desk.say(_counts(receipt))
    return OK


def _counts(receipt: Mapping[str, Any]) -> str:
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


def _failed(error: ClientError, desk: Desk) -> int:
    desk.complain(error.message)
    return UNREACHABLE if isinstance(error, Unreachable) or _is_of_the_server(error) else FAILED


def _is_of_the_server(error: ClientError) -> bool:
    return error.status is not None and error.status >= 500
