"""What a scrape of ``/metrics`` gets: anybody may read it, so it holds numbers and names of rules only."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from ringoff.api.app import create_app
from ringoff.clock import SystemClock
from ringoff.domain.errors import DatabaseUnavailable
from ringoff.domain.termination import Selector
from ringoff.observability.families import OF_DATABASE, OF_POOLS, OF_PROCESS, Kind
from ringoff.observability.invariants import InvariantWatch
from ringoff.observability.metrics import Metrics
from ringoff.observability.scrape import Scrape
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.contract.conftest import LIMITS
from tests.store.broken_rules import CASES, break_rule, healthy_world
from tests.support.virtual_clock import VirtualClock

pytestmark = pytest.mark.anyio

OF_LIBRARY = ("process_", "python_")


async def scraped(store: PostgresStore, metrics: Metrics) -> httpx2.Response:
    """Without a key."""
    app = create_app(store=store, clock=SystemClock(), limits=LIMITS, metrics=metrics)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ringoff.test") as client:
        return await client.get("/metrics")


def ours(text: str) -> dict[str, Metric]:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return {name: family for name, family in families.items() if not name.startswith(OF_LIBRARY)}


def value(text: str, name: str) -> float:
    [family] = [family for family in text_string_to_metric_families(text) if family.name == name]
    return sum(sample.value for sample in family.samples)


async def test_a_scrape_needs_no_key_and_tells_nothing_of_a_tenant(store: PostgresStore) -> None:
    world = await healthy_world(store)
    await terminate(store, world.principal, Selector(agent_id=world.agent_id))
    await break_rule(store, dict(CASES)["terminated_call_is_covered_by_its_order"])
    metrics = Metrics()
    await InvariantWatch(store=store, clock=SystemClock(), metrics=metrics, every_s=60).look()
    response = await scraped(store, metrics)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = ours(response.text)
    assert {sample.labels["rule"] for sample in families["ringoff_invariant_broken"].samples} == set(load("invariants"))

    async with store.transaction() as tx:
        numbers = await tx.connection.fetch(
            "SELECT called_number FROM call UNION SELECT calling_number FROM dial_attempt"
        )
        ids = await tx.connection.fetch(
            "SELECT workspace_id FROM workspace UNION SELECT call_id FROM call UNION SELECT campaign_id FROM campaign"
            " UNION SELECT termination_id FROM termination UNION SELECT agent_id FROM agent"
        )
    told = [str(row[0]).lstrip("+") for row in (*numbers, *ids) if str(row[0]).lstrip("+") in response.text]
    assert (len(numbers) > 3, len(ids) > 5, told) == (True, True, [])


async def test_it_has_every_metric_with_its_labels_and_no_other(store: PostgresStore) -> None:
    await healthy_world(store)
    families = ours((await scraped(store, Metrics())).text)
    documented = {family.name.removesuffix("_total"): family for family in (*OF_PROCESS, *OF_POOLS, *OF_DATABASE)}
    assert set(families) == set(documented)
    for name, family in documented.items():
        assert families[name].type == family.kind, name
        for sample in families[name].samples:
            of_histogram = {"le"} if family.kind is Kind.HISTOGRAM and sample.name.endswith("_bucket") else set()
            assert set(sample.labels) == {*family.labels} | of_histogram, name


async def test_before_the_first_look_nothing_is_said_of_a_rule(store: PostgresStore) -> None:
    response = await scraped(store, Metrics())
    assert "rule=" not in response.text
    assert "ringoff_invariants_checked_timestamp_seconds 0.0" in response.text.splitlines()


@contextmanager
def outage(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse() -> None:
        raise DatabaseUnavailable("the database cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(store, "dispatch_transaction", refuse)
        yield


async def test_without_a_database_the_process_still_tells_of_itself(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, metrics = VirtualClock(), Metrics()
    scrape = Scrape(store=store, clock=clock, metrics=metrics)
    before = (await scrape.text()).decode()
    assert value(before, "ringoff_database_up") == 1
    with outage(store, monkeypatch):
        clock.skip(1)
        during = (await scrape.text()).decode()
    assert value(during, "ringoff_database_up") == 0
    assert "ringoff_terminations_settling" not in ours(during), "an old value is none"
    assert ours(during).keys() > {"ringoff_build_info", "ringoff_database_pool_max"}
    clock.skip(1)
    assert value((await scrape.text()).decode(), "ringoff_database_up") == 1


async def test_whoever_scrapes_often_does_not_read_the_database_more_often(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    scrape = Scrape(store=store, clock=clock, metrics=Metrics())
    await scrape.text()
    with outage(store, monkeypatch):
        clock.skip(0.9)
        assert value((await scrape.text()).decode(), "ringoff_database_up") == 1
        clock.skip(0.2)
        assert value((await scrape.text()).decode(), "ringoff_database_up") == 0
