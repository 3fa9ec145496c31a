"""The watch: what it shows, what an outage costs it, and that nothing which happened meanwhile is missed."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ringoff.clock import SystemClock
from ringoff.domain.errors import DatabaseUnavailable
from ringoff.observability.invariants import InvariantWatch
from ringoff.observability.metrics import Metrics
from ringoff.store.invariants import PostgresInvariants
from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.store.broken_rules import CASES, break_rule, healthy_world
from tests.support.virtual_clock import VirtualClock

pytestmark = pytest.mark.anyio

EVERY_S = 60.0
CHECKED_AT = "ringoff_invariants_checked_timestamp_seconds"
FAILURES = "ringoff_invariant_check_failures_total"


class Watched:
    """A watch with its clock and its metrics."""

    def __init__(self, store: PostgresStore) -> None:
        self.clock = VirtualClock(SystemClock().now())
        self.metrics = Metrics()
        self.watch = InvariantWatch(store=store, clock=self.clock, metrics=self.metrics, every_s=EVERY_S)

    def shown(self) -> dict[str, float]:
        """Every sample of the watch; the rules by their names alone."""
        families = text_string_to_metric_families(self.metrics.render().decode())
        return {
            sample.labels.get("rule", sample.name): sample.value
            for family in families
            for sample in family.samples
            if family.name.startswith("ringoff_invariant")
        }

    async def until_failures(self, count: int) -> None:
        await self.until(lambda shown: shown[FAILURES] == count)

    async def until(self, condition: Callable[[dict[str, float]], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition(self.shown()):
                await self.clock.advance(0)


class Answers:
    """Stands between the watch and the store: keeps what was asked, and refuses the rules that are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, datetime]] = []
        self.refused: set[str] = set()
        broken = PostgresInvariants.broken

        async def asked(
            rules: PostgresInvariants, name: str, count_max: int, since: datetime | None = None
        ) -> Sequence[str]:
            assert since is not None, "the watch never asks for all of history"
            self.asked.append((name, since))
            if name in self.refused:
                raise DatabaseUnavailable("canceling statement due to statement timeout")
            return await broken(rules, name, count_max, since)

        monkeypatch.setattr(PostgresInvariants, "broken", asked)

    def sinces(self, name: str) -> list[datetime]:
        return [since for asked, since in self.asked if asked == name]


@contextmanager
def outage(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse() -> None:
        raise DatabaseUnavailable("the database cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(store, "dispatch_transaction", refuse)
        yield


async def test_in_health_every_rule_shows_zero(store: PostgresStore) -> None:
    await healthy_world(store)
    watched = Watched(store)
    assert watched.shown() == {CHECKED_AT: 0, FAILURES: 0}
    assert await watched.watch.look() == []
    shown = watched.shown()
    assert {name: shown[name] for name in load("invariants")} == dict.fromkeys(load("invariants"), 0)
    assert shown[CHECKED_AT] == watched.clock.now().timestamp()


async def test_a_broken_rule_shows_until_it_is_repaired(store: PostgresStore) -> None:
    await healthy_world(store)
    watched = Watched(store)
    name = "no_call_is_ahead_of_its_campaign"
    await break_rule(store, dict(CASES)[name])
    assert [rule.name for rule in await watched.watch.look()] == [name]
    shown = watched.shown()
    assert {rule: shown[rule] for rule in load("invariants") if shown[rule]} == {name: 1}
    await break_rule(store, "UPDATE call SET epoch = epoch - 1 WHERE status = 'registered' RETURNING call_id")
    assert await watched.watch.look() == []
    assert watched.shown()[name] == 0


async def test_an_outage_is_counted_and_the_loop_goes_on(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(store)
    answers = Answers(monkeypatch)
    loop = asyncio.create_task(watched.watch.run())
    began_at = watched.clock.now()
    with outage(store, monkeypatch):
        for count in (1, 2):
            await watched.clock.advance(EVERY_S + 1)
            await watched.until_failures(count)
        assert watched.shown()[CHECKED_AT] == 0
    assert answers.asked == []
    await watched.clock.advance(EVERY_S + 1)
    await watched.until(lambda shown: shown[CHECKED_AT] > 0)
    assert watched.shown()[FAILURES] == 2
    assert {name for name, _ in answers.asked} == set(load("invariants"))
    assert max(since for _, since in answers.asked) < began_at, "what happened during the outage is looked at"
    assert not loop.done()
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_a_rule_that_is_not_answered_costs_no_other_its_turn(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await healthy_world(store)
    watched = Watched(store)
    answers = Answers(monkeypatch)
    first, *others = load("invariants")
    answers.refused = {first}
    broken = "terminated_call_is_covered_by_its_order"
    await break_rule(store, dict(CASES)[broken])
    with pytest.raises(DatabaseUnavailable):
        await watched.watch.look()
    shown = watched.shown()
    assert {name: shown[name] for name in others} == dict.fromkeys(others, 0) | {broken: 1}
    assert first not in shown, "nothing is said of a rule that was not checked"
    assert shown[CHECKED_AT] == 0, "not all rules were looked at"

    answers.refused = set()
    watched.clock.skip(EVERY_S)
    await watched.watch.look()
    assert answers.sinces(first)[0] == answers.sinces(first)[1], "it is looked at from where it was left"
    assert answers.sinces(others[0])[1] - answers.sinces(others[0])[0] == timedelta(seconds=EVERY_S)


async def test_looks_overlap_and_leave_no_gap(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(store)
    answers = Answers(monkeypatch)
    for pause_s in (0.0, EVERY_S, 10 * EVERY_S, 90_000.0):
        watched.clock.skip(pause_s)
        await watched.watch.look()
    first, second, third, last = answers.sinces(next(iter(load("invariants"))))
    now = watched.clock.now()
    assert second - first == timedelta(seconds=EVERY_S)
    assert third == now - timedelta(seconds=90_000 + 10 * EVERY_S + 30), "from the last look on, and a little before"
    assert timedelta(hours=1) < now - last < timedelta(hours=2), "a look never grows beyond an hour of rows"
