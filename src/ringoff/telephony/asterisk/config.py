"""The configuration of an Asterisk trunk: what may be in it, and what it is without."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ringoff.domain.errors import InvalidInput

_DEFAULTS: Final[Mapping[str, str]] = {
    "app": "ringoff", "agent_endpoint": "", "amd_context": "", "amd_on_machine": "hangup",
}  # fmt: skip
_KEYS: Final = (
    "url", "username", "password", "endpoint", "app", "agent_endpoint", "amd_context", "amd_on_machine",
)  # fmt: skip
_TEXT_MAX: Final = 500
_APP: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_CONTEXT: Final = re.compile(r"[A-Za-z0-9_-]{1,79}")
_ON_MACHINE: Final = ("hangup", "continue")
_USERNAME: Final = re.compile(r"[^\s:]+")
_TECHNOLOGY: Final = re.compile(r"[A-Za-z0-9]+/[^\s{}]*\{(?:number|uri)\}[^\s{}]*")


def read_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The trunk's configuration, checked and complete.

    Raises ``InvalidInput`` with the field, for instance ``config.url``. Passwords are never repeated in a message.
    """
    for key in config:
        if key not in _KEYS:
            raise InvalidInput(f"unknown key {str(key)[:60]!r}; known are {', '.join(_KEYS)}", field="config")
    read = {key: _text(config, key) for key in _KEYS}
    read["url"] = _url(read["url"])
    if not _USERNAME.fullmatch(read["username"]):
        raise InvalidInput("a user of ari.conf, without spaces and colons", field="config.username")
    if not _APP.fullmatch(read["app"]):
        raise InvalidInput("the Stasis application: letters, digits, - and _, at most 60", field="config.app")
    _check_template(read["endpoint"], "number", "config.endpoint", "PJSIP/{number}@trunk")
    if read["agent_endpoint"]:
        _check_template(read["agent_endpoint"], "uri", "config.agent_endpoint", "PJSIP/agents/{uri}")
    if read["amd_context"] and not _CONTEXT.fullmatch(read["amd_context"]):
        raise InvalidInput(
            "a context of extensions.conf: letters, digits, - and _, at most 79", field="config.amd_context"
        )
    if read["amd_on_machine"] not in _ON_MACHINE:
        raise InvalidInput(f"one of {', '.join(_ON_MACHINE)}", field="config.amd_on_machine")
    return read


def _text(config: Mapping[str, Any], key: str) -> str:
    if key not in config and key in _DEFAULTS:
        return _DEFAULTS[key]
    value = config.get(key)
    if not isinstance(value, str) or (not value and key not in _DEFAULTS):
        raise InvalidInput(f"{key} is needed, as text", field=f"config.{key}")
    if len(value) > _TEXT_MAX or not value.isprintable():
        raise InvalidInput(f"at most {_TEXT_MAX} printable characters", field=f"config.{key}")
    return value


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good, parts = False, urlsplit("")
    if not is_good or parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidInput(
            "the address of Asterisk's HTTP server, like http://127.0.0.1:8088; user and password have their own keys",
            field="config.url",
        )
    return text.rstrip("/").removesuffix("/ari")


def _check_template(text: str, name: str, field: str, example: str) -> None:
    if not _TECHNOLOGY.fullmatch(text) or f"{{{name}}}" not in text:
        raise InvalidInput(f"a dial string with {{{name}}} in it once, like {example}", field=field)
