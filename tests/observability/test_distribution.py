"""Our histograms are exposed as those of the client library are, whatever is observed."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ringoff.observability.distribution import Distributions
from ringoff.observability.families import DIAL_STEP, Family, Kind

BOUNDS = (0.0005, 0.25, 1.0, 2.5, 3_600.0)
FAMILY = Family("ringoff_tried_seconds", Kind.HISTOGRAM, ("kind",), "Tried.", BOUNDS)
VALUES = some.one_of(some.floats(0, 10_000), some.sampled_from(BOUNDS))


def samples(registry: CollectorRegistry) -> dict[tuple[str, str | None, str | None], float]:
    return {
        (sample.name, sample.labels.get("kind"), sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(some.lists(some.tuples(some.sampled_from(["a", "b"]), VALUES), max_size=30))
def test_it_shows_what_the_library_would_show(observed: list[tuple[str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    distributions = Distributions(FAMILY)
    ours.register(distributions)
    histogram = Histogram(FAMILY.name, FAMILY.help, FAMILY.labels, buckets=BOUNDS, registry=theirs)
    for kind, value in observed:
        distributions.labels(kind).observe(value)
        histogram.labels(kind).observe(value)
    assert samples(ours) == samples(theirs)


def test_a_label_too_many_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="ringoff_dial_step_seconds has the labels step"):
        Distributions(DIAL_STEP).labels("claim", "more")
