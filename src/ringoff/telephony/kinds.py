"""The kinds of carrier: those that come with Ringoff, and those that packages bring by entry point ``ringoff.drivers``.

An entry point names a ``DriverKind``; the name of the entry point is what a trunk's ``driver`` says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

from ringoff.domain.errors import InvalidInput
from ringoff.ports import CallDriver, Clock, ReadConfig

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


def installed_kinds() -> dict[str, DriverKind]:
    """Kinds of other packages; those of our own names are not replaced."""
    return {point.name: point.load() for point in entry_points(group=ENTRY_POINT_GROUP)}
