"""How busy the installation is, of all tenants together: what is read from the database for those who watch it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DriverReading:
    """All trunks of one driver kind. Limits are those of its enabled trunks."""

    driver: str
    live_by_state: Mapping[str, int]
    """Attempts that take a channel, by their state."""
    channels_max: int
    cps: int
    """Requests granted in the last second."""
    cps_max: float
    cps_allowed: float
    """What congestion has left of it, now."""
    trunks_by_condition: Mapping[str, int]
    """A trunk may be in several, and in none but ``enabled``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the database; ages are in seconds, and 0 when there is nothing that has one."""

    drivers: Sequence[DriverReading]
    campaigns_by_status: Mapping[str, int]
    """Scheduled, ongoing and paused ones."""
    calls_open: int
    """Calls of those campaigns that are not over: waiting, or on the wire."""
    settling_count: int
    settling_oldest_s: float
    outbox_oldest_s: float
    undelivered_oldest_s: float
    webhooks_paused_count: int
    confirming_standbys: int
    """Standbys that a commit waits for and that are there."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """One pool of database connections of this process, now."""

    name: str
    in_use: int
    size_max: int
    waiting: int
    """Who asks for a connection and has none yet."""
    wait_count: int
    """How often somebody had to wait since the start: all were taken, and no more may be opened."""
