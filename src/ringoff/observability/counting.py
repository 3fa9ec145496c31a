"""The observer that counts and times, for Prometheus; a dial attempt costs it some microseconds."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import product
from typing import Final

from prometheus_client import Counter

from ringoff.domain.attempt_records import ExpiredAttempt
from ringoff.domain.release_cause import Disposition
from ringoff.domain.termination import Level
from ringoff.observability.distribution import Distribution
from ringoff.observability.metrics import Metrics
from ringoff.observer_port import (
    AttemptEnd,
    DeliveryNotes,
    OrderNotes,
    OrderOutcome,
    Refusal,
    RequestNotes,
    Step,
    StepNotes,
)
from ringoff.ports import Clock

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TRY_OUTCOMES: Final = {"delivered": "delivered", "pending": "retried", "dropped": "dropped"}


class _OfDriver:
    """What is counted of the attempts of one driver kind, looked up once."""

    def __init__(self, metrics: Metrics, driver: str) -> None:
        self.attempts: dict[Disposition, Counter] = {
            disposition: metrics.dial_attempts.labels(driver, disposition) for disposition in Disposition
        }
        self.originates = metrics.originates.labels(driver)
        self.post_dial_delay = metrics.post_dial_delay.labels(driver)
        self.until_answer = metrics.ringing.labels(driver, "answered")
        self.until_release = metrics.ringing.labels(driver, "unanswered")
        self.talk = metrics.talk.labels(driver)


class Counting:
    """Implements ``observer_port.Observer``."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._of_drivers: dict[str, _OfDriver] = {}
        self._steps: dict[Step, Distribution] = {step: metrics.dial_step.labels(step) for step in Step}
        # From zero on: what grows for the first time is seen by those who look at growth.
        for reason in Refusal:
            metrics.permits_refused.labels(reason)
        for level, outcome in product(Level, OrderOutcome):
            metrics.terminations.labels(level, outcome)

    @contextmanager
    def request(self, notes: RequestNotes, _headers: Iterable[tuple[bytes, bytes]], /) -> Iterator[RequestNotes]:
        began = self._clock.monotonic()
        try:
            yield notes
        finally:
            if not notes.is_stream:
                method = notes.method if notes.method in _METHODS else "other"
                labelled = self._metrics.http_request.labels(method, notes.route, f"{notes.status // 100}xx")
                labelled.observe(self._clock.monotonic() - began)

    @contextmanager
    def order(self, notes: OrderNotes) -> Iterator[OrderNotes]:
        began = self._clock.monotonic()
        try:
            yield notes
        finally:
            self._metrics.terminations.labels(notes.level, notes.outcome).inc()
            if notes.outcome is OrderOutcome.GIVEN:
                self._metrics.termination.labels(notes.level).observe(self._clock.monotonic() - began)

    @contextmanager
    def step(self, notes: StepNotes) -> Iterator[StepNotes]:
        began = self._clock.monotonic()
        try:
            yield notes
        finally:
            self._steps[notes.step].observe(self._clock.monotonic() - began)

    @contextmanager
    def delivery(self, notes: DeliveryNotes) -> Iterator[DeliveryNotes]:
        began = self._clock.monotonic()
        try:
            yield notes
        finally:
            target = "callback" if notes.is_callback else "subscription"
            labelled = self._metrics.webhook_try.labels(target, _TRY_OUTCOMES[notes.state])
            labelled.observe(self._clock.monotonic() - began)

    def sent(self, driver: str, /) -> object:
        self._of(driver).originates.inc()
        return None

    def ended(self, end: AttemptEnd) -> None:
        of_driver = self._of(end.driver)
        of_driver.attempts[end.outcome.disposition].inc()
        if end.rang_at is not None:
            if end.originated_at is not None:
                of_driver.post_dial_delay.observe(_seconds(end.originated_at, end.rang_at))
            if end.answered_at is not None:
                of_driver.until_answer.observe(_seconds(end.rang_at, end.answered_at))
            else:
                of_driver.until_release.observe(_seconds(end.rang_at, end.released_at))
        if end.answered_at is not None:
            of_driver.talk.observe(end.outcome.talk_ms / 1_000)

    def refused(self, reason: Refusal, call_count: int) -> None:
        self._metrics.permits_refused.labels(reason).inc(call_count)

    def rescued(self, attempts: Sequence[ExpiredAttempt]) -> None:
        self._metrics.leases_rescued.inc(len(attempts))
        for attempt in attempts:
            self._of(attempt.trunk.driver).attempts[Disposition.INDETERMINATE].inc()

    def swept(self, call_count: int) -> None:
        self._metrics.swept_calls.inc(call_count)

    def loop_begun(self, loop: str) -> None:
        self._metrics.loop_failures.labels(loop)

    def loop_failed(self, loop: str) -> None:
        self._metrics.loop_failures.labels(loop).inc()

    def _of(self, driver: str) -> _OfDriver:
        known = self._of_drivers.get(driver)
        if known is None:
            known = self._of_drivers[driver] = _OfDriver(self._metrics, driver)
        return known


def _seconds(begin: datetime, end: datetime) -> float:
    """Not less than nothing: a clock may have been set back between the two."""
    return max(0.0, (end - begin).total_seconds())
