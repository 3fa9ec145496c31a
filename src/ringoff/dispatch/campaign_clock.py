"""What the passing of time does to campaigns: they open, they finish, and at their end a fence goes up."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from ringoff.dispatch.coming_partitions import make_coming_partitions
from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.call import SubStatus
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.identifiers import CampaignId, WorkspaceId
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.ports import Clock, Store

log = structlog.get_logger()

_PRUNE_EVERY = 60
"""Rounds between two prunings."""


class CampaignClock:
    """Any number may run; every move names the status that it expects."""

    def __init__(
        self, *, store: Store, clock: Clock, limits: DispatchLimits, now_override: datetime | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._now_override = now_override
        self._rounds = 0
        self._has_more_to_prune = False

    async def run(self) -> None:
        while True:
            is_upkeep_due = self._rounds % _PRUNE_EVERY == 0
            self._rounds += 1
            await self._tried(self.tick)
            if self._has_more_to_prune or is_upkeep_due:
                await self._tried(self._prune)
            if is_upkeep_due:
                await self._tried(self._make_coming_partitions)
            await self._clock.sleep(self._limits.poll_s)

    async def _tried(self, step: Callable[[], Awaitable[None]]) -> None:
        """Each for itself: what cannot be pruned must neither keep campaigns open nor coming partitions unmade."""
        try:
            await step()
        except (DatabaseUnavailable, SerializationConflict) as error:
            log.warning("campaign clock waits for the database", reason=error.message)

    async def _make_coming_partitions(self) -> None:
        await make_coming_partitions(self._store)

    async def _prune(self) -> None:
        self._has_more_to_prune = False  # also when it fails: tried again with the next upkeep, not at once
        async with self._store.dispatch_transaction() as tx:
            deleted_count = await tx.dispatch.prune(self._limits.outbox_keep_h, self._limits.prune_batch_max)
        self._has_more_to_prune = deleted_count >= self._limits.prune_batch_max

    async def tick(self) -> None:
        """One look at all campaigns."""
        async with self._store.dispatch_transaction() as tx:
            ended = await tx.campaigns.past_end(self._now_override)
        for workspace_id, campaign_id in ended:
            await self._end(workspace_id, campaign_id)
        async with self._store.dispatch_transaction() as tx:
            opened = await tx.campaigns.open_due(self._now_override)
            if opened:
                await tx.calls.wake_dispatchers()
        async with self._store.dispatch_transaction() as tx:
            finished = await tx.campaigns.finish_done()
        for campaign_id in opened:
            log.info("campaign opened", campaign_id=str(campaign_id))
        for campaign_id in finished:
            log.info("campaign completed", campaign_id=str(campaign_id))

    async def _end(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> None:
        """The campaign's end time is a termination given by nobody: the same fence, the same cost."""
        async with self._store.order_transaction() as tx:
            orders = tx.terminations
            witness = await orders.probe_campaign(workspace_id, campaign_id, None)
            if witness is None:
                return
            await orders.lock_campaign(workspace_id, campaign_id)
            if not await orders.is_terminable(workspace_id, witness):
                return  # somebody was faster; what is left is found at the next look
            order = TerminationOrder(Selector(campaign_id=campaign_id), reason="the campaign's end time has passed")
            termination_id = await orders.add_termination(workspace_id, order, api_key_id=None)
            await orders.record_ongoing(workspace_id, termination_id, order)
            # Nothing is written if an order for the agent was faster; the next look finds nothing more to end.
            if not await orders.end_campaign(
                workspace_id, termination_id, campaign_id, SubStatus.CAMPAIGN_TIME_EXCEEDED
            ):
                raise SerializationConflict("the campaign is not started any more")
        log.info("campaign ended by its end time", campaign_id=str(campaign_id))
