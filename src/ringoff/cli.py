"""The command line: each command reads its settings, calls the composition root, and ends with a documented code."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from io import TextIOWrapper
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter

from ringoff import __version__
from ringoff.commands.ending import FAILED, MISUSED, OK, Ended, drop_output
from ringoff.commands.safe_text import plain
from ringoff.domain.errors import InvalidInput, RingoffError
from ringoff.settings import Settings, load_settings

app = App(
    name="ringoff",
    help="Outbound calling with a kill switch: after the acknowledgement, no covered call is dialled.",
    version=__version__,
)
_HERE = Group("On the machine of the server", sort_key=3)
_SERVER = Group("To any server, over HTTP", sort_key=2)

key_app = App(name="key", group=_HERE, help="API keys.")
app.command(key_app)

# By name, where it is, and its line in the help: `ringoff --help` imports none of them.
_SERVER_COMMANDS = (
    (
        "terminate",
        "terminate:terminate",
        "Terminate calls, after a look at what that would end. Selectors narrow each other.",
    ),
    ("watch", "watch:watch", "Show rates, channels, campaigns, orders and health, live, on the full screen."),
    ("receipt", "receipts:receipt", "Show what an order was and what it has done; without an id, the latest orders."),
    ("campaign", "campaigns:campaign_app", "List, upload, start, watch, share, pause, resume and end campaigns."),
    ("call", "calls:call", "Ring one number."),
    ("history", "history:history", "Show calls and what became of them, newest first."),
    ("suppress", "suppress:suppress_app", "Numbers that are never rung: add, list, remove, import, export."),
    ("erase", "erase:erase", "Erase every trace of numbers and their persons; their calls stay, as calls of nobody."),
    ("login", "login:login", "Keep a server and a key for all later commands."),
    ("logout", "login:logout", "Forget a login."),
)
for _name, _place, _line in _SERVER_COMMANDS:
    app.command(f"ringoff.commands.{_place}", name=_name, help=_line, group=_SERVER)
app.register_install_completion_command(help="Make this shell complete commands and options.")


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that this terminal cannot write is no failure
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return MISUSED  # what was wrong has been printed
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else FAILED
    except Ended as ending:
        return _complain(ending.message, ending.code)
    except BrokenPipeError:
        drop_output()
        code = FAILED
    except (RingoffError, OSError) as error:
        return _complain(_words(error), MISUSED if isinstance(error, InvalidInput) else FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted", FAILED)
    return code if isinstance(code, int) else OK


def _words(error: RingoffError | OSError) -> str:
    if isinstance(error, RingoffError):
        return error.message
    return f"{error.strerror}: {error.filename}" if error.filename else str(error)


@app.command(group=_HERE)
def up(*, host: str | None = None, port: int | None = None, data_dir: Path | None = None, demo: bool = False) -> int:
    """Run everything in one process: database, HTTP server, dialling, webhooks.

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


@app.command(group=_HERE)
def serve(*, host: str | None = None, port: int | None = None, data_dir: Path | None = None) -> int:
    """Run the API and the dashboard, beside processes that dial and deliver.

    Parameters
    ----------
    host
        Address to listen on (RINGOFF_HOST, 127.0.0.1).
    port
        Port to listen on (RINGOFF_PORT, 8080).
    data_dir
        Directory of the embedded PostgreSQL to attach to, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"host": host, "port": None if port is None else str(port), "data_dir": _text(data_dir)})
    from ringoff.wiring import run_serve

    return _run(run_serve(settings, say=_say))


@app.command(group=_HERE)
def dispatch(*, data_dir: Path | None = None) -> int:
    """Run the dialling loops: any number of processes, on any host, on one database.

    Parameters
    ----------
    data_dir
        Directory of the embedded PostgreSQL to attach to, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff.wiring import run_dispatch

    return _run(run_dispatch(settings, say=_say))


@app.command(group=_HERE)
def deliver(*, data_dir: Path | None = None) -> int:
    """Run the delivery of webhooks: any number of processes, on any host, on one database.

    Parameters
    ----------
    data_dir
        Directory of the embedded PostgreSQL to attach to, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff.wiring import run_deliver

    return _run(run_deliver(settings, say=_say))


@key_app.command(name="create")
def create_key(
    *,
    workspace: str | None = None,
    name: str = "Made by ringoff key create",
    json: Annotated[bool, Parameter(negative="")] = False,
    data_dir: Path | None = None,
) -> int:
    """Make an API key and print it, once.

    Parameters
    ----------
    workspace
        Its name; a new name makes a new workspace. Without it, the first workspace.
    name
        What the key is for.
    json
        Print it as JSON.
    data_dir
        Directory of the embedded PostgreSQL, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff import wiring

    async def create() -> None:
        key = await wiring.create_key(settings, workspace, name)
        _say(dumps({"api_key": key}) if json else key)

    return _run(create())


@app.command(group=_HERE)
def migrate(
    *,
    contract: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    data_dir: Path | None = None,
) -> int:
    """Bring the database's schema on, while others work on it.

    Parameters
    ----------
    contract
        Apply what older versions cannot work with, too; refused while any of their sessions is connected.
    dry_run
        Say what would be done, and change nothing.
    data_dir
        Directory of the embedded PostgreSQL, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff.migrating import run_migrate

    return _run(run_migrate(settings, contract=contract, is_dry_run=dry_run, say=_say))


@app.command(group=_HERE)
def retention(
    *,
    keep_days: int | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
    data_dir: Path | None = None,
) -> int:
    """Drop the periods in which everything is old, while others dial; what is open or undelivered is kept.

    Parameters
    ----------
    keep_days
        How long calls are kept after they have ended (RINGOFF_RETENTION_DAYS).
    dry_run
        Say what would be dropped and what would be kept, and change nothing.
    json
        Print the report as JSON.
    data_dir
        Directory of the embedded PostgreSQL, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff.retaining import run_retention

    return _run(run_retention(settings, keep_days=keep_days, is_dry_run=dry_run, is_json=json, say=_say))


@app.command(group=_HERE)
def doctor(*, json: Annotated[bool, Parameter(negative="")] = False, data_dir: Path | None = None) -> int:
    """Look at database, durability, migrations, carrier and invariants; change nothing.

    Parameters
    ----------
    json
        Print each check as JSON, on a line of its own.
    data_dir
        Directory of the embedded PostgreSQL, unless RINGOFF_DATABASE_URL is set.
    """
    settings = _settings({"data_dir": _text(data_dir)})
    from ringoff.doctor import run_checks

    bad: list[str] = []

    async def report() -> None:
        async for check in run_checks(settings):
            if json:
                _say(dumps({"is_good": check.is_good, "name": check.name, "words": check.words}))
            else:
                _say(f"{'ok  ' if check.is_good else 'BAD '} {check.name}: {check.words}")
            if not check.is_good:
                bad.append(check.name)

    return _run(report()) or (FAILED if bad else OK)


@app.command(group=_HERE)
def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print a script that completes commands and options; `ringoff --install-completion` puts it into its place.

    Parameters
    ----------
    shell
        The shell that will read it.
    """
    sys.stdout.write(app.generate_completion(shell=shell))
    return OK


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


def _say(lines: str) -> None:
    # Names of trunks and words of carriers are among them.
    for line in lines.split("\n"):
        print(plain(line), flush=True)


def _say_wrong(message: str) -> None:
    print(f"ringoff: {plain(message)}", file=sys.stderr, flush=True)


def _complain(message: str, code: int) -> int:
    _say_wrong(message)
    return code


if __name__ == "__main__":
    main()
