"""`ringoff terminate`: shows what an order would end, asks, gives it under a key of its own, follows its settling."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final

from cyclopts import Parameter

from ringoff.client import Repeat, RingoffClient, ServerFailed, Unreachable, Unreadable
from ringoff.client import native_answers as answers
from ringoff.commands.desk import Desk, Flag, Json, Several, Yes
from ringoff.commands.ending import FAILED, MISUSED, OK, UNREACHABLE, Ended, drop_output
from ringoff.commands.receipts import ORDERS, Receipt, checked, counted
from ringoff.commands.server import HERE, Server, connected, ended
from ringoff.commands.settling import CARRIED_OUT, follow

TYPED_FROM: Final = 1_000
"""From so many calls on, yes is too easily said: their number has to be typed."""
GROWTH_MAX: Final = 1.1
"""An order may cover so much more than was shown, before it is shown again."""
_SHOWN_MAX: Final = 20
_LINES_MAX: Final = 10

Preview = Mapping[str, Any]


def terminate(
    *,
    agent_id: str | None = None,
    call_id: Several = None,
    campaign_id: str | None = None,
    number: Several = None,
    reason: str | None = None,
    hangup: Flag = False,
    suppress: Flag = False,
    dry_run: Flag = False,
    yes: Yes = False,
    wait: Annotated[bool | None, Parameter(negative="--no-wait")] = None,
    idempotency_key: str | None = None,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Terminate calls on a running server. Selectors given together narrow each other.

    Parameters
    ----------
    agent_id
        Every terminable call of this agent.
    call_id
        This call; may be repeated, 100 at most.
    campaign_id
        Every terminable call of this campaign.
    number
        Calls to this E.164 number; may be repeated, 100 at most.
    reason
        Why, for the receipt; 500 characters at most.
    hangup
        Also release covered calls that ring or talk.
    suppress
        Also put the numbers on the suppression list, so that no later upload rings them.
    dry_run
        Only say what would be terminated now.
    wait
        Stay until the receipt is settled. On a terminal that is usual, elsewhere it is not.
    idempotency_key
        Your own name for this order: given again within 24 hours, it brings the same receipt back. Made up if left out.
    """
    given = {"agent_id": agent_id, "call_ids": call_id, "campaign_id": campaign_id, "mobile_numbers": number}
    body = order_body(given, reason=reason, is_hangup=hangup, is_suppress=suppress)
    desk = Desk()
    if not (yes or dry_run):
        require_somebody(desk, "terminated")
    with connected(server) as api:
        if dry_run:
            return _show_preview(_preview(api, body), body, desk, is_json=json)
        expected = None if yes else _ask(api, body, desk, is_named=idempotency_key is not None)
        order = _Order(api, body, idempotency_key or secrets.token_urlsafe(16), desk, is_json=json)
        should_wait = wait if wait is not None else desk.has_bars and not json
        order.carry_out(expected, should_wait=should_wait)
        return OK


def order_body(
    given: Mapping[str, object], *, reason: str | None, is_hangup: bool, is_suppress: bool
) -> dict[str, object]:
    """The request of an order, with only what was asked for; ``Ended`` without any selector."""
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise Ended("give --agent-id, --call-id, --campaign-id or --number", MISUSED)
    if reason is not None:
        body["reason"] = reason
    if is_hangup:
        body["ongoing"] = "hangup"
    if is_suppress:
        body["suppress"] = True
    return body


def require_somebody(desk: Desk, done: str) -> None:
    """``Ended`` where nobody can be asked: what cannot be taken back is not done on a guess."""
    if not desk.is_interactive:
        raise Ended(f"this is no terminal, so nobody can be asked: give --yes; nothing was {done}", MISUSED)


def confirm(desk: Desk, count: int, calls: str, done: str) -> None:
    """``Ended`` unless somebody says yes, or from ``TYPED_FROM`` calls on types their number."""
    try:
        if count < TYPED_FROM:
            is_meant = (desk.ask(f"Terminate {calls}? [y/N]") or "").lower() in ("y", "yes")
        else:
            typed = desk.ask(f"This ends {calls}. Type {count} to go on:") or ""
            is_meant = typed.replace(",", "") == str(count)
    except KeyboardInterrupt:
        is_meant = False
        desk.note("")
    if not is_meant:
        raise Ended(f"nothing was {done}", FAILED)


class _Order:
    """One order from its request to its last word. An interruption never reads as if nothing had happened."""

    def __init__(self, api: RingoffClient, body: Mapping[str, object], key: str, desk: Desk, *, is_json: bool) -> None:
        self._api = api
        self._body = body
        self._key = key
        self._desk = desk
        self._is_json = is_json

    def carry_out(self, expected: int | None, *, should_wait: bool) -> None:
        """Give it, say its id at once, and follow it if that is wanted. ``Ended`` when it was not, or perhaps not."""
        receipt: Receipt | None = None
        try:
            receipt = self._give()
            if not self._is_json:
                self._desk.say("Calls terminated successfully!")
                self._desk.say(f"X-Termination-Id: {receipt['termination_id']}")
            elif should_wait:
                self._desk.note(f"X-Termination-Id: {receipt['termination_id']}")
            if should_wait:
                receipt = follow(self._api, receipt, self._desk, expected)
            if self._is_json:
                self._desk.json(receipt)
            else:
                self._desk.say(counted(receipt))
        except KeyboardInterrupt:
            if receipt is None:
                why = f"interrupted before the answer: {self._unknown}"
                raise Ended(why, UNREACHABLE) from None
            self._desk.note(f"{CARRIED_OUT} X-Termination-Id: {receipt['termination_id']}")
        except BrokenPipeError:
            if receipt is None:
                raise
            # Nobody reads the answer; a code that says failure must not be all that is left of an order that holds.
            drop_output()
            self._desk.note(f"{CARRIED_OUT} X-Termination-Id: {receipt['termination_id']}")

    @property
    def _unknown(self) -> str:
        return f"whether it was carried out is unknown: give it again with --idempotency-key {self._key}"

    def _give(self) -> Receipt:
        """Under an Idempotency-Key, so that giving it again after a lost answer brings its receipt."""
        try:
            answer = self._api.request("POST", ORDERS, json=self._body, idempotency_key=self._key)
            return checked(answer, answers.Receipt)
        except Unreachable as error:
            fate = self._unknown if error.was_sent else "nothing was terminated"
            raise Ended(f"{error}; {fate}", UNREACHABLE) from error
        except (ServerFailed, Unreadable) as error:
            status = f"{error.status} " if error.status else ""
            raise Ended(f"{status}{error}; {self._unknown}", UNREACHABLE) from error


def _preview(api: RingoffClient, body: Mapping[str, object]) -> Preview:
    return checked(api.request("POST", f"{ORDERS}/preview", json=body, repeat=Repeat.FREELY), answers.Preview)


def _ask(api: RingoffClient, body: Mapping[str, object], desk: Desk, *, is_named: bool) -> int | None:
    """Show what would end and ask for it, again if it grows meanwhile; how many calls that are, or None if unknown.

    ``is_named``: the order may have been carried out before, and only giving it again brings its receipt.
    """
    meant: int | None = None
    while True:
        try:
            found = _preview(api, body)
        except KeyboardInterrupt:
            raise Ended("nothing was terminated", FAILED) from None
        except (ServerFailed, Unreachable, Unreadable) as error:
            if isinstance(error, Unreachable) and not error.was_sent:
                raise
            # Whatever is wrong with counting, it must not stand between somebody and the switch.
            if meant is None:
                desk.note(f"what the order would end cannot be shown: {ended(error).message}")
                confirm(desk, 0, "whatever it covers all the same", "terminated")
            return meant
        count: int = found["terminable_count"]
        is_verifying = bool(found.get("is_verifying"))
        if meant is not None:
            if count <= max(meant * GROWTH_MAX, meant + 10):
                return meant
            desk.note(f"it would now end {count:,} calls, and {meant:,} were shown to you")
        elif not count and not is_verifying:
            _heed_nothing(body, desk, is_named=is_named)
            return None
        _show_table(found, body, desk)
        calls = f"{count:,} call{'s' if count != 1 else ''}"
        if is_verifying:
            calls += " and whatever comes of large lists that are still being verified"
        confirm(desk, count, calls, "terminated")
        if is_verifying:
            return None
        meant = count


def _heed_nothing(body: Mapping[str, object], desk: Desk, *, is_named: bool) -> None:
    """``Ended``, unless the order may be one that was carried out and whose answer was lost."""
    if not is_named:
        advice = "; `ringoff suppress add` puts numbers on the list without an order" if body.get("suppress") else ""
        raise Ended(f"No terminable calls found for these parameters; nothing was terminated{advice}", FAILED)
    desk.note("nothing is terminable now: an order of this name may have ended it before")
    confirm(desk, 0, "what is left, or show the receipt of that order", "done now")


def _show_table(found: Preview, body: Mapping[str, object], desk: Desk) -> None:
    columns = {"Campaign": "left", "Registered": "right", "Retry": "right", "Ongoing": "right"}
    rows = [
        (row["name"], row["counts"]["registered"], row["counts"]["retry"], row["counts"].get("ongoing", 0))
        for row in found["by_campaign"][:_SHOWN_MAX]
    ]
    counts = found["counts"]
    rows.append(("All of them", counts["registered"], counts["retry"], counts["ongoing"]))
    desk.show_before("This order covers:", columns, rows)
    if (more := found["campaign_count"] - _SHOWN_MAX) > 0:
        desk.note(f"{more:,} more campaigns are not listed, and counted in the last line")
    if counts["ongoing"]:
        desk.note(_fate(counts["ongoing"], body))


def _fate(ongoing: int, body: Mapping[str, object]) -> str:
    fate = "would be hung up" if body.get("ongoing") == "hangup" else "would be left to end"
    return f"{ongoing:,} ongoing {fate}"


def _show_preview(found: Preview, body: Mapping[str, object], desk: Desk, *, is_json: bool) -> int:
    if is_json:
        desk.json(found)
        return OK
    counts = found["counts"]
    desk.say(
        f"Would terminate {found['terminable_count']:,} calls: {counts['registered']:,} registered,"
        f" {counts['retry']:,} in retry; {_fate(counts['ongoing'], body)}"
    )
    if found.get("is_verifying"):
        desk.say("and whatever comes of large lists that are still being verified")
    for row in found["by_campaign"][:_LINES_MAX]:
        pending = row["counts"]["registered"] + row["counts"]["retry"]
        desk.say(f"  {row['campaign_id'] or 'individual calls':36}  {pending:>12,}  {row['name']}")
    if (more := found["campaign_count"] - _LINES_MAX) > 0:
        desk.say(f"  and {more:,} more campaigns")
    return OK
