"""What a scrape says after a small campaign was dialled: each number is one that can be counted by hand."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ringoff.store.postgres import PostgresStore
from tests.support.watched_campaign import watched_campaign

pytestmark = pytest.mark.anyio

Key = tuple[str, frozenset[tuple[str, str]]]


def samples(text: str) -> dict[Key, float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(sample_name: str, **labels: str) -> Key:
    return sample_name, frozenset(labels.items())


async def test_what_is_counted_is_what_happened(store: PostgresStore) -> None:
    watched = await watched_campaign(store)
    shown = samples(watched.scraped)
    async with store.transaction() as tx:
        rows = await tx.connection.fetch("SELECT disposition, count(*) AS count FROM dial_attempt GROUP BY disposition")
        rang, answered, total = (
            await tx.connection.fetchrow("SELECT count(rang_at), count(answered_at), count(*) FROM dial_attempt")
        ) or (0, 0, 0)
    written = {row["disposition"]: row["count"] for row in rows}
    assert total > 5, "some were tried again"
    counted = {
        dict(labels)["disposition"]: value
        for (name, labels), value in shown.items()
        if name == "ringoff_dial_attempts_total" and value
    }
    assert counted == written
    of_driver = {"driver": "simulated"}
    assert shown[key("ringoff_originates_total", **of_driver)] == total
    assert shown[key("ringoff_post_dial_delay_seconds_count", **of_driver)] == rang
    assert shown[key("ringoff_ring_seconds_count", end="answered", **of_driver)] == answered
    assert shown[key("ringoff_ring_seconds_count", end="unanswered", **of_driver)] == rang - answered
    assert shown[key("ringoff_talk_seconds_count", **of_driver)] == answered
    assert shown[key("ringoff_talk_seconds_sum", **of_driver)] >= 0
    assert shown[key("ringoff_terminations_total", level="campaign", outcome="given")] == 1
    assert shown[key("ringoff_termination_seconds_count", level="campaign")] == 1
    assert shown[key("ringoff_terminations_total", level="agent", outcome="failed")] == 0, "from the start"
    assert shown[key("ringoff_loop_failures_total", loop="sweeper")] == 0
    assert shown[key("ringoff_swept_calls_total")] == 1
    assert shown[key("ringoff_webhook_try_seconds_count", target="subscription", outcome="delivered")] == len(
        watched.delivered
    )
    for step in ("claim", "permit", "settle"):
        assert shown[key("ringoff_dial_step_seconds_count", step=step)] > 0
    answers = {"/healthz": "2xx", "unmatched": "4xx", "/ca/api/v0/workspace": "4xx"}
    for route, status in answers.items():
        assert shown[key("ringoff_http_request_seconds_count", method="GET", route=route, status=status)] == 1


async def test_nothing_of_a_tenant_is_in_it(store: PostgresStore) -> None:
    watched = await watched_campaign(store)
    async with store.transaction() as tx:
        rows = await tx.connection.fetch(
            "SELECT called_number AS word FROM call UNION SELECT call_id::text FROM call UNION"
            " SELECT trunk_id::text FROM trunk UNION SELECT workspace_id::text FROM workspace UNION"
            " SELECT campaign_id::text FROM campaign"
            " UNION SELECT agent_id::text FROM agent UNION SELECT termination_id::text FROM termination"
        )
    told = [row["word"] for row in rows if row["word"].lstrip("+") in watched.scraped]
    assert (len(rows) > 10, told) == (True, [])
