"""The ``config`` of a Twilio trunk: read when it is stored, and read again by the driver, which trusts no row."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import AttemptId, TrunkId, WorkspaceId

BASE_URL: Final = "https://api.twilio.com"
CALLBACK_PATH: Final = "/carriers/twilio"
POLL_S: Final = 15.0
_POLL_MIN_S: Final = 1.0
_POLL_MAX_S: Final = 3_600.0
_URL_LENGTH_MAX: Final = 512
_TOKEN_LENGTH_MAX: Final = 256
# Twilio's begin with AC and have 32 hex digits; APIs that copy it have ids of other shapes. It is a path segment.
_ACCOUNT_SID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TOKEN: Final = re.compile(r"[!-~]+")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_KEYS: Final = frozenset(
    {"account_sid", "auth_token", "base_url", "callback_base_url", "machine_detection", "poll_s"},
)


@dataclass(frozen=True, slots=True)
class TwilioTrunk:
    """A trunk's account, and where it is reached and reports to."""

    workspace_id: WorkspaceId
    trunk_id: TrunkId
    account_sid: str
    auth_token: str = field(repr=False)
    base_url: str
    callback_base_url: str
    machine_detection: bool
    poll_s: float

    @classmethod
    def of(cls, spec: TrunkSpec) -> "TwilioTrunk":
        """Raises ``InvalidInput`` like ``read_config``."""
        return cls(spec.workspace_id, spec.trunk_id, **read_config(spec.config))

    def callback_url(self, attempt_id: AttemptId) -> str:
        """Where the carrier reports about this attempt; also what its signature is computed over."""
        return f"{self.callback_base_url}{CALLBACK_PATH}/{self.trunk_id}/{attempt_id}"

    @property
    def account_url(self) -> str:
        """Of the account's resource, without ``.json``. See https://www.twilio.com/docs/iam/api/account."""
        return f"{self.base_url}/2010-04-01/Accounts/{self.account_sid}"


def read_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check and complete a trunk's ``config``.

    Raises ``InvalidInput`` that names the key. What it returns it would read again to the same.
    """
    for key in sorted(config.keys() - _KEYS):
        raise InvalidInput(
            f"config.{key[:64]} is not known; there is: {', '.join(sorted(_KEYS))}", field=f"config.{key[:64]}"
        )
    account_sid = _text(config, "account_sid", 64)
    if not _ACCOUNT_SID.fullmatch(account_sid):
        raise InvalidInput(
            "config.account_sid must have 1 to 64 letters, digits, - or _, like AC and 32 hex digits",
            field="config.account_sid",
        )
    auth_token = _text(config, "auth_token", _TOKEN_LENGTH_MAX)
    if not _TOKEN.fullmatch(auth_token):
        raise InvalidInput("config.auth_token must be printable ASCII without spaces", field="config.auth_token")
    machine_detection = config.get("machine_detection", False)
    if not isinstance(machine_detection, bool):
        raise InvalidInput("config.machine_detection must be true or false", field="config.machine_detection")
    return {
        "account_sid": account_sid,
        "auth_token": auth_token,
        "base_url": _url(config, "base_url", BASE_URL),
        "callback_base_url": _callback_base_url(config),
        "machine_detection": machine_detection,
        "poll_s": _poll_s(config),
    }


def _text(config: Mapping[str, Any], key: str, length_max: int, default: str | None = None) -> str:
    value = config.get(key, default)
    if value is None:
        raise InvalidInput(f"config.{key} is missing", field=f"config.{key}")
    if not isinstance(value, str) or not 1 <= len(value) <= length_max:
        raise InvalidInput(f"config.{key} must be a text of 1 to {length_max} characters", field=f"config.{key}")
    return value


def _url(config: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """An http(s) address that paths can be put behind. What is wrong is said without the address: it may hold a word
    that is secret."""
    text = _text(config, key, _URL_LENGTH_MAX, default)
    wrong = f"config.{key} must be an http:// or https:// address"
    if not text.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", text):
        raise InvalidInput(f"{wrong} in ASCII, without spaces", field=f"config.{key}")
    try:
        parts = urlsplit(text)
        has_bad_port = parts.port == 0
    except ValueError:
        raise InvalidInput(wrong, field=f"config.{key}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or has_bad_port:
        raise InvalidInput(wrong, field=f"config.{key}")
    if "@" in parts.netloc:
        raise InvalidInput(f"{wrong} without credentials in it", field=f"config.{key}")
    if "?" in text or "#" in text:
        raise InvalidInput(f"{wrong} without ? and #", field=f"config.{key}")
    return text.rstrip("/")


def _callback_base_url(config: Mapping[str, Any]) -> str:
    """Reports carry who was called: they cross the internet by TLS or not at all."""
    url = _url(config, "callback_base_url")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise InvalidInput(
            "config.callback_base_url must be https://, the address at which the internet reaches this server",
            field="config.callback_base_url",
        )
    return url


def _poll_s(config: Mapping[str, Any]) -> float:
    value = config.get("poll_s", POLL_S)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _POLL_MIN_S <= value <= _POLL_MAX_S:
        raise InvalidInput(
            f"config.poll_s must be a number of seconds from {_POLL_MIN_S:g} to {_POLL_MAX_S:g}", field="config.poll_s"
        )
    return float(value)
