"""Permit and originate: the last step before the wire.

A request leaves only while the shared locks of its permit are held, never later than ``permit_ttl_ms`` after the
permit was checked, and never later than ``slot_ttl_ms`` after its place in the pace was taken. See
docs/decisions and the contract of the kill switch.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from ringoff.dispatch.agent_prompts import AgentPrompts
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.live_attempt import SENT_OR_NOT, LiveAttempt
from ringoff.dispatch.settler import DatabaseTime, Settler
from ringoff.domain.agent_parameters import agent_parameters
from ringoff.domain.attempt_records import (
    AttemptKey,
    ClaimedCall,
    DialWork,
    OriginateRefused,
    OriginateRequest,
    OriginateTooLate,
    OriginateUnknown,
)
from ringoff.domain.call_window import closes_at, is_open, next_opening
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.identifiers import AttemptId, CallId, OwnerId
from ringoff.domain.release_cause import Outcome
from ringoff.driver_port import CallDriver
from ringoff.observer_port import NOBODY, Observer, Refusal, Step, StepNotes
from ringoff.ports import Clock, Gate, Store, Transaction

log = structlog.get_logger()

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Until when a call without a place in the pace may be permitted, also if nothing else forbids it any more."""


@dataclass(slots=True)
class _Sent:
    """What became of the requests of one permit."""

    driver_ids: dict[AttemptKey, str]
    outcomes: dict[AttemptId, Outcome]
    """Known at once: refused, or sent or not."""
    too_late: list[AttemptId]
    """Certainly not sent."""


class Dialer:
    """Dials one claimed batch at a time; several batches may be in flight."""

    def __init__(
        self,
        *,
        store: Store,
        driver: CallDriver,
        clock: Clock,
        database_time: DatabaseTime,
        limits: DispatchLimits,
        owner_id: OwnerId,
        settler: Settler,
        gate: Gate,
        now_override: datetime | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self._store = store
        self._driver = driver
        self._clock = clock
        self._database_time = database_time
        self._limits = limits
        self._owner_id = owner_id
        self._settler = settler
        self._gate = gate
        self._observer = observer
        self._now_override = now_override
        self._prompts = AgentPrompts(store)

    async def dial(self, work: DialWork, claimed: Sequence[ClaimedCall], slot_at: float) -> None:
        """Permit and originate one claimed batch. ``slot_at`` is the monotonic time before its pace was taken."""
        open_calls, deferred = self._split_by_window(work, claimed)
        unsent = [call.key for call in claimed]
        try:
            await self._prompts.learn(work)
            if deferred:
                await self._defer(work, claimed, deferred)
                self._observer.refused(Refusal.WINDOW, len(deferred))
                unsent = [call.key for call in open_calls]
            if open_calls:
                # The database ends a permit that idles; this ends one whose database does not answer.
                limit_s = self._limits.originate_timeout_ms / 1_000 + self._limits.permit_grace_s
                notes = StepNotes(Step.PERMIT, work.campaign_id, len(open_calls))
                with self._observer.step(notes):
                    async with asyncio.timeout(limit_s):
                        await self._permit_and_send(work, open_calls, slot_at)
        except (DatabaseUnavailable, SerializationConflict, TimeoutError) as error:
            log.warning("permit was lost", reason=str(error), campaign_id=str(work.campaign_id))
            await self._unclaim(work, [key for key in unsent if key.attempt_id not in self._settler.live])

    async def give_back(self, work: DialWork, claimed: Sequence[ClaimedCall]) -> None:
        """Let go of a batch of which nothing has been permitted."""
        await self._unclaim(work, [call.key for call in claimed])

    def _split_by_window(
        self, work: DialWork, claimed: Sequence[ClaimedCall]
    ) -> tuple[list[ClaimedCall], dict[CallId, datetime]]:
        """Individual calls bring their own window; a campaign's was looked at before the claim."""
        now = self._now()
        open_calls: list[ClaimedCall] = []
        deferred: dict[CallId, datetime] = {}
        for call in claimed:
            window = (call.call_config or work.call_config).window
            if is_open(window, now):
                open_calls.append(call)
            else:
                deferred[call.call_id] = next_opening(window, now)
        return open_calls, deferred

    async def _defer(self, work: DialWork, claimed: Sequence[ClaimedCall], deferred: Mapping[CallId, datetime]) -> None:
        async with self._store.dispatch_transaction() as tx:
            await tx.dispatch.defer(work.workspace_id, deferred)
            not_now = [call.key for call in claimed if call.call_id in deferred]
            await tx.dispatch.give_back(work.workspace_id, self._owner_id, not_now)

    async def _permit_and_send(self, work: DialWork, calls: Sequence[ClaimedCall], slot_at: float) -> None:
        sent = _Sent({}, {}, [])
        by_attempt = {call.attempt_id: call for call in calls}
        is_lost = True
        await self._gate("permit.before")
        try:
            async with self._store.dispatch_transaction() as tx:
                await tx.dispatch.lock_for_permit(work.workspace_id, work.agent_id, work.campaign_id)
                await self._gate("permit.locked")
                # The answer to the next statement proves that the locks were held after this instant.
                checked_at = self._clock.monotonic()
                permitted = await self._permit(tx, work, calls)
                await self._gate("permit.checked")
                await self._send_all(tx, work, [by_attempt[a] for a in permitted], sent, checked_at, slot_at)
                refused = by_attempt.keys() - set(permitted)
                skipped: Sequence[CallId] = []
                if refused:
                    # The attempts of those that end here are given back below, like the others.
                    asked = [by_attempt[attempt_id].call_id for attempt_id in refused]
                    skipped = await tx.dispatch.skip_suppressed(work, asked)
                    if skipped:
                        log.info("suppressed numbers were skipped", calls=len(skipped))
                    later = self._now() + timedelta(seconds=self._limits.put_off_s)
                    put_off = {by_attempt[attempt_id].call_id: later for attempt_id in refused}
                    await tx.dispatch.defer(work.workspace_id, put_off)
                if sent.too_late:
                    log.warning(
                        "places in the pace went unused: too slow between claim and send", calls=len(sent.too_late)
                    )
                if refused or sent.too_late:
                    not_sent = [by_attempt[attempt_id].key for attempt_id in (*refused, *sent.too_late)]
                    await tx.dispatch.give_back(work.workspace_id, self._owner_id, not_sent)
                if sent.driver_ids:
                    await tx.dispatch.record_driver_ids(work.workspace_id, sent.driver_ids)
                await self._gate("permit.before_commit")
            is_lost = False
            self._tell_refused(len(refused), len(skipped), len(sent.too_late))
        finally:
            # Committed or not: what has left has left, and its outcome will be written.
            self._settler.permit_over(list(by_attempt), is_lost=is_lost)
            for attempt_id, outcome in sent.outcomes.items():
                self._settler.over(attempt_id, outcome)

    def _tell_refused(self, refused_count: int, skipped_count: int, late_count: int) -> None:
        for reason, count in (
            (Refusal.SUPPRESSED, skipped_count),
            (Refusal.FORBIDDEN, refused_count - skipped_count),
            (Refusal.TOO_LATE, late_count),
        ):
            if count:
                self._observer.refused(reason, count)

    async def _permit(self, tx: Transaction, work: DialWork, calls: Sequence[ClaimedCall]) -> Sequence[AttemptId]:
        now = self._now()
        asked = [
            (
                call.attempt_id,
                call.call_id,
                closes_at((call.call_config or work.call_config).window, now) if call.has_place else _NEVER,
            )
            for call in calls
        ]
        return await tx.dispatch.permit(work, self._owner_id, asked, self._limits.lease_s, self._now_override)

    async def _send_all(
        self,
        tx: Transaction,
        work: DialWork,
        calls: Sequence[ClaimedCall],
        sent: _Sent,
        checked_at: float,
        slot_at: float,
    ) -> None:
        send_until = min(
            checked_at + self._limits.permit_ttl_ms / 1_000,
            slot_at + self._limits.slot_ttl_ms / 1_000,
        )
        give_up_at = checked_at + self._limits.originate_timeout_ms / 1_000
        # A group, not gather: nothing of this permit may still be sending when its locks are let go.
        async with asyncio.TaskGroup() as sends:
            for call in calls:
                sends.create_task(self._send(tx, work, call, sent, send_until, give_up_at))

    async def _send(
        self,
        tx: Transaction,
        work: DialWork,
        call: ClaimedCall,
        sent: _Sent,
        send_until: float,
        give_up_at: float,
    ) -> None:
        attempt_id = call.attempt_id
        request = OriginateRequest(
            attempt_id=attempt_id,
            call_id=call.call_id,
            agent_id=work.agent_id,
            trunk=work.trunk,
            called_number=call.called_number,
            calling_number=call.calling_number,
            handling=work.handling,
            parameters=agent_parameters(work, call, self._prompts.script(work)),
            ring_timeout_s=self._limits.ring_timeout_s,
            talk_max_s=(call.call_config or work.call_config).max_call_length_s,
            send_until=send_until,
        )
        await self._gate("originate.before")
        now = self._clock.monotonic()
        # A session that was cut has let go of the locks at once, whatever time is left.
        if now > send_until or tx.is_lost:
            sent.too_late.append(attempt_id)
            return
        # Known before it leaves: an instant carrier may report before originate returns.
        attempt = LiveAttempt(
            work, call, now + self._limits.silence_timeout_s, sent_at=now, originated_at=self._clock.now()
        )
        self._settler.live[attempt_id] = attempt
        try:
            async with asyncio.timeout(give_up_at - now):
                driver_id = await self._driver.originate(request)
        except OriginateTooLate:
            self._settler.live.pop(attempt_id)
            sent.too_late.append(attempt_id)
            return
        except OriginateRefused as refused:
            sent.outcomes[attempt_id] = refused.outcome
        except (OriginateUnknown, TimeoutError):
            sent.outcomes[attempt_id] = SENT_OR_NOT
        except Exception:
            # A driver that breaks its contract must not end the other calls of its batch; what it sent is unknown.
            log.exception("originate failed in a way that it should not", attempt_id=str(attempt_id))
            sent.outcomes[attempt_id] = SENT_OR_NOT
        else:
            # A driver that uses our id as its own has nothing to be remembered by.
            if driver_id != str(attempt_id):
                sent.driver_ids[call.key] = driver_id
        attempt.place = self._observer.sent(work.trunk.driver)

    async def _unclaim(self, work: DialWork, attempts: Sequence[AttemptKey]) -> None:
        """Give back what has certainly not left. If the database is away, the lease and the crash rules decide."""
        if not attempts:
            return
        try:
            async with self._store.dispatch_transaction() as tx:
                await tx.dispatch.give_back(work.workspace_id, self._owner_id, attempts)
        except (DatabaseUnavailable, SerializationConflict) as error:
            log.warning("claims were not given back", reason=error.message, attempts=len(attempts))

    def _now(self) -> datetime:
        return self._now_override or self._database_time.now()
