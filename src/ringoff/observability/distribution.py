"""Histograms for the dial path: one observation costs a tenth of the client library's; on one thread only."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ringoff.observability.families import Family


class Distribution:
    """The observations of one set of label values. Not for threads: the loop observes, and the loop renders."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """A value equal to a bound belongs below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def sum(self) -> float:
        return self._sum

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as they are exposed: bound and how many are not above it."""
        total, cumulative = 0, []
        for bound, count in zip((*map(repr, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            cumulative.append((bound, float(total)))
        return cumulative


class Distributions(Collector):
    """One histogram with its label values."""

    def __init__(self, family: Family) -> None:
        self._family: Final = family
        self._by_values: dict[tuple[str, ...], Distribution] = {}

    def labels(self, *values: str) -> Distribution:
        known = self._by_values.get(values)
        if known is None:
            if len(values) != len(self._family.labels):
                raise ValueError(f"{self._family.name} has the labels {', '.join(self._family.labels)}")
            known = self._by_values[values] = Distribution(self._family.buckets)
        return known

    def collect(self) -> Iterable[Metric]:
        metric = HistogramMetricFamily(self._family.name, self._family.help, labels=self._family.labels)
        for values, distribution in self._by_values.items():
            metric.add_metric(values, distribution.buckets(), distribution.sum)
        yield metric
