"""What a scrape of ``/metrics`` gets: anybody may read it, so it holds numbers and names of rules only."""

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ringoff.api.app import create_app
from ringoff.clock import SystemClock
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import InvariantWatch
from ringoff.observability.metrics import Metrics
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.contract.conftest import LIMITS
from tests.store.broken_rules import CASES, break_rule, healthy_world

pytestmark = pytest.mark.anyio

NAMES = {
    "ringoff_invariant_broken",
    "ringoff_invariants_checked_timestamp_seconds",
    "ringoff_invariant_check_failures",
    "ringoff_terminations_settling",
    "ringoff_webhooks_paused",
    "ringoff_webhook_oldest_undelivered_seconds",
}


async def scraped(store: PostgresStore, metrics: Metrics) -> httpx2.Response:
    """Without a key."""
    app = create_app(store=store, clock=SystemClock(), limits=LIMITS, metrics=metrics)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ringoff.test") as client:
        return await client.get("/metrics")


async def test_a_scrape_needs_no_key_and_tells_nothing_of_a_tenant(store: PostgresStore) -> None:
    world = await healthy_world(store)
    await terminate(store, world.principal, Selector(agent_id=world.agent_id))
    await break_rule(store, dict(CASES)["terminated_call_is_covered_by_its_order"])
    metrics = Metrics()
    await InvariantWatch(store=store, clock=SystemClock(), metrics=metrics, every_s=60).look()
    response = await scraped(store, metrics)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert {name for name in families if not name.endswith("_created")} == NAMES
    assert {sample.labels["rule"] for sample in families["ringoff_invariant_broken"].samples} == set(load("invariants"))
    assert {key for family in families.values() for sample in family.samples for key in sample.labels} == {"rule"}

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


async def test_before_the_first_look_nothing_is_said_of_a_rule(store: PostgresStore) -> None:
    response = await scraped(store, Metrics())
    assert "rule=" not in response.text
    assert "ringoff_invariants_checked_timestamp_seconds 0.0" in response.text.splitlines()
