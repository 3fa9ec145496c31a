"""`ringoff call`: one individual call, and its end if somebody waits for it."""

from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from ringoff.client import ClientError, RingoffClient
from ringoff.client.answers import CallDetails
from ringoff.commands.desk import Desk, Flag, Json, Several
from ringoff.commands.desk import wait as wait_a_moment
from ringoff.commands.ending import FAILED, MISUSED, OK, Ended
from ringoff.commands.safe_text import plain
from ringoff.commands.server import HERE, Server, connected, fate_told

_LOOK_EVERY_S: Final = 0.5
_FAILURES_MAX: Final = 10
_NOT_OVER: Final = frozenset({"registered", "ongoing", "retry"})


def call(
    number: str,
    *,
    agent_id: str,
    name: str = "Customer",
    from_number: Several = None,
    number_pool_id: str | None = None,
    var: Annotated[Several, Parameter(name="--var")] = None,
    at: str | None = None,
    timezone: str | None = None,
    wait: Flag = False,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Ring one number.

    Parameters
    ----------
    number
        In E.164, as in +12025550101.
    agent_id
        The agent that will talk.
    name
        Of whoever is called.
    from_number
        A calling number; may be repeated.
    number_pool_id
        A pool of calling numbers instead.
    var
        NAME=VALUE, a variable of the agent; may be repeated.
    at
        Local time, YYYY-MM-DDTHH:MM; now if left out.
    timezone
        Of --at, as in Asia/Kolkata.
    wait
        Stay until the call has ended; 0 only when it was answered.
    """
    desk = Desk()
    fields: dict[str, Any] = {
        "name": name,
        "mobile_number": number,
        "agent_id": agent_id,
        "from_number": from_number,
        "number_pool_id": number_pool_id,
        "custom_args_values": _variables(var or []) or None,
        "call_config": _due(at, timezone),
    }
    with connected(server) as api:
        with fate_told("whether it rings is unknown: look at `ringoff history` before you call again"):
            started = api.calls.start(**fields)
        if not json:
            desk.say(f"Call: {started.call_id}")
        if wait:
            return _tell_end(_until_its_end(api, started.call_id, desk), desk, is_json=json)
    if json:
        desk.json(msgspec.to_builtins(started))
    return OK


def _due(at: str | None, timezone: str | None) -> dict[str, Any] | None:
    times = {"scheduled_at": at, "timezone": timezone}
    given = {name: text for name, text in times.items() if text is not None}
    return {"call_time": given} if given else None


def _tell_end(ended: CallDetails, desk: Desk, *, is_json: bool) -> int:
    if is_json:
        desk.json(msgspec.to_builtins(ended))
    else:
        desk.say(f"{ended.call_status}: {ended.call_sub_status or '-'}")
    return OK if ended.call_status == "completed" else FAILED


def _variables(given: list[str]) -> dict[str, str]:
    variables = {}
    for pair in given:
        variable, equals, value = pair.partition("=")
        if not (variable and equals):
            raise Ended(f"--var {pair!r} must be NAME=VALUE", MISUSED)
        variables[variable] = value
    return variables


def _until_its_end(api: RingoffClient, call_id: str, desk: Desk) -> CallDetails:
    failures = 0
    try:
        with desk.bar() as bars:
            task = bars.add_task("registered", total=None)
            while True:
                try:
                    found = api.calls.details(call_id)
                    failures = 0
                except ClientError as error:
                    failures += 1
                    if failures == _FAILURES_MAX or (error.status is not None and error.status < 500):
                        raise
                else:
                    bars.update(task, description=plain(found.call_status))
                    if found.call_status not in _NOT_OVER:
                        return found
                wait_a_moment(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        raise Ended(f"The call goes on; to end it: ringoff terminate --call-id {call_id}", FAILED) from None
