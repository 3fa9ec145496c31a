"""What the loops tell their observer: refusals with their reason, rescues, failures, orders that end badly."""

import ast
import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import Conflict, NothingTerminable
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.domain.termination import Selector
from ringoff.observability.counting import Counting
from ringoff.observability.metrics import Metrics
from ringoff.observer_port import AttemptEnd, DeliveryNotes, RequestNotes
from ringoff.operations import campaign_life, suppressions
from ringoff.operations.terminations import IdempotencyKey, terminate
from ringoff.store.postgres import PostgresStore
from tests.observability.page import SOURCE
from tests.races.conftest import Actors
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World

pytestmark = pytest.mark.anyio

FIRST, SECOND, THIRD = "+12025550111", "+12025550112", "+12025550113"


class Counted(Actors):
    """Actors whose supervisor is watched."""

    def __init__(self, store: PostgresStore, world: World) -> None:
        super().__init__(store, world)
        self.metrics = Metrics()
        self.observer = Counting(self.metrics, self.clock)
        self.supervisor = self.another_process()

    def another_process(self) -> Supervisor:
        return Supervisor(
            store=self.store,
            driver=self.carrier,
            clock=self.clock,
            limits=DispatchLimits(backoff_s=0.0),
            gate=self.gates,
            observer=self.observer,
        )

    def shown(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"ringoff_{name}", labels)

    def refused(self) -> dict[str, float]:
        """By reason, without those that did not happen."""
        return {
            sample.labels["reason"]: sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "ringoff_permits_refused_total" and sample.value
        }


@pytest.fixture
async def counted(store: PostgresStore) -> Counted:
    return Counted(store, await World.make(store))


async def test_a_suppressed_and_a_terminated_call_are_told_apart(counted: Counted) -> None:
    await counted.world.campaign([FIRST, SECOND, THIRD])
    [(work, calls)] = await counted.world.claim(counted.supervisor)
    await suppressions.suppress(counted.store, counted.world.principal, [FIRST], None)
    await counted.terminate(Selector(mobile_numbers=(SECOND,)))
    await counted.supervisor.dialer.dial(work, calls, counted.clock.monotonic())
    assert counted.dialled == [THIRD]
    assert counted.refused() == {"suppressed": 1, "forbidden": 1}
    assert counted.shown("originates_total", driver="simulated") == 1


async def test_what_came_too_late_is_no_request(counted: Counted) -> None:
    await counted.world.campaign([FIRST, SECOND])
    [(work, calls)] = await counted.world.claim(counted.supervisor)
    counted.clock.skip(1)
    await counted.supervisor.dialer.dial(work, calls, counted.clock.monotonic() - 1)
    assert counted.refused() == {"too_late": 2}
    assert counted.shown("originates_total", driver="simulated") is None


async def test_a_rescued_attempt_is_one_of_unknown_fate(counted: Counted) -> None:
    await counted.world.campaign([FIRST])
    await counted.dial_all()
    async with counted.store.transaction() as tx:
        await tx.connection.execute("UPDATE dial_attempt SET lease_until = clock_timestamp() - interval '1 s'")
    await counted.another_process().rescuer.rescue()
    await counted.another_process().rescuer.rescue()
    assert counted.shown("leases_rescued_total") == 1
    assert counted.shown("dial_attempts_total", driver="simulated", disposition="indeterminate") == 1


async def test_a_second_request_that_may_not_leave_is_a_refusal(counted: Counted) -> None:
    campaign_id = await counted.world.campaign([FIRST, SECOND])
    async with counted.settling():
        [(work, [first])] = await counted.world.claim(counted.supervisor, count_max=1)
        await counted.supervisor.dialer.dial(work, [first], counted.clock.monotonic())
        counted.carrier.wants_permit(first.attempt_id)
        async with asyncio.timeout(20):
            attempt = await counted.supervisor.settler.permits_wanted.get()
        await counted.terminate(Selector(campaign_id=campaign_id))
        await counted.supervisor.second_permits.permit_again([attempt])
        await counted.all_settled()
    assert counted.refused() == {"second_permit": 1}
    assert counted.shown("dial_step_seconds_count", step="second_permit") == 1


async def test_the_end_of_a_campaign_is_an_order_too(counted: Counted) -> None:
    store, principal = counted.store, counted.world.principal
    campaign_id = await counted.world.campaign([FIRST])
    await campaign_life.end(store, principal, campaign_id, observer=counted.observer)
    with pytest.raises(Conflict):
        await campaign_life.end(store, principal, campaign_id, observer=counted.observer)
    assert counted.shown("terminations_total", level="campaign", outcome="given") == 1
    assert counted.shown("terminations_total", level="campaign", outcome="refused") == 1


async def test_each_end_of_an_order_has_its_name(counted: Counted) -> None:
    store, principal = counted.store, counted.world.principal
    selector = Selector(mobile_numbers=(FIRST,))
    key = IdempotencyKey("once", "native", lambda _receipt: {})

    async def order(selector: Selector, idempotency: IdempotencyKey | None = None) -> None:
        await terminate(store, principal, selector, idempotency=idempotency, observer=counted.observer)

    with pytest.raises(NothingTerminable):
        await order(selector)
    await counted.world.campaign([FIRST])
    await order(selector, key)
    await order(selector, key)
    with pytest.raises(Conflict):
        await order(Selector(mobile_numbers=(SECOND,)), key)
    shown = {
        sample.labels["outcome"]: sample.value
        for family in counted.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "ringoff_terminations_total" and sample.labels["level"] == "numbers"
    }
    assert shown == {"given": 1, "replayed": 1, "nothing_terminable": 1, "refused": 1, "failed": 0}
    assert counted.shown("termination_seconds_count", level="numbers") == 1, "only what was given took its time"


def test_whoever_gives_an_order_tells_the_observer() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "terminations.terminate":
                assert "observer" in {keyword.arg for keyword in node.keywords}, f"{path.name}:{node.lineno}"


async def test_a_loop_that_fails_is_told(counted: Counted) -> None:
    failed = asyncio.Event()

    async def fails_once() -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("once")

    await counted.supervisor._kept("sweeper", fails_once)
    assert counted.shown("loop_failures_total", loop="sweeper") == 1


def attempt_end(**changes: Any) -> AttemptEnd:
    at = VirtualClock().now()
    seconds = timedelta(seconds=1)
    outcome = Outcome(Disposition.ANSWERED, ReleaseCause(sip_status=200), talk_ms=12_500)
    end = AttemptEnd("a", "b", "c", "sip", outcome, at, at + 2 * seconds, at + 7 * seconds, at + 20 * seconds, None)  # type: ignore[arg-type]
    return end._replace(**changes)


def test_the_times_of_an_attempt_are_those_of_the_field() -> None:
    metrics, at = Metrics(), VirtualClock().now()
    counting = Counting(metrics, VirtualClock())
    counting.ended(attempt_end())
    counting.ended(attempt_end(answered_at=None, outcome=Outcome(Disposition.NO_ANSWER, ReleaseCause(sip_status=487))))
    counting.ended(attempt_end(rang_at=None, answered_at=None, outcome=Outcome(Disposition.BUSY, ReleaseCause())))
    value = metrics.registry.get_sample_value
    assert value("ringoff_post_dial_delay_seconds_sum", {"driver": "sip"}) == 4.0
    assert value("ringoff_post_dial_delay_seconds_count", {"driver": "sip"}) == 2
    assert value("ringoff_ring_seconds_sum", {"driver": "sip", "end": "answered"}) == 5.0
    assert value("ringoff_ring_seconds_sum", {"driver": "sip", "end": "unanswered"}) == 18.0
    assert value("ringoff_talk_seconds_sum", {"driver": "sip"}) == 12.5
    assert value("ringoff_talk_seconds_count", {"driver": "sip"}) == 1
    counting.ended(attempt_end(rang_at=at - timedelta(hours=1)))
    assert value("ringoff_post_dial_delay_seconds_sum", {"driver": "sip"}) == 4.0, "a clock set back is no time"


def test_what_a_client_makes_up_is_no_label() -> None:
    metrics, clock = Metrics(), VirtualClock()
    counting = Counting(metrics, clock)
    with counting.request(RequestNotes("BREW"), []) as notes:
        notes.status = 405
        clock.skip(0.25)
    labels = {"method": "other", "route": "unmatched", "status": "4xx"}
    assert metrics.registry.get_sample_value("ringoff_http_request_seconds_sum", labels) == 0.25


@pytest.mark.parametrize(
    ("state", "outcome"), [("delivered", "delivered"), ("pending", "retried"), ("dropped", "dropped")]
)
def test_each_end_of_a_webhooks_try_has_its_name(state: str, outcome: str) -> None:
    metrics = Metrics()
    with Counting(metrics, VirtualClock()).delivery(DeliveryNotes("call_completed", is_callback=True)) as notes:
        notes.state = state
    labels = {"target": "callback", "outcome": outcome}
    assert metrics.registry.get_sample_value("ringoff_webhook_try_seconds_count", labels) == 1
