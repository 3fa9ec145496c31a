"""Takes large lists that wait for their verification, one at a time, under a lease; any number of processes may."""

import asyncio
from typing import Any, Protocol

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.identifiers import OwnerId
from ringoff.domain.list_upload import ClaimedUpload, ProgressBoard, VerifiedUpload
from ringoff.ports import Clock, Store

log = structlog.get_logger()


class Verification(Protocol):
    """What is done with a list, without the when and the who; see ``operations.list_verification``."""

    async def verify(self, claimed: ClaimedUpload, owner_id: OwnerId, board: ProgressBoard) -> VerifiedUpload:
        """Register its calls, or write down why it has none; ``SerializationConflict`` when it is another's."""

    async def give_up(self, claimed: ClaimedUpload, owner_id: OwnerId, failure: str) -> VerifiedUpload:
        """End it without calls."""


_FAILURES_MAX = 5
"""Only what went wrong inside a verification counts; a process that died, or a database that was away, never does."""
_PAUSE_S = 10.0
_RENEWALS_PER_LEASE = 5


class Verifier:
    """One loop, ``run``. A list whose lease ran out is taken by whoever comes first, and begun anew."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        limits: DispatchLimits,
        owner_id: OwnerId,
        verification: Verification,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._owner_id = owner_id
        self._verification = verification

    async def run(self) -> None:
        while True:
            try:
                has_worked = await self.verify_next()
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("verifying lists waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)
                continue
            if not has_worked:
                await self._clock.sleep(self._limits.poll_s)

    async def verify_next(self) -> bool:
        """The list that has waited longest; False when none waits."""
        async with self._store.dispatch_transaction() as tx:
            claimed = await tx.lists.claim(self._owner_id, self._limits.lease_s)
        if claimed is None:
            return False
        board = ProgressBoard()
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(self._work(claimed, board))
            renewing = tasks.create_task(self._keep_lease(claimed, board, working))
            await asyncio.wait([working])
            renewing.cancel()
        error = None if working.cancelled() else working.result()
        if error is not None:
            await self._put_off(claimed, error)
        return True

    async def _work(self, claimed: ClaimedUpload, board: ProgressBoard) -> Exception | None:
        """What went wrong inside the verification, if anything did."""
        campaign_id = str(claimed.campaign_id)
        try:
            verified = await self._verification.verify(claimed, self._owner_id, board)
        except (DatabaseUnavailable, SerializationConflict) as error:
            # Its lease runs out, and whoever comes then starts over.
            log.warning("the verification of a list was cut short", campaign_id=campaign_id, reason=error.message)
        except Exception as error:
            log.exception("the verification of a list went wrong", campaign_id=campaign_id)
            return error
        else:
            log.info("list verified", campaign_id=campaign_id, state=verified.state, calls=verified.registered_count)
        return None

    async def _put_off(self, claimed: ClaimedUpload, error: Exception) -> None:
        async with self._store.dispatch_transaction() as tx:
            failed_count = await tx.lists.put_off(claimed, self._owner_id, _PAUSE_S)
        if failed_count is None or failed_count < _FAILURES_MAX:
            return
        failure = f"the list could not be verified: {type(error).__name__}"
        await self._verification.give_up(claimed, self._owner_id, failure)

    async def _keep_lease(self, claimed: ClaimedUpload, board: ProgressBoard, working: "asyncio.Task[Any]") -> None:
        while True:
            await self._clock.sleep(self._limits.lease_s / _RENEWALS_PER_LEASE)
            try:
                async with self._store.dispatch_transaction() as tx:
                    is_ours = await tx.lists.renew(claimed, self._owner_id, board.latest, self._limits.lease_s)
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("the lease of a list waits for the database", reason=error.message)
                continue
            if not is_ours:
                # Another process has taken it, and what this one would write is refused at its end anyway.
                working.cancel()
                return
