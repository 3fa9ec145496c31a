"""What Prometheus may scrape at ``/metrics``; no phone number, and nothing of a tenant, is ever a label."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from ringoff import __version__
from ringoff.domain.readings import DriverReading, PoolUse, Reading
from ringoff.observability import families as of
from ringoff.observability.distribution import Distributions
from ringoff.observability.families import Family, Kind

# The time at which each series began would be as many series again, and nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

Samples = Mapping[Family, Sequence[tuple[Sequence[str], float]]]
"""Of each metric, label values and the value."""


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._read: Samples = {}
        self.originates = self._counter(of.ORIGINATES)
        self.dial_attempts = self._counter(of.DIAL_ATTEMPTS)
        self.post_dial_delay = self._histogram(of.POST_DIAL_DELAY)
        self.ringing = self._histogram(of.RINGING)
        self.talk = self._histogram(of.TALK)
        self.dial_step = self._histogram(of.DIAL_STEP)
        self.permits_refused = self._counter(of.PERMITS_REFUSED)
        self.leases_rescued = self._counter(of.LEASES_RESCUED)
        self.swept_calls = self._counter(of.SWEPT_CALLS)
        self.loop_failures = self._counter(of.LOOP_FAILURES)
        self.terminations = self._counter(of.TERMINATIONS)
        self.termination = self._histogram(of.TERMINATION)
        self.webhook_try = self._histogram(of.WEBHOOK_TRY)
        self.http_request = self._histogram(of.HTTP_REQUEST)
        self.invariant_broken = self._gauge(of.INVARIANT_BROKEN)
        self.invariants_checked_at = self._gauge(of.INVARIANTS_CHECKED)
        self.invariant_failures = self._counter(of.INVARIANT_FAILURES)
        self._gauge(of.BUILD).labels(version=__version__).set(1)
        self.registry.register(_AsRead(self))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def read(self, reading: Reading | None, pools: Sequence[PoolUse]) -> None:
        """What the next rendering says of the database and of our connections; without a reading, that it is away."""
        self._read = {**_of_pools(pools), **_of_database(reading)}

    @property
    def as_read(self) -> Samples:
        return self._read

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.help, family.labels, registry=self.registry)

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.help, family.labels, registry=self.registry)

    def _histogram(self, family: Family) -> Distributions:
        histogram = Distributions(family)
        self.registry.register(histogram)
        return histogram


class _AsRead(Collector):
    """What was read for this scrape: old values do not outlive an outage."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        for family, samples in self._metrics.as_read.items():
            kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
            metric = kind(family.name, family.help, labels=family.labels)
            for values, value in samples:
                metric.add_metric(values, value)
            yield metric


def _of_pools(pools: Sequence[PoolUse]) -> Samples:
    return {
        of.POOL_IN_USE: [((pool.name,), pool.in_use) for pool in pools],
        of.POOL_MAX: [((pool.name,), pool.size_max) for pool in pools],
        of.POOL_WAITING: [((pool.name,), pool.waiting) for pool in pools],
        of.POOL_WAITS: [((pool.name,), pool.wait_count) for pool in pools],
    }


def _of_database(reading: Reading | None) -> Samples:
    if reading is None:
        return {of.DATABASE_UP: [((), 0)]}
    return {
        of.DATABASE_UP: [((), 1)],
        **_of_drivers(reading.drivers),
        of.CAMPAIGNS: [((status,), count) for status, count in reading.campaigns_by_status.items()],
        of.CALLS_OPEN: [((), reading.calls_open)],
        of.SETTLING: [((), reading.settling_count)],
        of.SETTLING_OLDEST: [((), reading.settling_oldest_s)],
        of.OUTBOX_OLDEST: [((), reading.outbox_oldest_s)],
        of.UNDELIVERED_OLDEST: [((), reading.undelivered_oldest_s)],
        of.WEBHOOKS_PAUSED: [((), reading.webhooks_paused_count)],
        of.STANDBYS: [((), reading.confirming_standbys)],
    }


def _of_drivers(drivers: Sequence[DriverReading]) -> Samples:
    return {
        of.CHANNELS_IN_USE: [
            ((each.driver, state), count) for each in drivers for state, count in each.live_by_state.items()
        ],
        of.CHANNELS_MAX: [((each.driver,), each.channels_max) for each in drivers],
        of.CPS: [((each.driver,), each.cps) for each in drivers],
        of.CPS_MAX: [((each.driver,), each.cps_max) for each in drivers],
        of.CPS_ALLOWED: [((each.driver,), each.cps_allowed) for each in drivers],
        of.TRUNKS: [
            ((each.driver, condition), count)
            for each in drivers
            for condition, count in each.trunks_by_condition.items()
        ],
    }
