"""`ringoff login` and `ringoff logout`: a server and its key, checked with a request and kept for its owner alone."""

import os
import sys
from getpass import getpass
from typing import Final

from ringoff.commands.desk import Desk, Flag, Json
from ringoff.commands.ending import FAILED, MISUSED, OK, Ended
from ringoff.commands.profiles import DEFAULT_PROFILE, Login, logins_path, read_logins, write_logins
from ringoff.commands.server import DEFAULT_URL, HERE, Server, connected

_KEY_LENGTH_MAX: Final = 1_024


def login(*, server: Server = HERE, json: Json = False) -> int:
    """Keep a server and a key for all later commands, after the server has accepted the key.

    Without --api-key the key is asked for, or read from standard input where that is no terminal: options are visible
    to other users of the machine. With --profile the login gets a name.
    """
    desk = Desk()
    name = server.profile or os.environ.get("RINGOFF_PROFILE") or DEFAULT_PROFILE
    path = logins_path(os.environ)
    logins = read_logins(path)
    known = logins[name].url if name in logins else DEFAULT_URL
    url = server.url or os.environ.get("RINGOFF_URL") or known
    key = server.api_key or _read_key(url)
    with connected(Server(url=url, api_key=key)) as api:
        workspace = api.workspace.get()
    kept = Login(url.rstrip("/"), key)
    write_logins(path, {**logins, name: kept})
    if json:
        desk.json({"profile": name, "url": kept.url, "workspace": {"id": workspace.id, "name": workspace.name}})
    else:
        desk.say(f"Logged in to {kept.url}, workspace {workspace.name}; the key is in {path}")
    for variable in ("RINGOFF_URL", "RINGOFF_API_KEY"):
        if os.environ.get(variable):
            desk.note(f"{variable} is set, and goes before the login")
    return OK


def logout(*, profile: str | None = None, all_profiles: Flag = False, json: Json = False) -> int:
    """Forget a login. Its key stays valid: DELETE /api/v1/api-keys/{id} ends a key.

    Parameters
    ----------
    profile
        The login of this name (RINGOFF_PROFILE, then `default`).
    all_profiles
        Every login.
    """
    desk = Desk()
    path = logins_path(os.environ)
    logins = read_logins(path)
    name = profile or os.environ.get("RINGOFF_PROFILE") or DEFAULT_PROFILE
    if not all_profiles and name not in logins:
        there = f" (there are {', '.join(sorted(logins))})" if logins else ""
        raise Ended(f"there is no login {name!r}{there}", FAILED)
    left = {} if all_profiles else {other: login for other, login in logins.items() if other != name}
    if left:
        write_logins(path, left)
    else:
        path.unlink(missing_ok=True)
    forgotten = sorted(logins) if all_profiles else [name]
    if json:
        desk.json({"forgotten": forgotten})
    else:
        desk.say(f"Forgotten: {', '.join(forgotten) or 'nothing, there was none'}")
    return OK


def _read_key(url: str) -> str:
    if not sys.stdin.isatty():
        key = sys.stdin.readline(_KEY_LENGTH_MAX).strip()
    else:
        try:
            key = getpass(f"API key for {url}: ").strip()
        except (EOFError, KeyboardInterrupt):
            raise Ended("nothing was kept", FAILED) from None
    if not key:
        raise Ended("give --api-key, or the key on standard input; nothing was kept", MISUSED)
    return key
