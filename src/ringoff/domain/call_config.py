"""How the calls of a campaign, or one individual call, are placed: time-outs, retries, call window, start.

The input has the shape of the public API; the stored shape is our own and round-trips exactly.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from ringoff.domain.call_window import (
    ALWAYS,
    DEFAULT_TIMEZONE,
    CallWindow,
    local_to_utc,
    parse_window,
    require_timezone,
)
from ringoff.domain.errors import InvalidInput
from ringoff.domain.retry_policy import RETRY_COUNT_MAX, RETRY_DELAY_MAX_MIN, RetryPolicy

IDLE_TIMEOUT_MAX_S: Final = 3600
CALL_LENGTH_MAX_S: Final = 86_400
# Room for every zone's offset on both sides, and no campaign starts outside of it.
YEAR_MIN: Final = 2000
YEAR_MAX: Final = 2999

NO_RETRIES: Final = RetryPolicy()

_ISO_8601: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(?: *, *| +)([0-9]{1,2}):([0-9]{2})")

_SHOWN_MAX: Final = 40
_RETRY_KEYS: Final = frozenset({"retry_count", "retry_busy", "retry_not_picked", "retry_failed", "retry_rejected"})
_TIME_KEYS: Final = frozenset({"call_start_time", "call_end_time", "timezone", "scheduled_at"})


@dataclass(frozen=True, slots=True)
class CallConfig:
    """The settings of a call; the defaults are the public API's."""

    idle_timeout_warning_s: int = 5
    idle_timeout_end_s: int = 10
    max_call_length_s: int = 240
    retry: RetryPolicy = NO_RETRIES
    window: CallWindow = ALWAYS
    scheduled_at: datetime | None = None
    """Not before this instant (aware UTC); the window applies as well."""


def parse_call_config(raw: object, field: str = "call_config") -> CallConfig:
    """Read the public shape. ``null`` is absent.

    Unknown keys at the top are ignored, as older clients send some; inside the parts they are refused, because a
    misspelt ``call_end_time`` must not let calls ring at night.
    """
    if raw is None:
        return CallConfig()
    given = _object(raw, field)
    default = CallConfig()
    window, scheduled_at = _parse_call_time(given.get("call_time"), f"{field}.call_time")
    return CallConfig(
        idle_timeout_warning_s=_whole(
            given, "idle_timeout_warning", field, default.idle_timeout_warning_s, most=IDLE_TIMEOUT_MAX_S
        ),
        idle_timeout_end_s=_whole(
            given, "idle_timeout_end", field, default.idle_timeout_end_s, most=IDLE_TIMEOUT_MAX_S
        ),
        max_call_length_s=_whole(
            given, "max_call_length", field, default.max_call_length_s, least=1, most=CALL_LENGTH_MAX_S
        ),
        retry=_parse_retry(given.get("call_retry_config"), f"{field}.call_retry_config"),
        window=window,
        scheduled_at=scheduled_at,
    )


def parse_campaign_time(text: str, timezone: str, field: str) -> datetime:
    """Read ``DD/MM/YYYY, HH:MM`` or ISO 8601 as aware UTC; without an offset it is local time in ``timezone``.

    A local time that the clocks skip is shifted forward; one that happens twice is the first of the two.
    """
    require_timezone(timezone, "timezone")
    trimmed = text.strip()
    try:
        if _ISO_8601.fullmatch(trimmed):
            moment = datetime.fromisoformat(trimmed)
        elif found := _DAY_FIRST.fullmatch(trimmed):
            day, month, year, hour, minute = (int(part) for part in found.groups())
            moment = datetime(year, month, day, hour, minute)  # noqa: DTZ001 - local, in `timezone`
        else:
            raise ValueError
    except ValueError:
        shown = text[:_SHOWN_MAX]
        raise InvalidInput(f"{field} must be 'DD/MM/YYYY, HH:MM' or ISO 8601, not {shown!r}", field=field) from None
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        raise InvalidInput(f"{field} must be between the years {YEAR_MIN} and {YEAR_MAX}", field=field)
    return moment.astimezone(UTC) if moment.tzinfo else local_to_utc(moment, timezone)


def to_json(config: CallConfig) -> dict[str, Any]:
    """The stored shape."""
    retry, window = config.retry, config.window
    return {
        "idle_timeout_warning_s": config.idle_timeout_warning_s,
        "idle_timeout_end_s": config.idle_timeout_end_s,
        "max_call_length_s": config.max_call_length_s,
        "retry": {
            "retry_count": retry.retry_count,
            "retry_busy_min": retry.retry_busy_min,
            "retry_not_picked_min": retry.retry_not_picked_min,
            "retry_failed_min": retry.retry_failed_min,
            "retry_rejected": retry.retry_rejected,
        },
        "window": {"start_min": window.start_min, "end_min": window.end_min, "timezone": window.timezone},
        "scheduled_at": config.scheduled_at.isoformat() if config.scheduled_at else None,
    }


def from_json(stored: Mapping[str, Any]) -> CallConfig:
    """Read the stored shape; what an older version did not store takes its default, what a newer one did is ignored."""
    known = {name: stored[name] for name in _STORED if name in stored}
    retry = RetryPolicy(**_known(stored.get("retry", {}), _RETRY_STORED))
    window = CallWindow(**_known(stored["window"], _WINDOW_STORED)) if "window" in stored else ALWAYS
    scheduled = stored.get("scheduled_at")
    return CallConfig(
        **known, retry=retry, window=window, scheduled_at=datetime.fromisoformat(scheduled) if scheduled else None
    )


_STORED: Final = ("idle_timeout_warning_s", "idle_timeout_end_s", "max_call_length_s")
_RETRY_STORED: Final = frozenset(field.name for field in fields(RetryPolicy))
_WINDOW_STORED: Final = frozenset(field.name for field in fields(CallWindow))


def _known(stored: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name in names}


def _parse_retry(raw: object, field: str) -> RetryPolicy:
    if raw is None:
        return RetryPolicy()
    given = _object(raw, field, _RETRY_KEYS)
    default = RetryPolicy()
    rejected = given.get("retry_rejected")
    if rejected is not None and not isinstance(rejected, bool):
        raise InvalidInput(f"{field}.retry_rejected must be true or false", field=f"{field}.retry_rejected")
    return RetryPolicy(
        retry_count=_whole(given, "retry_count", field, default.retry_count, most=RETRY_COUNT_MAX),
        retry_busy_min=_whole(given, "retry_busy", field, default.retry_busy_min, most=RETRY_DELAY_MAX_MIN),
        retry_not_picked_min=_whole(
            given, "retry_not_picked", field, default.retry_not_picked_min, most=RETRY_DELAY_MAX_MIN
        ),
        retry_failed_min=_whole(given, "retry_failed", field, default.retry_failed_min, most=RETRY_DELAY_MAX_MIN),
        retry_rejected=bool(rejected),
    )


def _parse_call_time(raw: object, field: str) -> tuple[CallWindow, datetime | None]:
    if raw is None:
        return ALWAYS, None
    given = _object(raw, field, _TIME_KEYS)
    timezone = _text(given, "timezone", field) or DEFAULT_TIMEZONE
    start = _text(given, "call_start_time", field) or "00:00"
    end = _text(given, "call_end_time", field) or "24:00"
    window = parse_window(start, end, timezone, field)
    scheduled = _text(given, "scheduled_at", field)
    if scheduled is None:
        return window, None
    return window, parse_campaign_time(scheduled, timezone, f"{field}.scheduled_at")


def _object(raw: object, field: str, known: frozenset[str] | None = None) -> Mapping[str, object]:
    if not isinstance(raw, Mapping):
        raise InvalidInput(f"{field} must be an object", field=field)
    for key in raw:
        if known is not None and key not in known:
            path = f"{field}.{str(key)[:_SHOWN_MAX]}"
            raise InvalidInput(f"{path} is not a known field", field=path)
    return raw


def _text(given: Mapping[str, object], key: str, field: str) -> str | None:
    value = given.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidInput(f"{field}.{key} must be a non-empty string", field=f"{field}.{key}")
    return value


def _whole(given: Mapping[str, object], key: str, field: str, default: int, *, least: int = 0, most: int) -> int:
    """A whole number in range; ``30.0`` is whole, ``true`` and ``"30"`` are not numbers."""
    value = given.get(key)
    if value is None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidInput(f"{field}.{key} must be a whole number from {least} to {most}", field=f"{field}.{key}")
    return value
