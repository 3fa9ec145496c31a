"""What a SIP trunk's configuration may say, and how it is checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.errors import InvalidInput

GATEWAYS_MAX: Final = 8
WEIGHT_MAX: Final = 100
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_QUOTABLE: Final = re.compile(r'[^\x00-\x1f\x7f"\\]{1,128}')
_TRUNK_KEYS: Final = frozenset({
    "gateways", "p_asserted_identity", "from_domain", "options_interval_s", "agent_answer_timeout_s",
    "local_address", "local_port", "offer_in_invite",
})  # fmt: skip
_GATEWAY_KEYS: Final = frozenset({"host", "port", "username", "password", "weight"})


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where requests go. ``weight`` is its share of the attempts that begin with it."""

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    weight: int = 1


@dataclass(frozen=True, slots=True)
class SipConfig:
    gateways: tuple[Gateway, ...]
    p_asserted_identity: bool
    offer_in_invite: bool
    from_domain: str | None
    options_interval_s: float
    agent_answer_timeout_s: float
    local_address: str | None
    local_port: int


def read_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration with its defaults filled in; ``InvalidInput`` names the key that is wrong."""
    _refuse_unknown(config, _TRUNK_KEYS, "config")
    gateways = config.get("gateways")
    if not isinstance(gateways, list) or not 1 <= len(gateways) <= GATEWAYS_MAX:
        raise InvalidInput(f"a SIP trunk needs a list of 1 to {GATEWAYS_MAX} gateways", field="config.gateways")
    return {
        "gateways": [_read_gateway(gateway, position) for position, gateway in enumerate(gateways)],
        "p_asserted_identity": _flag(config, "p_asserted_identity"),
        "offer_in_invite": _flag(config, "offer_in_invite"),
        "from_domain": _optional_host(config, "from_domain"),
        "options_interval_s": _number(config, "options_interval_s", 30, 0, 3_600),
        "agent_answer_timeout_s": _number(config, "agent_answer_timeout_s", 10, 1, 25),
        "local_address": _optional_host(config, "local_address"),
        "local_port": int(_number(config, "local_port", 0, 0, 65_535)),
    }


def config_of(trunk: TrunkSpec) -> SipConfig:
    """The stored configuration, read again: it may be older than this version."""
    known = read_config(trunk.config)
    gateways = tuple(Gateway(**gateway) for gateway in known["gateways"])
    return SipConfig(**{**known, "gateways": gateways})


def _read_gateway(gateway: Any, position: int) -> Mapping[str, Any]:
    at = f"config.gateways[{position}]"
    if not isinstance(gateway, Mapping):
        raise InvalidInput("a gateway is an object with a host", field=at)
    _refuse_unknown(gateway, _GATEWAY_KEYS, at)
    host = gateway.get("host")
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise InvalidInput("a host name or an IPv4 address", field=f"{at}.host")
    port = gateway.get("port", 5060)
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65_535:
        raise InvalidInput("a port from 1 to 65535", field=f"{at}.port")
    weight = gateway.get("weight", 1)
    if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= WEIGHT_MAX:
        raise InvalidInput(f"a whole number from 1 to {WEIGHT_MAX}", field=f"{at}.weight")
    username, password = gateway.get("username"), gateway.get("password")
    if (username is None) != (password is None):
        raise InvalidInput("username and password go together", field=at)
    for key, text in (("username", username), ("password", password)):
        if text is not None and not (isinstance(text, str) and _QUOTABLE.fullmatch(text)):
            raise InvalidInput("1 to 128 characters without quotes, backslashes and controls", field=f"{at}.{key}")
    return {"host": host, "port": port, "username": username, "password": password, "weight": weight}


def _refuse_unknown(given: Mapping[str, Any], known: frozenset[str], at: str) -> None:
    for key in given:
        if key not in known:
            raise InvalidInput(f"unknown; known are {', '.join(sorted(known))}", field=f"{at}.{key}")


def _flag(config: Mapping[str, Any], key: str) -> bool:
    flag = config.get(key, False)
    if not isinstance(flag, bool):
        raise InvalidInput("true or false", field=f"config.{key}")
    return flag


def _optional_host(config: Mapping[str, Any], key: str) -> str | None:
    host = config.get(key)
    if host is None:
        return None
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise InvalidInput("a host name or an IPv4 address", field=f"config.{key}")
    return host


def _number(config: Mapping[str, Any], key: str, default: float, least: float, most: float) -> float:
    number = config.get(key, default)
    if not isinstance(number, int | float) or isinstance(number, bool) or not least <= number <= most:
        raise InvalidInput(f"a number from {least:g} to {most:g}", field=f"config.{key}")
    return number
