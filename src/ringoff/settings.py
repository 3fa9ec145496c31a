"""Environment and file to one frozen object: every setting checked, every mistake named with its rule."""

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from ringoff.domain.errors import InvalidInput
from ringoff.telephony.outcome_mix import WARM, OutcomeMix, parse_mix

PREFIX = "RINGOFF_"
CONFIG_VARIABLE = "RINGOFF_CONFIG"
MIB = 1024 * 1024

# Variables of the same family that are read elsewhere: where the file is, and what the command line's client uses.
_OTHER_VARIABLES = {CONFIG_VARIABLE, "RINGOFF_URL", "RINGOFF_API_KEY", "RINGOFF_PROFILE"}
_TEST_PREFIX = "RINGOFF_TEST_"
# What its field calls one of ours; the other OTEL_* variables are read by the OpenTelemetry SDK itself.
_FOREIGN_NAMES = {"OTEL_EXPORTER_OTLP_ENDPOINT": "otel_endpoint"}

Reader = Callable[[str], Any]


class _BrokenRule(ValueError):
    """The rule that a text does not keep."""


def _whole(lowest: int, highest: int) -> Reader:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not lowest <= int(text) <= highest:
            raise _BrokenRule(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return read


def _real(lowest: float, highest: float) -> Reader:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not lowest <= number <= highest:
            raise _BrokenRule(f"must be a number from {lowest:g} to {highest:g}")
        return number

    return read


def _word(*words: str) -> Reader:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise _BrokenRule(f"must be one of {', '.join(words)}")
        return text.lower()

    return read


def _text(text: str) -> str:
    return text


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _new_file(text: str) -> Path:
    path = _path(text)
    if not path.parent.is_dir():
        raise _BrokenRule("must name a file in a directory that exists")
    return path


def _url(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise _BrokenRule("must start with postgresql://")
    return text


def _http_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise _BrokenRule("must start with http:// or https://")
    return text


def _seconds(text: str) -> tuple[float, ...]:
    read = _real(0, 86_400)
    waits = tuple(read(part.strip()) for part in text.split(","))
    if len(waits) > 20:
        raise _BrokenRule("must be at most 20 numbers, with commas between them")
    return waits


def _yes_or_no(text: str) -> bool:
    return bool(_word("true", "false")(text) == "true")


def _mix(text: str) -> OutcomeMix:
    try:
        return parse_mix(text)
    except InvalidInput as error:
        raise _BrokenRule(error.message) from error


def _setting(default: Any, read: Reader) -> Any:
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What docs/settings.md describes, in its order. The variable is the field's name in capitals after RINGOFF_."""

    data_dir: Path = field(metadata={"read": _path})
    database_url: str | None = _setting(None, _url)
    migrate: str = _setting("auto", _word("auto", "never"))
    start_wait_s: float = _setting(60.0, _real(0, 86_400))
    host: str = _setting("127.0.0.1", _text)
    port: int = _setting(8080, _whole(0, 65_535))
    metrics_port: int | None = _setting(None, _whole(0, 65_535))
    bootstrap_api_key: str | None = _setting(None, _text)
    simulated_speed: float = _setting(1.0, _real(0.001, 1e9))
    simulated_seed: int = _setting(0, _whole(0, 2**63 - 1))
    simulated_mix: OutcomeMix = _setting(WARM, _mix)
    simulated_wire_log: Path | None = _setting(None, _new_file)
    json_bytes_max: int = _setting(MIB, _whole(1024, 64 * MIB))
    csv_bytes_max: int = _setting(200 * MIB, _whole(1024, 4096 * MIB))
    batch_max: int = _setting(50, _whole(1, 1_000))
    lease_s: float = _setting(15.0, _real(2, 600))
    permit_ttl_ms: int = _setting(250, _whole(10, 10_000))
    slot_ttl_ms: int = _setting(100, _whole(10, 1_000))
    originate_timeout_ms: int = _setting(1_000, _whole(50, 60_000))
    poll_s: float = _setting(1.0, _real(0.01, 60))
    drain_s: float = _setting(5.0, _real(0, 3_600))
    drain_notice_s: float = _setting(0.0, _real(0, 300))
    ring_timeout_s: float = _setting(60.0, _real(5, 180))
    silence_timeout_s: float = _setting(40.0, _real(5, 300))
    sweep_batch_max: int = _setting(5_000, _whole(1, 100_000))
    invariants_every_s: float = _setting(60.0, _real(0, 86_400))
    outbox_keep_h: int = _setting(72, _whole(1, 8_760))
    retention_days: int | None = _setting(None, _whole(1, 36_500))
    webhook_timeout_s: float = _setting(30.0, _real(0.1, 300))
    webhook_backoff_s: tuple[float, ...] = _setting((10.0, 60.0, 120.0), _seconds)
    webhook_in_flight_max: int = _setting(50, _whole(1, 1_000))
    webhook_failures_max: int = _setting(20, _whole(1, 1_000_000))
    webhook_failing_s: float = _setting(300.0, _real(0, 86_400))
    webhook_allow_private: bool = _setting(False, _yes_or_no)
    pool_max: int = _setting(10, _whole(2, 1_000))
    order_pool_max: int = _setting(4, _whole(1, 1_000))
    dispatch_pool_max: int = _setting(10, _whole(1, 1_000))
    statement_timeout_ms: int = _setting(600_000, _whole(1_000, 3_600_000))
    log_level: str = _setting("info", _word("debug", "info", "warning", "error"))
    log_format: str = _setting("auto", _word("auto", "console", "json"))
    otel_endpoint: str | None = _setting(None, _http_url)


def load_settings(
    environment: Mapping[str, str], overrides: Mapping[str, str | None] | None = None
) -> tuple[Settings, list[str]]:
    """The settings, and the RINGOFF_* variables that mean nothing (a warning: they may belong to another version).

    An override (a command line option) beats the environment, which beats the file. An empty variable is unset.
    """
    known = {setting.name: setting for setting in fields(Settings)}
    texts: dict[str, tuple[str, str]] = {name: (text, place) for name, text, place in _from_file(environment, known)}
    for variable, name in _FOREIGN_NAMES.items():
        if environment.get(variable):
            texts[name] = (environment[variable], variable)
    unknown = []
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or variable in _OTHER_VARIABLES or variable.startswith(_TEST_PREFIX):
            continue
        if name not in known:
            unknown.append(variable)
        elif text:
            texts[name] = (text, variable)
    for name, override in (overrides or {}).items():
        if override is not None:
            texts[name] = (override, f"--{name.replace('_', '-')}")
    values: dict[str, Any] = {"data_dir": default_data_dir(environment)}
    for name, (text, place) in texts.items():
        try:
            values[name] = known[name].metadata["read"](text)
        except _BrokenRule as error:
            # The text is not repeated: a URL has a password in it.
            raise InvalidInput(f"{place} {error}", field=place) from error
    return _checked(Settings(**values)), sorted(unknown)


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """The place for such things by the XDG base directory specification."""
    base = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "ringoff"


def default_of(name: str) -> Any:
    """The default of one setting; None where there is none."""
    setting = next(setting for setting in fields(Settings) if setting.name == name)
    return None if setting.default is MISSING else setting.default


def _from_file(environment: Mapping[str, str], known: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    if not (location := environment.get(CONFIG_VARIABLE)):
        return []
    try:
        table = tomllib.loads(Path(location).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{CONFIG_VARIABLE}: {location} cannot be read: {error}", field=CONFIG_VARIABLE) from error
    settings = []
    for name, value in table.items():
        place = f"{name} in {location}"
        if name not in known:
            raise InvalidInput(f"{place} is no setting", field=name)
        is_misplaced_bool = isinstance(value, bool) and not isinstance(known[name].default, bool)
        if is_misplaced_bool or not isinstance(value, str | int | float):
            raise InvalidInput(f"{place} must be a text or a number", field=name)
        settings.append((name, str(value), place))
    return settings


def _checked(settings: Settings) -> Settings:
    """The rules between settings."""
    if settings.permit_ttl_ms >= settings.originate_timeout_ms:
        raise InvalidInput(
            "RINGOFF_PERMIT_TTL_MS must be smaller than RINGOFF_ORIGINATE_TIMEOUT_MS:"
            " a permit must be dead before the database ends its transaction",
            field="RINGOFF_PERMIT_TTL_MS",
        )
    return settings
