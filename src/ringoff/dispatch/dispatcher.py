"""Claims what is due, at the pace and in the windows that allow it, and hands each batch to the dialer."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from ringoff.dispatch.dialer import Dialer
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.settler import DatabaseTime
from ringoff.dispatch.trunk_rests import TrunkRests
from ringoff.dispatch.turns import Turns
from ringoff.dispatch.window_rests import WindowRests
from ringoff.domain.attempt_records import ClaimedCall, DialWork, PaceState
from ringoff.domain.call_window import is_open, next_opening
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.fair_share import ChannelUse, Share
from ringoff.domain.identifiers import CampaignId, NumberPoolId, OwnerId, TrunkId, WorkspaceId
from ringoff.domain.pacing import after_grant, allowance, has_channel, is_short_of_channels, wait_s
from ringoff.observer_port import NOBODY, Observer, Step, StepNotes
from ringoff.ports import Clock, Gate, Store, Transaction

log = structlog.get_logger()

_WAIT_MIN_S = 0.005
_IN_FLIGHT_S = 0.05
_TICK_S = 0.05
"""Between a claim that took all that its trunk gave and the next: as fine as a pace needs to be."""
_CHANNELS_LOOK_S = 0.25
"""How often a trunk without a free channel is asked again. What ends here is heard of at once, and what ends in another
process is claimed by that process; this is for channels whose process has died or is stopping."""
_ROUNDS_APART_S = 0.01
"""Between two rounds of which the second was woken: a burst of notifications is one."""
_FIRST_TURN_FIRST = -1
"""The rotation with which the claim's first call shows the first number."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What came of asking for one batch."""

    calls: Sequence[ClaimedCall]
    wait_s: float = 0.0
    """How long to wait before asking again; 0 when more may be claimed at once."""
    asked: int = 0
    """How many calls it could have been; 0 when the trunk takes nothing."""
    slot_at: float = 0.0
    """A monotonic instant before the grant was written: from it on the places in the pace may be used."""
    trunk_rests_s: float = 0.0
    """How long the trunk takes nothing more."""
    awaits_channel: bool = False


class Dispatcher:
    """One per process. ``run`` until ``stop``; ``wake`` when something may have become due."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        database_time: DatabaseTime,
        limits: DispatchLimits,
        owner_id: OwnerId,
        dialer: Dialer,
        gate: Gate,
        now_override: datetime | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self._store = store
        self._clock = clock
        self._database_time = database_time
        self._limits = limits
        self._owner_id = owner_id
        self._dialer = dialer
        self._gate = gate
        self._observer = observer
        self._now_override = now_override
        self._wakeup = asyncio.Event()
        self._is_stopping = False
        self._in_flight = asyncio.Semaphore(limits.dials_in_flight_max)
        self._rotation = 0
        self._turns = Turns(limits.batch_max, limits.round_claims_max, limits.dials_in_flight_max)
        self._are_shares_kept = False
        self._one_round = asyncio.Lock()
        self._limited_trunks: set[TrunkId] = set()
        """Where a campaign uses all the channels that it may: the end of a call is news there."""
        self._rests = TrunkRests(clock)
        self._closed = WindowRests(limits.closed_campaigns_max)

    def wake(self) -> None:
        self._wakeup.set()

    @property
    def has_been_woken(self) -> bool:
        """Since ``run`` last began a round."""
        return self._wakeup.is_set()

    def channels_freed(self, trunk_ids: Collection[TrunkId]) -> None:
        """A round only where a trunk waits for that: one that waits for its pace gains nothing by a channel."""
        if self._rests.channels_freed(trunk_ids) or not self._limited_trunks.isdisjoint(trunk_ids):
            self._wakeup.set()

    def forget_rests(self) -> None:
        """Ask about every trunk in the next round, whatever the last one has heard."""
        self._rests.forget()

    def stop(self) -> None:
        """No new claim, no new permit; what is claimed only is given back, and permits in flight end by themselves."""
        self._is_stopping = True
        self._wakeup.set()

    async def run(self) -> None:
        """Returns after ``stop``, once the batches in flight are over."""
        async with asyncio.TaskGroup() as dials:
            while not self._is_stopping:
                self._wakeup.clear()
                try:
                    wait = await self.dispatch_round(dials)
                except (DatabaseUnavailable, SerializationConflict) as error:
                    log.warning("dispatching waits for the database", reason=error.message)
                    wait = self._limits.backoff_s
                if wait > 0 and not self._is_stopping:
                    await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        apart_s = min(_ROUNDS_APART_S, seconds)
        await asyncio.sleep(apart_s)
        try:
            async with asyncio.timeout(seconds - apart_s):
                await self._wakeup.wait()
        except TimeoutError:
            pass

    async def dispatch_round(self, dials: asyncio.TaskGroup) -> float:
        """Give every campaign with work one batch, or as many as a round has; return how long nothing more can be done.

        Rounds of one dispatcher come one after the other.
        """
        async with self._one_round:
            return await self._round(dials)

    async def _round(self, dials: asyncio.TaskGroup) -> float:
        async with self._store.dispatch_transaction() as tx:
            asked_at = self._clock.monotonic()
            work_list = await tx.dispatch.work(
                self._now_override, self._rests.resting(), self._limits.work_campaigns_max, self._closed.resting()
            )
            shares = await self._shares(tx)
        if work_list and self._now_override is None:
            self._database_time.saw(work_list[0].now, asked_at)
        self._limited_trunks.clear()
        due, wait = self._due_now(work_list)
        self._turns.begin(due, shares)
        while not self._is_stopping and (asking := self._turns.next()) is not None:
            claim = await self._claim_and_dial(asking, dials)
            if claim.asked:
                self._turns.claimed(asking, claim.asked, len(claim.calls))
            if claim.trunk_rests_s:
                self._turns.rest(asking.trunk_id)
                rests_s = min(claim.trunk_rests_s, self._limits.poll_s)
                self._rests.rest(asking.trunk_id, rests_s, awaits_channel=claim.awaits_channel)
            else:
                wait = min(wait, claim.wait_s)
        return self._rests.wait_s(wait)

    def _due_now(self, work_list: Sequence[DialWork]) -> tuple[Sequence[DialWork], float]:
        """What may be asked for, and how long until something else may."""
        due, wait = [], self._closed.wait_s(self._now_override or self._database_time.now(), self._limits.poll_s)
        shown = Counter(work.workspace_id for work in work_list)
        for work in work_list:
            opens_at = self._opens_at(work)
            until_due = (max(work.next_due_at, opens_at) - work.now).total_seconds()
            if until_due <= 0:
                due.append(work)
                continue
            wait = min(wait, until_due)
            # Where others may have had no place because of it. They are looked at next, without waiting for a poll.
            is_in_the_way = opens_at > work.now and shown[work.workspace_id] >= self._limits.work_campaigns_max
            if is_in_the_way and self._closed.rest(work, opens_at):
                wait = 0.0
        return due, wait

    async def _shares(self, tx: Transaction) -> Mapping[CampaignId, Share]:
        """Equal ones where the schema is still the one that has no place for them."""
        self._are_shares_kept = self._are_shares_kept or await tx.fair_shares.are_kept()
        return await tx.fair_shares.ongoing() if self._are_shares_kept else {}

    def _opens_at(self, work: DialWork) -> datetime:
        """When a campaign outside its window may be dialled again; individual calls bring their own windows."""
        if work.is_individual or is_open(work.call_config.window, work.now):
            return work.now
        return next_opening(work.call_config.window, work.now)

    async def _claim_and_dial(self, work: DialWork, dials: asyncio.TaskGroup) -> _Claim:
        await self._in_flight.acquire()
        handed_over = False
        try:
            with self._observer.step(StepNotes(Step.CLAIM, work.campaign_id)) as notes:
                claim = await self._claim(work)
                notes.call_count = len(claim.calls)
            await self._gate("claim.committed")
            if claim.calls:
                self._turns.took_off(work.workspace_id)
                dials.create_task(self._dial(work, claim))
                handed_over = True
            return claim
        finally:
            if not handed_over:
                self._in_flight.release()

    async def _dial(self, work: DialWork, claim: _Claim) -> None:
        try:
            if self._is_stopping:
                # Nothing has left: another process may have them at once, without waiting for the lease.
                await self._dialer.give_back(work, claim.calls)
            else:
                await self._dialer.dial(work, claim.calls, claim.slot_at)
        except Exception:
            # One batch must not end the others in the group; its own claims are left to their leases.
            log.exception("a batch failed in a way that it should not", campaign_id=str(work.campaign_id))
        finally:
            self._in_flight.release()
            self._turns.landed(work.workspace_id)
            if self._turns.is_held_back:
                self._wakeup.set()

    async def _claim(self, work: DialWork) -> _Claim:
        slot_ttl_s = self._limits.slot_ttl_ms / 1_000
        async with self._store.dispatch_transaction() as tx:
            await tx.dispatch.lock_trunk(work.workspace_id, work.trunk_id)
            pace = await tx.dispatch.pace_state(work.workspace_id, work.trunk_id, slot_ttl_s)
            count_max = allowance(pace, self._limits.batch_max, slot_ttl_s)
            if count_max == 0:
                await self._contended_channels(tx, work, pace)
                return self._nothing_now(pace, slot_ttl_s)
            count_max = min(count_max, await self._room(tx, work, pace))
            if count_max == 0:
                self._limited_trunks.add(work.trunk_id)
                return _Claim([], _CHANNELS_LOOK_S, asked=1)
            self._rotation += self._limits.batch_max
            rotation = self._rotation
            if work.number_pool_id is not None:
                turns = await tx.number_pools.turns(work.workspace_id, work.number_pool_id, count_max)
                if not turns:
                    wait = await self._until_a_turn(tx, work.workspace_id, work.number_pool_id)
                    return _Claim([], wait, asked=count_max)
                work, count_max, rotation = replace(work, calling_numbers=turns), len(turns), _FIRST_TURN_FIRST
            slot_at = self._clock.monotonic()
            claimed = await tx.dispatch.claim(
                work,
                self._owner_id,
                count_max,
                self._limits.lease_s,
                rotation,
                self._now_override,
            )
            if work.number_pool_id is not None:
                await tx.number_pools.take_turns(work.workspace_id, _in_order(work.calling_numbers, claimed))
        if not claimed:
            # What is due is already claimed, by us or by others, and not yet settled.
            return _Claim([], _IN_FLIGHT_S, asked=count_max)
        return self._claimed(pace, claimed, count_max, slot_at)

    def _claimed(self, pace: PaceState, claimed: Sequence[ClaimedCall], asked: int, slot_at: float) -> _Claim:
        """With this grant the next answer may be no: then it need not be asked for."""
        batch_max, slot_ttl_s = self._limits.batch_max, self._limits.slot_ttl_ms / 1_000
        left = after_grant(pace, len(claimed), sum(call.has_place for call in claimed))
        if allowance(left, batch_max, slot_ttl_s) == 0:
            is_full = not has_channel(left)
            return _Claim(claimed, asked=asked, slot_at=slot_at, trunk_rests_s=_TICK_S, awaits_channel=is_full)
        # Places that its calls did not take are there for others at once. The campaign itself goes on as if they were
        # gone: what an order has ended, or nobody may ring, is put off at the pace, not as fast as the machine can.
        is_left = allowance(after_grant(pace, len(claimed), len(claimed)), batch_max, slot_ttl_s) > 0
        return _Claim(claimed, 0.0 if is_left else _TICK_S, asked=asked, slot_at=slot_at)

    def _nothing_now(self, pace: PaceState, slot_ttl_s: float) -> _Claim:
        rests_s = wait_s(pace, slot_ttl_s)
        awaits_channel = not has_channel(pace)
        if awaits_channel:
            rests_s = max(rests_s, _CHANNELS_LOOK_S)
        return _Claim([], trunk_rests_s=rests_s, awaits_channel=awaits_channel)

    async def _room(self, tx: Transaction, work: DialWork, pace: PaceState) -> int:
        """How much of what the trunk gives now this campaign may take. Counted under the trunk's lock, so exactly."""
        own_max = self._turns.share(work).channels_max(pace.channels_max)
        live = await self._contended_channels(tx, work, pace)
        if live is None and own_max < pace.channels_max:
            live = await tx.fair_shares.live(work.workspace_id, work.trunk_id)
        room = own_max - (0 if live is None else live.get(work.campaign_id, 0))
        return max(0, min(room, self._turns.quantum(work)))

    async def _contended_channels(
        self, tx: Transaction, work: DialWork, pace: PaceState
    ) -> Mapping[CampaignId, int] | None:
        """Live attempts by campaign, where several campaigns want the last channels; None where that is not so."""
        is_short = is_short_of_channels(pace, self._limits.slot_ttl_ms / 1_000)
        if is_short is False:
            self._turns.channels_seen(work, None)
        if not is_short or not self._turns.has_rivals(work):
            return None
        live = await tx.fair_shares.live(work.workspace_id, work.trunk_id)
        self._turns.channels_seen(work, ChannelUse(pace.channels_max, live))
        return live

    async def _until_a_turn(self, tx: Transaction, workspace_id: WorkspaceId, number_pool_id: NumberPoolId) -> float:
        wait = await tx.number_pools.wait_s(workspace_id, number_pool_id)
        return self._limits.poll_s if wait is None else max(_WAIT_MIN_S, wait)


def _in_order(turns: Sequence[str], claimed: Sequence[ClaimedCall]) -> Sequence[str]:
    """The turns that were taken, first things first. What may not ring shows its number to nobody."""
    taken = Counter(call.calling_number for call in claimed if call.has_place)
    in_order = []
    for number in turns:
        if taken[number] > 0:
            taken[number] -= 1
            in_order.append(number)
    return in_order
