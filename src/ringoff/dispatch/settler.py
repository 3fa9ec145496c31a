"""From the carrier's events to the disposition: the second half of an attempt's life, and its deadlines and lease.

Holds every attempt that this process has put on the wire. What it cannot write at once (the database is away) it keeps
and writes later: a dialled call is never forgotten while the process lives.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.live_attempt import NOTHING_CAME_BACK, LiveAttempt, OurRelease, Phase
from ringoff.dispatch.trunk_health import TrunkHealth, TrunkKey
from ringoff.domain.attempt_records import AttemptKey, SettleEntry, WantedRelease
from ringoff.domain.carrier import TrunkReport
from ringoff.domain.errors import DatabaseUnavailable, RingoffError, SerializationConflict
from ringoff.domain.events import CarrierEvent, PermitWanted, Placed, Progressed, Rang, Released
from ringoff.domain.identifiers import AttemptId, OwnerId, TrunkId, WorkspaceId
from ringoff.domain.release_cause import Outcome
from ringoff.driver_port import CallDriver
from ringoff.observer_port import NOBODY, Observer, Step, StepNotes
from ringoff.ports import Clock, Gate, Store, Transaction

log = structlog.get_logger()

_Mark = tuple[WorkspaceId, AttemptKey, datetime]


class DatabaseTime:
    """The database's clock, carried forward monotonically: retries and windows follow one clock on all hosts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base = clock.now()
        self._base_monotonic = clock.monotonic()
        self._has_seen = False

    def saw(self, now: datetime, asked_at: float) -> None:
        """The database's answer to a question of ``asked_at`` (monotonic).

        What took long to arrive may be as old as that: a process that stood still reads an answer from before its
        pause. So the answer only bounds what was carried forward until now; a quick one leaves it no room.
        """
        answered_at = self._clock.monotonic()
        known = self.now() if self._has_seen else now
        latest = now + timedelta(seconds=answered_at - asked_at)
        self._base, self._base_monotonic = min(max(known, now), latest), answered_at
        self._has_seen = True

    def now(self) -> datetime:
        return self._base + timedelta(seconds=self._clock.monotonic() - self._base_monotonic)


@dataclass(slots=True)
class _Batch:
    """What one reading of events amounts to: marks of progress, and attempts that are over."""

    rang: list[_Mark] = field(default_factory=list)
    answered: list[_Mark] = field(default_factory=list)
    driver_ids: dict[WorkspaceId, dict[AttemptKey, str]] = field(default_factory=dict)
    entries: dict[AttemptId, SettleEntry] = field(default_factory=dict)
    troubled: Mapping[TrunkKey, SettleEntry] = field(default_factory=dict)

    def without_progress_of_the_over(self) -> "_Batch":
        """An attempt that is over takes its marks with it in the same statement."""
        return _Batch(
            [mark for mark in self.rang if mark[1].attempt_id not in self.entries],
            [mark for mark in self.answered if mark[1].attempt_id not in self.entries],
            self.driver_ids,
            self.entries,
            self.troubled,
        )


class Settler:
    """Loops: ``run_carrier``, ``run_events``, ``run_deadlines``, ``run_leases``. Each may be cancelled at any time."""

    def __init__(
        self,
        *,
        store: Store,
        driver: CallDriver,
        clock: Clock,
        database_time: DatabaseTime,
        limits: DispatchLimits,
        owner_id: OwnerId,
        gate: Gate,
        observer: Observer = NOBODY,
    ) -> None:
        self.live: dict[AttemptId, LiveAttempt] = {}
        self.channel_freed = asyncio.Event()
        self.release_wanted = asyncio.Event()
        self.permits_wanted: asyncio.Queue[LiveAttempt] = asyncio.Queue()  # bounded by the channels
        self._store = store
        self._driver = driver
        self._clock = clock
        self._database_time = database_time
        self._limits = limits
        self._owner_id = owner_id
        self._gate = gate
        self._observer = observer
        self._events: asyncio.Queue[CarrierEvent] = asyncio.Queue()  # bounded by the channels: three events a call
        self._no_time = asyncio.Event()
        """A batch is full, or has a report that waits for our answer."""
        self._freed_trunks: set[TrunkId] = set()
        self._own_outcomes: dict[AttemptId, Outcome] = {}
        self.trunk_health = TrunkHealth(store=store, driver=driver, clock=clock, limits=limits, live=self.live)

    def permit_over(self, attempt_ids: Sequence[AttemptId], *, is_lost: bool) -> None:
        """The permit's transaction has ended: events that came before may be settled now."""
        for attempt_id in attempt_ids:
            attempt = self.live.get(attempt_id)
            if attempt is not None:
                attempt.is_permit_over = True
                attempt.is_permit_lost = is_lost
                for event in attempt.early:
                    self._put(event)
                attempt.early.clear()

    def over(self, attempt_id: AttemptId, outcome: Outcome) -> None:
        """End an attempt by our own knowledge: refused at once, unknown, or silent for too long."""
        self._own_outcomes[attempt_id] = outcome
        self._put(Released(attempt_id, self._clock.now(), outcome.cause, was_answered=False, talk_ms=outcome.talk_ms))

    def take_freed_trunks(self) -> Collection[TrunkId]:
        """Where a channel has become free since this was last asked."""
        freed, self._freed_trunks = self._freed_trunks, set()
        return freed

    def _put(self, event: CarrierEvent) -> None:
        self._events.put_nowait(event)
        if isinstance(event, PermitWanted) or self._events.qsize() >= self._limits.events_batch_max:
            self._no_time.set()

    async def run_carrier(self) -> None:
        """Take the carrier's reports off its hands; they are written at our own pace."""
        while True:
            for event in await self._driver.events(self._limits.events_batch_max):
                if isinstance(event, TrunkReport):
                    self.trunk_health.reported(event)
                else:
                    self._put(event)

    async def run_events(self) -> None:
        """Write what was reported: the first report at once, what comes after it in batches."""
        while True:
            events = [await self._events.get()]
            while len(events) < self._limits.events_batch_max and not self._events.empty():
                events.append(self._events.get_nowait())
            if self._events.qsize() < self._limits.events_batch_max:
                self._no_time.clear()
            await self._take(events)
            try:
                async with asyncio.timeout(self._limits.settle_every_s):
                    await self._no_time.wait()
            except TimeoutError:
                pass

    async def _take(self, events: Sequence[CarrierEvent]) -> None:
        batch = self._sort(events).without_progress_of_the_over()
        batch.troubled = self.trunk_health.troubled(batch.entries.values())
        if not (batch.rang or batch.answered or batch.driver_ids or batch.entries):
            return
        for _, key, _ in batch.answered:
            # By this batch; the outcome comes in a later one.
            self.live[key.attempt_id].is_answer_written = True
        await self._gate("settle.before")
        try:
            await self._write(batch)
        finally:
            # Also when it cannot be written at all: then the leases run out and the crash rules close the attempts.
            for attempt_id in batch.entries:
                attempt = self.live.pop(attempt_id, None)
                if attempt is not None:
                    self._freed_trunks.add(attempt.work.trunk_id)
                self._own_outcomes.pop(attempt_id, None)
            if batch.entries:
                self.channel_freed.set()

    def _sort(self, events: Sequence[CarrierEvent]) -> _Batch:
        batch = _Batch()
        now, monotonic = self._database_time.now(), self._clock.monotonic()
        for event in events:
            attempt = self.live.get(event.attempt_id)
            if attempt is None or event.attempt_id in batch.entries:
                continue
            if not attempt.is_permit_over:
                attempt.early.append(event)
                continue
            self.trunk_health.heard(attempt, event, monotonic)
            if isinstance(event, Released):
                outcome = self._own_outcomes.get(event.attempt_id) or attempt.outcome_of(event)
                batch.entries[event.attempt_id] = attempt.settle_entry(outcome, event.at, now)
            elif isinstance(event, PermitWanted):
                attempt.is_waiting = True
                self.permits_wanted.put_nowait(attempt)
            elif isinstance(event, Placed):
                driver_ids = batch.driver_ids.setdefault(attempt.work.workspace_id, {})
                driver_ids[attempt.claimed.key] = event.driver_call_id
            elif isinstance(event, Progressed):
                attempt.note(event, monotonic, self._limits.ring_timeout_s)
            else:
                attempt.note(event, monotonic, self._limits.ring_timeout_s)
                marks = batch.rang if isinstance(event, Rang) else batch.answered
                marks.append((attempt.work.workspace_id, attempt.claimed.key, event.at))
        return batch

    async def _write(self, batch: _Batch) -> None:
        """As a whole, and if that is refused one by one: a report that cannot be written costs no other its outcome."""
        entries = sorted(batch.entries.values(), key=lambda entry: entry.call_id)
        try:
            await self._write_entries(entries, batch)
        except RingoffError:
            raise
        except Exception:
            log.exception("outcomes were refused and are written one by one", attempts=len(entries))
            await self._write_alone([], _Batch(batch.rang, batch.answered, batch.driver_ids))
            for entry in entries:
                await self._write_alone([entry], _Batch())

    async def _write_alone(self, entries: Sequence[SettleEntry], marks: _Batch) -> None:
        try:
            await self._write_entries(entries, marks)
        except RingoffError:
            raise
        except Exception:
            # The lease of such an attempt runs out, and the crash rules close it.
            log.exception("a report cannot be written", attempt_ids=[str(entry.attempt_id) for entry in entries])

    async def _write_entries(self, entries: Sequence[SettleEntry], batch: _Batch) -> None:
        """Until it is written: the outcome of a dialled call may not be lost to a restart of the database."""
        while True:
            try:
                with self._observer.step(StepNotes(Step.SETTLE, call_count=len(entries))):
                    await self._write_once(entries, batch)
                for entry in entries:
                    self._observer.ended(self.live[entry.attempt_id].end(entry))
                return
            except SerializationConflict:
                continue
            except DatabaseUnavailable as error:
                log.warning("settling waits for the database", reason=error.message, attempts=len(entries))
                await self._clock.sleep(self._limits.backoff_s)

    async def _write_once(self, entries: Sequence[SettleEntry], batch: _Batch) -> None:
        async with self._store.dispatch_transaction() as tx:
            await self._lock_for_lost_permits(tx, entries)
            await tx.dispatch.record_progress(batch.rang, batch.answered)
            for workspace_id, driver_ids in batch.driver_ids.items():
                await tx.dispatch.record_driver_ids(workspace_id, driver_ids)
            if entries:
                await tx.dispatch.settle(entries)
                await self.trunk_health.heed(tx, batch.troubled)
                await self._gate("settle.before_commit")

    async def _lock_for_lost_permits(self, tx: Transaction, entries: Sequence[SettleEntry]) -> None:
        """A call whose permit was lost is still pending: no fence may rise between judging it and commit.

        Before any row, and sorted, so that nobody who takes several can cross another. Permits are hardly ever lost.
        """
        lost = [self.live[entry.attempt_id].work for entry in entries if self.live[entry.attempt_id].is_permit_lost]
        for campaign in sorted({(work.workspace_id, work.agent_id, work.campaign_id) for work in lost}):
            await tx.dispatch.lock_for_permit(*campaign)

    async def run_deadlines(self) -> None:
        """End what rings, talks or stays silent for too long; write down what the carrier never confirms."""
        while True:
            await self._clock.sleep(0.25)
            now = self._clock.monotonic()
            late = [attempt for attempt in self.live.values() if attempt.is_permit_over and attempt.deadline <= now]
            async with asyncio.TaskGroup() as ends:
                for attempt in late:
                    ends.create_task(self._end(attempt, now))

    async def _end(self, attempt: LiveAttempt, now: float) -> None:
        attempt_id = attempt.claimed.attempt_id
        attempt.deadline = now + self._limits.release_grace_s
        if attempt.our_release is not None:
            if attempt.phase is Phase.ANSWERED and attempt.our_release is not OurRelease.MAX_LENGTH:
                # An answer may have crossed the release of what was ringing: nobody talks on behind our back.
                await self.release(attempt_id)
            self.over(attempt_id, attempt.unconfirmed(self._clock.now()))
            return
        if attempt.phase is Phase.SENT:
            attempt.our_release = OurRelease.SILENCE
            self.over(attempt_id, NOTHING_CAME_BACK)
        elif attempt.phase is not Phase.ANSWERED:
            attempt.our_release = OurRelease.RING_TIMEOUT
        else:
            attempt.our_release = OurRelease.MAX_LENGTH
        await self.release(attempt_id)

    async def release(self, attempt_id: AttemptId) -> bool:
        """Whether the driver took it. One that raises or hangs must cost no other attempt its release."""
        try:
            async with asyncio.timeout(self._limits.originate_timeout_ms / 1_000):
                await self._driver.release(attempt_id)
        except TimeoutError:
            log.error("a driver did not take a release in time", attempt_id=str(attempt_id))
        except Exception:
            log.exception("a release failed", attempt_id=str(attempt_id))
        else:
            return True
        return False

    async def run_releases(self) -> None:
        """Take off the wire what orders want released: soon after a notification, and at each look in any case."""
        while True:
            try:
                await self.release_what_orders_want()
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("hang-ups wait for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)
                continue
            try:
                async with asyncio.timeout(self._limits.poll_s):
                    await self.release_wanted.wait()
            except TimeoutError:
                pass
            self.release_wanted.clear()

    async def release_what_orders_want(self) -> None:
        """One batch. A wish is forgotten only when its attempt was released, or is not this process's any more."""
        async with self._store.dispatch_transaction() as tx:
            wanted = await tx.dispatch.releases_wanted(self._owner_id, self._limits.events_batch_max)
        if not wanted:
            return
        await self._gate("release.before")
        async with asyncio.TaskGroup() as releases:
            tasks = [(wish, releases.create_task(self._fulfil(wish))) for wish in wanted]
        done = [wish for wish, task in tasks if task.result()]
        if not done:
            return
        async with self._store.dispatch_transaction() as tx:
            await tx.dispatch.releases_done(done)
        if len(wanted) == self._limits.events_batch_max:
            self.release_wanted.set()

    async def _fulfil(self, wish: WantedRelease) -> bool:
        """False when the driver would not take it: then the attempt is as before, and the next look tries again."""
        attempt = self.live.get(wish.attempt_id)
        if attempt is None or attempt.our_release is not None:
            return True
        deadline = attempt.deadline
        # Before it leaves: the carrier may confirm before the driver returns.
        attempt.our_release, attempt.hung_up_by = OurRelease.TERMINATED, wish.termination_id
        attempt.deadline = self._clock.monotonic() + self._limits.release_grace_s
        if await self.release(wish.attempt_id):
            return True
        attempt.our_release, attempt.deadline = None, deadline
        return False

    async def run_leases(self) -> None:
        """Say, well before the lease ends, that this process still holds its attempts."""
        pause_s = self._limits.lease_s / 3
        while True:
            await self._clock.sleep(pause_s)
            pause_s = self._limits.lease_s / 3
            held = [(attempt.work.workspace_id, attempt.claimed.key) for attempt in self.live.values()]
            if not held:
                continue
            try:
                began = self._clock.monotonic()
                async with self._store.dispatch_transaction() as tx:
                    await tx.dispatch.renew_leases(self._owner_id, held, self._limits.lease_s)
                if self._clock.monotonic() - began > pause_s:
                    pause_s = (
                        0.0  # a commit that waited, for a standby or a disk: what it has renewed may be over already
                    )
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("leases were not renewed", reason=error.message, attempts=len(held))
                pause_s = self._limits.backoff_s
