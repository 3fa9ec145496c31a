"""The command line: each command reads its settings, calls the composition root, and ends with a documented code."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from ringoff import __version__
from ringoff.domain.errors import InvalidInput, RingoffError
from ringoff.settings import Settings, load_settings

OK, FAILED, MISUSED = 0, 1, 2

# Left out options are None: the environment and the settings file have the word then.
Several = Annotated[list[str] | None, Parameter(negative="")]
Flag = Annotated[bool, Parameter(negative="")]

app = App(
    name="ringoff",
    help="Outbound calling with a kill switch: after the acknowledgement, no covered call is dialled.",
    version=__version__,
)
key_app = App(name="key", help="API keys.")
app.command(key_app)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return MISUSED  # what was wrong has been printed
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else FAILED
    except InvalidInput as error:
        return _complain(error.message, MISUSED)
    except (RingoffError, OSError) as error:
        return _complain(_words(error), FAILED)
    except KeyboardInterrupt:
        return FAILED
    return code if isinstance(code, int) else OK


def _words(error: RingoffError | OSError) -> str:
    if isinstance(error, RingoffError):
        return error.message
    return f"{error.strerror}: {error.filename}" if error.filename else str(error)


@app.command
def up(*, host: str | None = None, port: int | None = None, data_dir: Path | None = None, demo: bool = False) -> int:
    """Run everything in one process: database, HTTP server, dialling.

    Parameters
    ----------
    host
        Address to listen on (RINGOFF_HOST, 127.0.0.1).
    port
        Port to listen on (RINGOFF_PORT, 8080).
    data_dir
        Directory of the embedded PostgreSQL (RINGOFF_DATA_DIR).
    demo
        Start a demo campaign and show its progress.
    """
    overrides = {"host": host, "port": None if port is None else str(port), "data_dir": _text(data_dir)}
    settings = _settings(overrides, demo=demo)
    from ringoff.wiring import run_up

    return _run(run_up(settings, demo=demo, say=_say))


@app.command
def dispatch(*, data_dir: Path | None = None) -> int:
    """Run the dialling loops and the delivery of webhooks, beside a server on the same database.

    Parameters
    ----------
    data_dir
        Directory of the embedded PostgreSQL to attach to, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff.wiring import run_dispatch

    return _run(run_dispatch(settings, say=_say))


@app.command
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
    idempotency_key: str | None = None,
    json: Flag = False,
    url: str | None = None,
    api_key: str | None = None,
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
    idempotency_key
        Your own name for this order: given again within 24 hours, it brings the same receipt back. Made up if left out.
    json
        Print the server's answer as JSON.
    url
        The server (RINGOFF_URL, http://127.0.0.1:8080).
    api_key
        The key (RINGOFF_API_KEY).
    """
    from ringoff import order_commands as orders

    given = {"agent_id": agent_id, "call_ids": call_id, "campaign_id": campaign_id, "mobile_numbers": number}
    body = orders.order_body(given, reason=reason, is_hangup=hangup, is_suppress=suppress)
    api, desk = orders.connect(url, api_key), orders.Desk(_say, _say_wrong, json)
    return orders.preview(api, body, desk) if dry_run else orders.give(api, body, idempotency_key, desk)


@app.command
def receipt(termination_id: str, *, json: Flag = False, url: str | None = None, api_key: str | None = None) -> int:
    """Show what an order was, and what it has done.

    Parameters
    ----------
    termination_id
        The X-Termination-Id of the order.
    json
        Print the server's answer as JSON, with up to 1,000 of the covered calls.
    url
        The server (RINGOFF_URL, http://127.0.0.1:8080).
    api_key
        The key (RINGOFF_API_KEY).
    """
    from ringoff import order_commands as orders

    return orders.show_receipt(orders.connect(url, api_key), termination_id, orders.Desk(_say, _say_wrong, json))


@key_app.command(name="create")
def create_key(
    *, workspace: str | None = None, name: str = "Made by ringoff key create", data_dir: Path | None = None
) -> int:
    """Make an API key and print it, once.

    Parameters
    ----------
    workspace
        Its name; a new name makes a new workspace. Without it, the first workspace.
    name
        What the key is for.
    data_dir
        Directory of the embedded PostgreSQL, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff import wiring

    async def create() -> None:
        _say(await wiring.create_key(settings, workspace, name))

    return _run(create())


@app.command
def doctor(*, data_dir: Path | None = None) -> int:
    """Look at database, durability, migrations, carrier and invariants; change nothing.

    Parameters
    ----------
    data_dir
        Directory of the embedded PostgreSQL, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff.doctor import run_checks

    bad: list[str] = []

    async def report() -> None:
        async for check in run_checks(settings):
            _say(f"{'ok  ' if check.is_good else 'BAD '} {check.name}: {check.words}")
            if not check.is_good:
                bad.append(check.name)

    return _run(report()) or (FAILED if bad else OK)


def _settings(overrides: dict[str, str | None], *, demo: bool = False) -> Settings:
    if demo:
        from ringoff.demo import SPEED

        # A demo is quick and its terminal is for the progress, unless somebody has said otherwise.
        for name, text in {"simulated_speed": SPEED, "log_level": "warning", "webhook_allow_private": "true"}.items():
            if not os.environ.get(f"RINGOFF_{name.upper()}"):
                overrides = {**overrides, name: text}
    settings, unknown = load_settings(os.environ, overrides)
    from ringoff.observability.log import configure_log

    configure_log(settings.log_level, settings.log_format)
    for variable in unknown:
        sys.stderr.write(f"ringoff: warning: {variable} is no setting of this version\n")
    return settings


def _run(work: Coroutine[Any, Any, None]) -> int:
    """Run to the end; of several errors at once, one of ours is the one worth saying."""
    try:
        asyncio.run(work)
    except asyncio.CancelledError:
        return FAILED  # a second signal cut the stop short
    except ExceptionGroup as group:
        if (ours := _first_of_ours(group)) is None:
            raise
        raise ours from group
    return OK


def _first_of_ours(group: ExceptionGroup[Exception]) -> RingoffError | None:
    for error in group.exceptions:
        found = _first_of_ours(error) if isinstance(error, ExceptionGroup) else error
        if isinstance(found, RingoffError):
            return found
    return None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _say(line: str) -> None:
    print(line, flush=True)


def _say_wrong(message: str) -> None:
    print(f"ringoff: {message}", file=sys.stderr, flush=True)


def _complain(message: str, code: int) -> int:
    _say_wrong(message)
    return code


if __name__ == "__main__":
    main()
