"""What every route needs: the store, the clock, the limits, and the drivers that are installed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringoff.api.heavy_requests import HeavyRequests
from ringoff.driver_port import ReadConfig
from ringoff.observer_port import NOBODY, Observer
from ringoff.ports import Clock, Store
from ringoff.readiness import Readiness

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Sizes that a request may have; each is a setting."""

    json_bytes_max: int = MIB
    csv_bytes_max: int = 200 * MIB
    form_field_bytes_max: int = 256 * 1024
    form_fields_max: int = 32
    webhook_allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Services:
    """Handed to every handler by the route layer."""

    store: Store
    clock: Clock
    limits: ApiLimits
    drivers: Mapping[str, ReadConfig]
    """The carriers that a trunk may name, each with the reader of its configuration."""
    observer: Observer = NOBODY
    readiness: Readiness = field(default_factory=Readiness)
    heavy_requests: HeavyRequests = field(default_factory=HeavyRequests)
