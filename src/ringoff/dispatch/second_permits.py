"""A second request of an attempt needs a permit of its own: an answer to a challenge, or the next gateway, rings too.

The first permit's locks are long gone when a carrier challenges it, and an order may have been acknowledged meanwhile.
So a driver asks (``PermitWanted``) and sends nothing; here the fences are judged again, under the same locks. The claim
whose commit proved that our primary is the one with the standby is long gone, too: another commit proves it first.
"""

import asyncio
from collections.abc import Sequence

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.live_attempt import SENT_OR_NOT, LiveAttempt
from ringoff.dispatch.settler import DatabaseTime, Settler
from ringoff.domain.attempt_records import DialWork, OriginateRefused, OriginateTooLate, OriginateUnknown
from ringoff.domain.call_window import is_open
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.identifiers import AttemptId, OwnerId
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.driver_port import CallDriver
from ringoff.observer_port import NOBODY, Observer, Refusal, Step, StepNotes
from ringoff.ports import Clock, Gate, Store, Transaction

log = structlog.get_logger()


class SecondPermits:
    """One loop; whatever campaign asks, its attempts of one look share a permit."""

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

    async def run(self) -> None:
        wanted = self._settler.permits_wanted
        while True:
            asking = [await wanted.get()]
            while len(asking) < self._limits.batch_max and not wanted.empty():
                asking.append(wanted.get_nowait())
            await self.permit_again(asking)

    async def permit_again(self, asking: Sequence[LiveAttempt]) -> None:
        """Resume what may go on, and end the rest: its call waits again, or is cancelled by what refused it."""
        by_campaign: dict[tuple[object, ...], list[LiveAttempt]] = {}
        for attempt in asking:
            # The epoch too: a restarted campaign's calls are judged by their own.
            key = (attempt.work.workspace_id, attempt.work.campaign_id, attempt.work.epoch)
            by_campaign.setdefault(key, []).append(attempt)
        for attempts in by_campaign.values():
            try:
                limit_s = self._limits.originate_timeout_ms / 1_000 + self._limits.permit_grace_s
                notes = StepNotes(Step.SECOND_PERMIT, attempts[0].work.campaign_id, len(attempts))
                with self._observer.step(notes):
                    async with asyncio.timeout(limit_s):
                        refused = await self._permit_and_resume(attempts[0].work, attempts)
            except (DatabaseUnavailable, SerializationConflict, TimeoutError) as error:
                # What has not been resumed waits at the driver: released, and its call put back.
                log.warning("a second permit was lost", reason=str(error))
                refused = [attempt for attempt in attempts if attempt.is_waiting]
            for attempt in refused:
                await self._give_up(attempt)

    async def _permit_and_resume(self, work: DialWork, attempts: Sequence[LiveAttempt]) -> Sequence[LiveAttempt]:
        await self._gate("second_permit.before")
        by_id = {attempt.claimed.attempt_id: attempt for attempt in attempts}
        now = self._database_time.now()
        open_ids = [id_ for id_, attempt in by_id.items() if is_open(attempt.config.window, now)]
        proved_at = self._clock.monotonic()
        async with self._store.dispatch_transaction() as tx:
            await tx.dispatch.leave_mark()
        await self._gate("second_permit.proved")
        async with self._store.dispatch_transaction() as tx:
            await tx.dispatch.lock_for_permit(work.workspace_id, work.agent_id, work.campaign_id)
            calls = [by_id[attempt_id].claimed.call_id for attempt_id in open_ids]
            await tx.dispatch.lock_calls(work.workspace_id, calls)
            await self._gate("second_permit.locked")
            asked = [by_id[attempt_id].claimed.key for attempt_id in open_ids]
            permitted = await tx.dispatch.permit_again(work, self._owner_id, asked, self._limits.lease_s)
            await self._gate("second_permit.checked")
            async with asyncio.TaskGroup() as sends:
                for attempt_id in permitted:
                    sends.create_task(self._resume(tx, by_id[attempt_id], proved_at))
        return [attempt for attempt in attempts if attempt.is_waiting]

    async def _resume(self, tx: Transaction, attempt: LiveAttempt, proved_at: float) -> None:
        """``proved_at`` is before the locks, too: a monotonic instant at which no standby had been promoted yet."""
        attempt_id = attempt.claimed.attempt_id
        send_until = proved_at + self._limits.permit_ttl_ms / 1_000
        give_up_at = proved_at + self._limits.originate_timeout_ms / 1_000
        now = self._clock.monotonic()
        if now > send_until or tx.is_lost:
            return
        attempt.is_waiting = False
        try:
            async with asyncio.timeout(give_up_at - now):
                await self._driver.resume(attempt_id, send_until)
        except OriginateTooLate:
            attempt.is_waiting = True
        except OriginateRefused as refused:
            self._settler.over(attempt_id, refused.outcome)
        except (OriginateUnknown, TimeoutError):
            self._settler.over(attempt_id, SENT_OR_NOT)
        except Exception:
            # A driver that breaks its contract must not end the other attempts; what it sent is unknown.
            log.exception("resume failed in a way that it should not", attempt_id=str(attempt_id))
            self._settler.over(attempt_id, SENT_OR_NOT)

    async def _give_up(self, attempt: LiveAttempt) -> None:
        """Nothing rings: the carrier answered the first request, and no other has left."""
        attempt_id: AttemptId = attempt.claimed.attempt_id
        attempt.is_waiting = False
        if attempt_id not in self._settler.live:
            return
        self._observer.refused(Refusal.SECOND_PERMIT, 1)
        cause = ReleaseCause(text="no second permit")
        self._settler.over(attempt_id, Outcome(Disposition.CANCELLED, cause, is_put_back=True))
        await self._settler.release(attempt_id)
