"""The kinds of carrier: those that come with Ringoff, and those that packages bring by entry point ``ringoff.drivers``.

An entry point names a ``DriverKind``; the name of the entry point is what a trunk's ``driver`` says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

from ringoff.domain.errors import InvalidInput
from ringoff.driver_port import CallDriver, ReadConfig
from ringoff.ports import Clock
from ringoff.telephony.asterisk.config import read_config as read_asterisk_config
from ringoff.telephony.sip.config import read_config as read_sip_config
from ringoff.telephony.twilio.config import read_config as read_twilio_config

ENTRY_POINT_GROUP: Final = "ringoff.drivers"


@dataclass(frozen=True, slots=True)
class DriverKind:
    """How a trunk's configuration is read when it is stored, and how the driver is made."""

    read_config: ReadConfig
    make: Callable[[Clock], CallDriver]


def read_no_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """For a carrier without settings of its own."""
    for key in config:
        raise InvalidInput(f"this driver has no setting {key[:40]!r}", field=f"config.{key[:40]}")
    return {}


def _make_asterisk(clock: Clock) -> CallDriver:
    from ringoff.telephony.asterisk.driver import AsteriskDriver

    return AsteriskDriver(clock)


def _make_sip(clock: Clock) -> CallDriver:
    from ringoff.telephony.sip.driver import SipDriver

    return SipDriver(clock)


def _make_twilio(clock: Clock) -> CallDriver:
    from ringoff.telephony.twilio.driver import TwilioDriver

    return TwilioDriver(clock)


# What a driver needs is imported when the first trunk names it.
REAL_KINDS: Final[Mapping[str, DriverKind]] = {
    "asterisk": DriverKind(read_asterisk_config, _make_asterisk),
    "sip": DriverKind(read_sip_config, _make_sip),
    "twilio": DriverKind(read_twilio_config, _make_twilio),
}


def installed_kinds() -> dict[str, DriverKind]:
    """All but the simulated carrier, which has settings of its own. Other packages' never stand for our own."""
    return {point.name: point.load() for point in entry_points(group=ENTRY_POINT_GROUP)} | dict(REAL_KINDS)
