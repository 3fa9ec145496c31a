"""`ringoff erase`: every trace of persons, by their numbers. It asks first, and follows until nothing is left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from ringoff.client import RingoffClient
from ringoff.client.native_erasures import Erasure
from ringoff.commands.contacts import file_of
from ringoff.commands.desk import Desk, Flag, Json, Yes, wait
from ringoff.commands.ending import FAILED, MISUSED, OK, Ended
from ringoff.commands.server import HERE, Server, connected, fate_told
from ringoff.commands.terminate import require_somebody

_AT_ONCE_MAX: Final = 100
_LOOK_EVERY_S: Final = 0.5
_FILE_BYTES_MAX: Final = 16 * 1024 * 1024


def erase(
    *numbers: str,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    keep_ringable: Flag = False,
    reason: str | None = None,
    yes: Yes = False,
    follow: Annotated[bool | None, Parameter(name="--wait", negative="--no-wait")] = None,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Erase every trace of these numbers and their persons. Their calls stay, as calls of nobody.

    What waits for them is terminated first, and the numbers are suppressed: erased, and never rung again.

    Parameters
    ----------
    numbers
        In E.164, as in +12025550101.
    source
        A text file with a number on each line; empty lines and lines that begin with # are skipped.
    keep_ringable
        Do not put the numbers on the suppression list.
    reason
        Why, for the record; it stays, so it should name nobody.
    follow
        Stay until it is done. On a terminal that is usual, elsewhere it is not.
    """
    wanted = list(dict.fromkeys([*numbers, *(_listed(source) if source is not None else ())]))
    if not wanted:
        raise Ended("give at least one number, or --from FILE", MISUSED)
    desk = Desk()
    if not yes:
        require_somebody(desk, "erased")
        _confirm(desk, len(wanted))
    with connected(server) as api:
        ordered = _order(api, desk, wanted, suppress=not keep_ringable, reason=reason)
        if follow if follow is not None else desk.has_bars and not json:
            ordered = _follow(api, desk, ordered)
    if json:
        desk.json([msgspec.to_builtins(each) for each in ordered])
    else:
        for each in ordered:
            desk.say(_line(each))
    return OK


def _listed(source: Path) -> Sequence[str]:
    if file_of(source).stat().st_size > _FILE_BYTES_MAX:
        raise Ended(f"{source} is larger than {_FILE_BYTES_MAX:,} bytes: is it a list of numbers?", MISUSED)
    lines = [line.strip() for line in source.read_text(encoding="utf-8-sig").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _confirm(desk: Desk, count: int) -> None:
    """``Ended`` unless somebody types how many: nothing of it can be brought back."""
    persons = "1 number" if count == 1 else f"{count:,} numbers"
    typed = desk.ask(f"This erases every trace of {persons}, for good. Type {count} to go on:") or ""
    if typed.replace(",", "") != str(count):
        raise Ended("nothing was erased", FAILED)


def _order(
    api: RingoffClient, desk: Desk, numbers: Sequence[str], *, suppress: bool, reason: str | None
) -> list[Erasure]:
    ordered: list[Erasure] = []
    try:
        with fate_told("give the same command again: what is erased stays erased"):
            for start in range(0, len(numbers), _AT_ONCE_MAX):
                part = list(numbers[start : start + _AT_ONCE_MAX])
                ordered.append(api.native.erasures.order(part, suppress=suppress, reason=reason))
    finally:
        done_count = len(ordered) * _AT_ONCE_MAX
        if 0 < done_count < len(numbers):
            desk.note(f"The first {done_count:,} numbers are being erased: {', '.join(e.erasure_id for e in ordered)}")
    return ordered


def _follow(api: RingoffClient, desk: Desk, ordered: Sequence[Erasure]) -> list[Erasure]:
    latest = {each.erasure_id: each for each in ordered}
    try:
        with desk.bar() as bars:
            task = bars.add_task("erasing", total=100 * len(latest))
            while open_ids := [each.erasure_id for each in latest.values() if each.state != "done"]:
                wait(_LOOK_EVERY_S)
                for erasure_id in open_ids:
                    latest[erasure_id] = api.native.erasures.get(erasure_id)
                states = {each.state for each in latest.values()}
                words = "erasing" if "erasing" in states else "waiting for calls on the wire to end"
                bars.update(task, description=words, completed=sum(each.percent for each in latest.values()))
    except KeyboardInterrupt:
        desk.note("The erasure goes on; only the looking on was interrupted.")
    return list(latest.values())


def _line(each: Erasure) -> str:
    counts = each.counts
    return (
        f"{each.erasure_id}  {each.state}  {len(each.masked_numbers):,} numbers, {counts.calls:,} calls,"
        f" {counts.contacts:,} contacts, {counts.events:,} events, {counts.words:,} texts"
    )
