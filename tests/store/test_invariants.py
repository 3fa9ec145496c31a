"""Each named rule is broken on purpose, alone, and is reported with the ids that break it; the others are not."""

import pytest

from ringoff.clock import SystemClock
from ringoff.observability.invariants import BrokenInvariant, InvariantWatch, broken_invariants
from ringoff.observability.metrics import Metrics
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.store.broken_rules import CASES, break_rule, healthy_world
from tests.support.virtual_clock import VirtualClock

pytestmark = pytest.mark.anyio

WATCHED, AUDITS = load("invariants"), load("audits")
# What these look at is small however much history there is, so they never ask when it began.
OF_ANY_AGE = {"call_on_the_wire_is_ongoing", "ongoing_call_has_a_live_attempt", "settled_order_has_no_open_fence"}
EVERY_CASE = [pytest.param(name, statement, id=f"{name}-{place}") for place, (name, statement) in enumerate(CASES)]


def watch(store: PostgresStore, clock: VirtualClock) -> InvariantWatch:
    return InvariantWatch(store=store, clock=clock, metrics=Metrics(), every_s=60)


def as_sorted(broken: BrokenInvariant) -> tuple[str, list[str]]:
    return broken.name, sorted(broken.broken_ids)


@pytest.mark.parametrize("name", [*WATCHED, *AUDITS])
def test_every_rule_is_broken_by_some_case(name: str) -> None:
    assert name in {case for case, _ in CASES}


@pytest.mark.parametrize(("name", "statement"), EVERY_CASE)
async def test_a_broken_rule_is_reported_alone_and_by_id(store: PostgresStore, name: str, statement: str) -> None:
    await healthy_world(store)
    now, later = VirtualClock(SystemClock().now()), VirtualClock(SystemClock().now())
    later.skip(2 * 3_600)
    assert await broken_invariants(store) == []
    assert await watch(store, now).look() == []

    expected = (name, await break_rule(store, statement))
    assert [as_sorted(rule) for rule in await broken_invariants(store)] == [expected]
    seen = [as_sorted(rule) for rule in await watch(store, now).look()]
    assert seen == ([expected] if name in WATCHED else [])
    seen_later = [as_sorted(rule) for rule in await watch(store, later).look()]
    assert seen_later == ([expected] if name in OF_ANY_AGE else []), "what is old is left to the doctor"


async def test_ids_are_shown_up_to_ten(store: PostgresStore) -> None:
    world = await healthy_world(store)
    await world.campaign([f"+1202555{n:04}" for n in range(3_000, 3_020)])
    await break_rule(store, "UPDATE call SET epoch = epoch + 1 WHERE status = 'registered' RETURNING call_id")
    async with store.transaction() as tx:
        rule = await tx.invariants.broken("no_call_is_ahead_of_its_campaign", 10)
    assert len(rule) == 2, "one for each campaign: that is enough to look for"
    await break_rule(store, "UPDATE call SET termination_id = gen_random_uuid() RETURNING call_id")
    [lost] = [rule for rule in await broken_invariants(store) if rule.name == "terminated_call_has_its_order"]
    assert len(lost.broken_ids) == 10


@pytest.mark.parametrize(("oldest_kept", "is_missed"), [("5 ms", False), ("2 minutes", True)])
async def test_events_that_were_pruned_are_not_missed(store: PostgresStore, oldest_kept: str, is_missed: bool) -> None:
    """Pruning stops in the middle of an order's events; what is younger than the oldest one kept should be there."""
    await healthy_world(store)
    async with store.transaction() as tx:
        for statement in (
            "UPDATE termination SET created_at = now() - interval '3 hours'",
            "UPDATE call SET created_at = now() - interval '4 hours'",
            "UPDATE event_subscription SET created_at = now() - interval '5 hours'",
            f"UPDATE outbox_event SET created_at = now() - interval '3 hours' - interval '{oldest_kept}'",
        ):
            await tx.connection.execute(statement)
    assert await broken_invariants(store) == []
    missing = await break_rule(store, dict(reversed(CASES))["a_terminated_call_has_one_event"])
    expected = [("a_terminated_call_has_one_event", missing)] if is_missed else []
    assert [as_sorted(rule) for rule in await broken_invariants(store)] == expected
