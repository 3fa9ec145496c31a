"""`ringoff campaign upload`: a CSV of contacts becomes a draft, with bars for its way and for its verification."""

import json as json_text
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from rich.progress import DownloadColumn, TransferSpeedColumn

from ringoff.client import BadRequest, ClientError, RingoffClient, Unreachable
from ringoff.client.answers import LargeList
from ringoff.clock import SystemClock
from ringoff.commands.campaign_look import note_faults, sending, show_look
from ringoff.commands.contacts import LARGE_FROM_BYTES, file_of, variables_of
from ringoff.commands.desk import Desk, Flag, Json, Several, wait
from ringoff.commands.ending import FAILED, MISUSED, OK, Ended
from ringoff.commands.server import HERE, Server, connected, fate_told

_LOOK_EVERY_S: Final = 0.5
_FAILURES_MAX: Final = 5
_INVALID_ROW: Final = "Invalid row."
_ADVICE: Final = {
    _INVALID_ROW: "; --skip-invalid leaves such rows out",
    " is missing (found: ": "; --map mobile_number=COLUMN says where the numbers are",
}
_VERIFYING: Final = "verifying"
_OPEN_FOR: Final = timedelta(days=30)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """When the calls of a list may ring, and how often."""

    timezone: Annotated[
        str | None, Parameter(help="Of the window and of both times, as in Asia/Kolkata; the server's if left out.")
    ] = None
    window: Annotated[str | None, Parameter(help="When calls may ring, as in 09:00-20:00; always if left out.")] = None
    retries: Annotated[int | None, Parameter(help="Further tries of a call that does not connect.")] = None
    starts_at: Annotated[
        str | None, Parameter(help="Local time, YYYY-MM-DDTHH:MM; as soon as it is started if left out.")
    ] = None
    ends_at: Annotated[str | None, Parameter(help="Local time, YYYY-MM-DDTHH:MM; in 30 days if left out.")] = None
    call_config: Annotated[
        str | None, Parameter(help="The rest of the call's settings, as JSON; the options above go into it.")
    ] = None

    def config(self) -> dict[str, Any]:
        """The JSON, and over it what has an option of its own. ``Ended`` for what is none."""
        try:
            config = json_text.loads(self.call_config or "{}")
        except ValueError as error:
            raise Ended(f"--call-config is no JSON: {error}", MISUSED) from error
        if not isinstance(config, dict):
            raise Ended("--call-config must be a JSON object", MISUSED)
        if times := self._times():
            config["call_time"] = {**config.get("call_time", {}), **times}
        if self.retries is not None:
            config["call_retry_config"] = {**config.get("call_retry_config", {}), "retry_count": self.retries}
        return config

    def _times(self) -> dict[str, str]:
        times = {} if self.timezone is None else {"timezone": self.timezone}
        if self.window is not None:
            opens, dash, closes = (part.strip() for part in self.window.partition("-"))
            if not (opens and dash and closes):
                raise Ended(f"--window {self.window!r} must be HH:MM-HH:MM, as in 09:00-20:00", MISUSED)
            times |= {"call_start_time": opens, "call_end_time": closes}
        return times


USUAL: Final = Terms()


def upload(
    file: Path,
    *,
    agent_id: str,
    country_code: str,
    name: str | None = None,
    map_: Annotated[Several, Parameter(name="--map")] = None,
    terms: Terms = USUAL,
    skip_invalid: Flag = False,
    large: Flag = False,
    dry_run: Flag = False,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Upload a CSV of contacts as a draft campaign; nothing is dialled before it is started.

    Parameters
    ----------
    file
        The CSV, with a header.
    agent_id
        The agent that will call.
    country_code
        Of numbers that have none, as in +91.
    name
        Of the campaign; that of the file if left out.
    map_
        VARIABLE=COLUMN; may be repeated. Left out, the header decides: mobile_number, callee_name, and every other
        column as the variable of its name.
    skip_invalid
        Leave out rows that cannot be called, and list the first of them. Without it one such row refuses a file that
        is not large.
    large
        Verify the list after the upload, whatever its size; rows that cannot be called are left out, as for every
        large file (8 MiB).
    dry_run
        Only say what would come of it; nothing is stored.
    """
    desk = Desk()
    size = file_of(file).stat().st_size
    fields = _form(file, agent_id, name or file.stem, country_code, map_ or [], terms)
    desk.note("columns: " + ", ".join(f"{variable} = {column}" for variable, column in fields["variables_map"].items()))
    with connected(server) as api:
        if dry_run:
            return show_look(api, file, fields, desk, is_json=json)
        if large or skip_invalid or size >= LARGE_FROM_BYTES:
            return _upload_large(api, file, fields, desk, is_json=json)
        return _upload_small(api, file, fields, desk, is_json=json)


def _form(
    file: Path, agent_id: str, name: str, country_code: str, given: Sequence[str], terms: Terms
) -> dict[str, Any]:
    now = SystemClock().now()
    return {
        "agent_id": agent_id,
        "campaign_name": name,
        "country_code": country_code,
        "variables_map": variables_of(file, given),
        "call_config": terms.config(),
        # In any time zone the day before yesterday is past, and a start in the past means at once.
        "campaign_start_time": terms.starts_at or f"{now - timedelta(days=2):%Y-%m-%dT%H:%M}",
        "campaign_end_time": terms.ends_at or f"{now + _OPEN_FOR:%Y-%m-%dT%H:%M}",
    }


def _upload_small(api: RingoffClient, file: Path, fields: dict[str, Any], desk: Desk, *, is_json: bool) -> int:
    with _upload_told():
        try:
            with desk.bar(DownloadColumn(), TransferSpeedColumn()) as bars:
                task = bars.add_task("uploading", total=None)
                saved = api.campaigns.save(file, **fields, progress=sending(bars, task, "the server reads it"))
        except BadRequest as error:
            if _INVALID_ROW in error.message:
                note_faults(api, file, fields, desk)
            raise
    if is_json:
        desk.json(msgspec.to_builtins(saved))
        return OK
    desk.say(f"Campaign: {saved.list_id}")
    desk.say(f"{saved.successful_rows or 0:,} calls are registered")
    desk.note(_next(saved.list_id))
    return OK


def _upload_large(api: RingoffClient, file: Path, fields: dict[str, Any], desk: Desk, *, is_json: bool) -> int:
    with _upload_told(), desk.bar(DownloadColumn(), TransferSpeedColumn()) as bars:
        task = bars.add_task("uploading", total=None)
        accepted = api.large_lists.upload(file, **fields, progress=sending(bars, task, "the server keeps it"))
    campaign_id = accepted.bulk_list_id
    if is_json:
        desk.note(f"Campaign: {campaign_id}")
    else:
        desk.say(f"Campaign: {campaign_id}")
    try:
        found = _verified(api, campaign_id, desk)
    except KeyboardInterrupt:
        raise Ended(
            f"The list is kept and its verification goes on: `ringoff campaign verification {campaign_id}`", FAILED
        ) from None
    return report(found, desk, is_json=is_json)


def verification(campaign_id: str, *, json: Json = False, server: Server = HERE) -> int:
    """Follow the verification of a large list to its end, and list the first rows that cannot be called.

    Parameters
    ----------
    campaign_id
        As `ringoff campaign upload` has printed it.
    """
    desk = Desk()
    with connected(server) as api:
        try:
            found = _verified(api, campaign_id, desk)
        except KeyboardInterrupt:
            raise Ended("The verification goes on", FAILED) from None
    return report(found, desk, is_json=json)


def report(found: LargeList, desk: Desk, *, is_json: bool) -> int:
    """How a verification ended."""
    if is_json:
        desk.json(msgspec.to_builtins(found))
        return FAILED if found.status == "failed" else OK
    if found.status == "failed":
        raise Ended(f"the list is refused: {found.failure or 'no reason was given'}; no call was registered", FAILED)
    skipped = found.invalidated_rows_count
    desk.say(f"{found.total_callees:,} calls are registered, {skipped:,} rows are left out")
    if found.invalidated_rows:
        columns = {"Line": "right", "Column": "left", "Value": "left", "Why": "left"}
        rows = [
            (row.get("line") or "", row.get("column") or "", row.get("value") or "", row.get("rule") or "")
            for row in found.invalidated_rows
        ]
        desk.table(columns, rows)
        if (more := skipped - len(rows)) > 0:
            desk.say(f"and {more:,} more")
    if found.status == "draft":
        desk.note(_next(found.bulk_list_id))
    return OK


def _verified(api: RingoffClient, campaign_id: str, desk: Desk) -> LargeList:
    """The list when its verification is over."""
    failures = 0
    with desk.bar() as bars:
        task = bars.add_task("verifying", total=100)
        while True:
            try:
                found = api.large_lists.status(campaign_id)
                failures = 0
            except ClientError as error:
                failures += 1
                if not isinstance(error, Unreachable) or failures == _FAILURES_MAX:
                    raise
            else:
                rows = f"verifying: {found.verified_rows_count or 0:,} rows"
                bars.update(task, completed=found.percent or 0, description=rows)
                if found.status != _VERIFYING:
                    return found
            wait(_LOOK_EVERY_S)


def _next(campaign_id: str | None) -> str:
    return f"It is a draft. To dial it: ringoff campaign start {campaign_id} --from-number NUMBER"


@contextmanager
def _upload_told() -> Iterator[None]:
    """One that is refused has made no campaign, and one whose answer is lost perhaps has."""
    with fate_told("whether there is a draft now is unknown: `ringoff campaign list` before you upload it again"):
        try:
            yield
        except BadRequest as error:
            advice = next((advice for part, advice in _ADVICE.items() if part in error.message), "")
            raise Ended(f"{error.message}{advice}. Nothing was registered", FAILED) from error
