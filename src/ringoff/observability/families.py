"""Every metric of our own by name, kind, labels and meaning: what /metrics shows and docs/observability.md lists.

Names follow Prometheus: base units, ``_total`` for what only grows. A label has few values, known beforehand: no
number, no id and no name of a tenant ever is one. Trunks are rows of tenants, so what is said of them is said by driver
kind.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as it is scraped. ``help`` is its meaning, with what its labels say."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """As the documentation says it; empty where things are counted."""
        if self.name.endswith("_timestamp_seconds"):
            return "s, Unix time"
        if self.name.endswith("_seconds"):
            return "s"
        return "1/s" if self.name.startswith("ringoff_cps") else ""


_QUICK: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_REQUEST: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_RINGING: Final = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 45.0, 60.0, 90.0)
_TALKING: Final = (1.0, 3.0, 6.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0)


def _counter(name: str, labels: str, words: str) -> Family:
    return Family(f"ringoff_{name}_total", Kind.COUNTER, tuple(labels.split()), words)


def _gauge(name: str, labels: str, words: str) -> Family:
    return Family(f"ringoff_{name}", Kind.GAUGE, tuple(labels.split()), words)


def _histogram(name: str, labels: str, words: str, buckets: tuple[float, ...]) -> Family:
    return Family(f"ringoff_{name}_seconds", Kind.HISTOGRAM, tuple(labels.split()), words, buckets)


ORIGINATES = _counter(
    "originates", "driver", "First requests to ring that this process has put on the wire, or may have."
)
DIAL_ATTEMPTS = _counter(
    "dial_attempts", "driver disposition", "Dial attempts that this process has settled, by how they ended."
)
POST_DIAL_DELAY = _histogram(
    "post_dial_delay",
    "driver",
    "From the request to the first ringing (PDD), of attempts that rang; observed when they are settled.",
    _RINGING,
)
RINGING = _histogram(
    "ring",
    "driver end",
    "From the first ringing to the answer (end=answered) or to the release without one (end=unanswered).",
    _RINGING,
)
TALK = _histogram("talk", "driver", "Talk time of answered attempts; its count is the number of answers.", _TALKING)
DIAL_STEP = _histogram(
    "dial_step",
    "step",
    "One transaction of the dial path with its commit: claim, permit (with its requests), second_permit, settle.",
    _QUICK,
)
PERMITS_REFUSED = _counter(
    "permits_refused",
    "reason",
    "Claimed calls that were not dialled then: suppressed, forbidden (an order, a pause, a stopped trunk, found under"
    " the locks), window, too_late (claimed again), second_permit.",
)
LEASES_RESCUED = _counter(
    "leases_rescued", "", "Attempts of a process that had stopped renewing its lease, closed as indeterminate."
)
SWEPT_CALLS = _counter("swept_calls", "", "Calls that this process has settled behind the fences of orders.")
LOOP_FAILURES = _counter("loop_failures", "loop", "Failures of a loop, each of which was started again.")
TERMINATIONS = _counter(
    "terminations",
    "level outcome",
    "Orders to terminate calls, by selector: given, replayed, nothing_terminable, refused (the order or its key was"
    " wrong), failed.",
)
TERMINATION = _histogram(
    "termination", "level", "From reading an order to its commit, of those that were given.", _QUICK
)
WEBHOOK_TRY = _histogram(
    "webhook_try",
    "target outcome",
    "Tries to deliver an event: target is subscription or callback; outcome is delivered, retried or dropped.",
    _REQUEST,
)
HTTP_REQUEST = _histogram(
    "http_request",
    "method route status",
    "Requests until their last byte, by the route's template (unmatched: none) and the status's class (2xx).",
    _REQUEST,
)
INVARIANT_BROKEN = _gauge(
    "invariant_broken", "rule", "Rows that broke a rule at the last look (10 means 10 or more); 0 is health."
)
INVARIANTS_CHECKED = _gauge(
    "invariants_checked_timestamp_seconds", "", "When all rules were last looked at, in Unix time; 0 before that."
)
INVARIANT_FAILURES = _counter("invariant_check_failures", "", "Looks that the database did not answer.")
BUILD = _gauge("build_info", "version", "Always 1; which version this process is.")

OF_PROCESS: Final = (
    ORIGINATES,
    DIAL_ATTEMPTS,
    POST_DIAL_DELAY,
    RINGING,
    TALK,
    DIAL_STEP,
    PERMITS_REFUSED,
    LEASES_RESCUED,
    SWEPT_CALLS,
    LOOP_FAILURES,
    TERMINATIONS,
    TERMINATION,
    WEBHOOK_TRY,
    HTTP_REQUEST,
    INVARIANT_BROKEN,
    INVARIANTS_CHECKED,
    INVARIANT_FAILURES,
    BUILD,
)
"""What a process counts of its own work: sums over all processes are the whole."""

POOL_IN_USE = _gauge("database_pool_in_use", "pool", "Connections in use: pool is requests, keys, orders or dispatch.")
POOL_MAX = _gauge("database_pool_max", "pool", "The most connections that the pool may open.")
POOL_WAITING = _gauge("database_pool_waiting", "pool", "Who asks for a connection and has none yet.")
POOL_WAITS = _counter("database_pool_waits", "pool", "How often a connection was asked for while all were in use.")

OF_POOLS: Final = (POOL_IN_USE, POOL_MAX, POOL_WAITING, POOL_WAITS)
"""Also of the process, read when it is scraped."""

DATABASE_UP = _gauge("database_up", "", "1 when this scrape could read the database; 0: what is read there is missing.")
CHANNELS_IN_USE = _gauge(
    "channels_in_use", "driver state", "Attempts that take a channel: prepared, originated, ringing or answered."
)
CHANNELS_MAX = _gauge("channels_max", "driver", "Channels of all enabled trunks.")
CPS = _gauge("cps", "driver", "Requests granted in the last second.")
CPS_MAX = _gauge("cps_max", "driver", "Calls per second that the enabled trunks are set to.")
CPS_ALLOWED = _gauge("cps_allowed", "driver", "What congestion and silence have left of it, now.")
TRUNKS = _gauge(
    "trunks",
    "driver condition",
    "Trunks that are enabled or stopped; and of the enabled: down (their driver says so), silent (resting), slowed"
    " (congested), full (no free channel).",
)
CAMPAIGNS = _gauge("campaigns", "status", "Campaigns that are scheduled, ongoing or paused.")
CALLS_OPEN = _gauge(
    "calls_open",
    "",
    "Calls of those campaigns that are not over, waiting or on the wire. Individual calls are not counted.",
)
SETTLING = _gauge(
    "terminations_settling", "", "Orders whose calls are not all settled yet (they are cancelled for every reader)."
)
SETTLING_OLDEST = _gauge("termination_oldest_settling_seconds", "", "Age of the oldest of them; 0 without one.")
OUTBOX_OLDEST = _gauge("outbox_oldest_event_seconds", "", "Age of the oldest event that is kept; 0 without one.")
UNDELIVERED_OLDEST = _gauge(
    "webhook_oldest_undelivered_seconds",
    "",
    "Age of the oldest event that waits for some subscriber, paused ones too; 0 when none does.",
)
WEBHOOKS_PAUSED = _gauge("webhooks_paused", "", "Subscriptions that are paused because their endpoint keeps failing.")
STANDBYS = _gauge(
    "database_synchronous_standbys",
    "",
    "Standbys that confirm commits, as far as our role may see them (pg_monitor). Alert on 0 if you have one.",
)

OF_DATABASE: Final = (
    DATABASE_UP,
    CHANNELS_IN_USE,
    CHANNELS_MAX,
    CPS,
    CPS_MAX,
    CPS_ALLOWED,
    TRUNKS,
    CAMPAIGNS,
    CALLS_OPEN,
    SETTLING,
    SETTLING_OLDEST,
    OUTBOX_OLDEST,
    UNDELIVERED_OLDEST,
    WEBHOOKS_PAUSED,
    STANDBYS,
)
"""The same from every process: take the highest, never the sum."""
