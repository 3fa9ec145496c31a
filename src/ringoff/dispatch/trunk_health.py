"""What outcomes say about a trunk: congested is slowed, refusing is stopped, silent rests until a call gets through.

Also tells the driver which trunks there are, and writes down what it says about them.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.live_attempt import LiveAttempt, Phase
from ringoff.domain.attempt_records import SettleEntry
from ringoff.domain.carrier import TrunkReport, TrunkSpec
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.events import CarrierEvent, Released
from ringoff.domain.identifiers import AttemptId, TrunkId, WorkspaceId
from ringoff.domain.pacing import OUTCOMES_REMEMBERED, is_congested, is_silent
from ringoff.domain.release_cause import Disposition, ReleaseCause
from ringoff.driver_port import CallDriver
from ringoff.ports import Clock, Store, Transaction

log = structlog.get_logger()

TrunkKey = tuple[WorkspaceId, TrunkId]


class TrunkHealth:
    """One loop, ``run``; the settler tells what comes back."""

    def __init__(
        self,
        *,
        store: Store,
        driver: CallDriver,
        clock: Clock,
        limits: DispatchLimits,
        live: Mapping[AttemptId, LiveAttempt],
    ) -> None:
        self._store = store
        self._driver = driver
        self._clock = clock
        self._limits = limits
        self._live = live
        self._trunks: Sequence[TrunkSpec] | None = None
        self._tell_at = -math.inf
        """When the driver is told of its trunks again, also without a change."""
        self._said: dict[TrunkKey, TrunkReport] = {}
        """The last report of each trunk that was written, since the trunks last changed."""
        self._reports: asyncio.Queue[TrunkReport] = asyncio.Queue()  # a trunk reports when its state changes
        self._recent: dict[TrunkKey, deque[bool]] = {}
        """The last outcomes of each trunk: whether they were congestion."""
        self._heard_at: dict[TrunkKey, float] = {}
        self._heard_since: set[TrunkKey] = set()
        """Since the last look."""

    def reported(self, report: TrunkReport) -> None:
        self._reports.put_nowait(report)

    def heard(self, attempt: LiveAttempt, event: CarrierEvent, now: float) -> None:
        """Something came back from the trunk. An end without a code is our own or the driver's word for silence."""
        if isinstance(event, Released) and _is_our_word(event):
            return
        trunk = (attempt.work.workspace_id, attempt.work.trunk_id)
        self._heard_at[trunk] = now
        self._heard_since.add(trunk)

    def troubled(self, entries: Iterable[SettleEntry]) -> Mapping[TrunkKey, SettleEntry]:
        """The trunks that these outcomes tell something about, each with the entry that tells it."""
        troubled: dict[TrunkKey, SettleEntry] = {}
        for entry in entries:
            trunk = (entry.workspace_id, self._live[entry.attempt_id].work.trunk_id)
            is_congestion = entry.outcome.disposition is Disposition.CONGESTION
            recent = self._recent.setdefault(trunk, deque(maxlen=OUTCOMES_REMEMBERED))
            recent.append(is_congestion)
            if entry.outcome.disposition is Disposition.TRUNK_REFUSED:
                troubled[trunk] = entry
            elif is_congestion and is_congested(recent):
                troubled.setdefault(trunk, entry)
        return troubled

    async def heed(self, tx: Transaction, troubled: Mapping[TrunkKey, SettleEntry]) -> None:
        for (workspace_id, trunk_id), entry in troubled.items():
            if entry.outcome.disposition is Disposition.TRUNK_REFUSED:
                alarm = f"refused our credentials or our number: {_words(entry.outcome.cause)}"
                log.error("a trunk refused us and was stopped", trunk_id=str(trunk_id), alarm=alarm)
                await tx.dispatch.stop_trunk(workspace_id, trunk_id, alarm)
            else:
                await tx.dispatch.slow_trunk(workspace_id, trunk_id, self._limits.congestion_hold_s)

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("watching trunks waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)
            await self._clock.sleep(self._limits.poll_s)

    async def look(self) -> None:
        """Once: new trunks, reports, silence, and the end of a silence."""
        heard, self._heard_since = self._heard_since, set()
        silent = self._silent_trunks()
        try:
            async with self._store.dispatch_transaction() as tx:
                trunks = await tx.dispatch.enabled_trunks()
                for workspace_id, trunk_id in sorted(heard):
                    if await tx.dispatch.close_breaker(workspace_id, trunk_id):
                        log.info("a trunk that was silent answers again", trunk_id=str(trunk_id))
                for workspace_id, trunk_id in sorted(silent):
                    if await tx.dispatch.trip_breaker(workspace_id, trunk_id):
                        log.error("a trunk answers nothing and rests", trunk_id=str(trunk_id))
        except (DatabaseUnavailable, SerializationConflict):
            self._heard_since |= heard
            raise
        await self._tell(trunks)
        while not self._reports.empty():
            await self._record(self._reports.get_nowait())

    async def _tell(self, trunks: Sequence[TrunkSpec]) -> None:
        """At once when they have changed, otherwise now and then: what a driver could not take, it may be able to."""
        if trunks != self._trunks:
            # A trunk that was changed is written as one that nothing is known of.
            self._said.clear()
        elif self._clock.monotonic() < self._tell_at:
            return
        self._trunks = trunks
        self._tell_at = self._clock.monotonic() + self._limits.tell_trunks_s
        try:
            async with asyncio.timeout(self._limits.tell_trunks_timeout_s):
                await self._driver.use_trunks(trunks)
        except Exception:
            # Whatever it is, it must not end the watch over all the other trunks.
            log.exception("a driver did not take its trunks and is told again")

    async def _record(self, report: TrunkReport) -> None:
        trunk = (report.workspace_id, report.trunk_id)
        if self._said.get(trunk) == report:
            return
        if report.is_up:
            log.info("a trunk is up", trunk_id=str(report.trunk_id))
        else:
            log.warning("a trunk is down", trunk_id=str(report.trunk_id), reason=report.text)
        try:
            async with self._store.dispatch_transaction() as tx:
                await tx.dispatch.record_trunk_report(report)
        except (DatabaseUnavailable, SerializationConflict):
            self._reports.put_nowait(report)
            raise
        self._said[trunk] = report

    def _silent_trunks(self) -> set[TrunkKey]:
        """Where several requests wait for a first word, and nothing else was heard since they left."""
        sends: dict[TrunkKey, list[float]] = {}
        for attempt in self._live.values():
            if attempt.phase is Phase.SENT and attempt.is_permit_over:
                trunk = (attempt.work.workspace_id, attempt.work.trunk_id)
                sends.setdefault(trunk, []).append(attempt.sent_at)
        now = self._clock.monotonic()
        return {trunk for trunk, at in sends.items() if is_silent(at, self._heard_at.get(trunk, -math.inf), now)}


def _is_our_word(released: Released) -> bool:
    cause = released.cause
    has_answer = cause.sip_status is not None or cause.q850_cause is not None
    return not has_answer and released.disposition in (None, Disposition.INDETERMINATE)


def _words(cause: ReleaseCause) -> str:
    return " ".join(str(part) for part in (cause.sip_status or cause.q850_cause, cause.text) if part)
