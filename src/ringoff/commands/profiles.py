"""What `ringoff login` keeps: servers and keys by name, in a file that only its owner can read."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringoff.commands.ending import FAILED, Ended

DEFAULT_PROFILE: Final = "default"
_OTHERS_MASK: Final = 0o077


@dataclass(frozen=True, slots=True)
class Login:
    """A server, and a key that it has accepted."""

    url: str
    api_key: str


def logins_path(environment: Mapping[str, str]) -> Path:
    """The place for such a file by the XDG base directory specification."""
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "ringoff" / "logins.json"


def read_logins(path: Path) -> dict[str, Login]:
    """By their names; none without a file. ``Ended`` for a file that others can read, or that is damaged."""
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS_MASK:
                raise Ended(f"{path} has keys in it and others can read it: chmod 600 {path}", FAILED)
            given = json.load(file)
        return {name: Login(_text(login, "url"), _text(login, "api_key")) for name, login in given.items()}
    except FileNotFoundError:
        return {}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise Ended(f"{path} is damaged: remove it, then `ringoff login` again", FAILED) from error


def write_logins(path: Path, logins: Mapping[str, Login]) -> None:
    """All of them at once, and readable for their owner alone from the first byte on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = {name: {"url": login.url, "api_key": login.api_key} for name, login in logins.items()}
    # mkstemp gives mode 0600; a file that is half written never has the name.
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".logins-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _text(login: Any, name: str) -> str:
    value = login[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value
