"""The scene of a scheduled race: what each actor does, and what was on the wire when an order was answered."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import NothingTerminable
from ringoff.domain.identifiers import AgentId, AttemptId, CallId, CampaignId
from ringoff.domain.termination import Selector, TerminationOrder, covers
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.support.carriers import ScriptedCarrier
from tests.support.stepper import SteppedStore, Stepper
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World

CANCELLED = ("cancelled", "USER_TERMINATED")
LIMITS = DispatchLimits(originate_timeout_ms=60_000, lease_s=600.0)
"""Actors stand as long as the test likes: time is not what these races are about."""

_RECEIPTS = """
    SELECT t.reason, t.state, t.cancelled_count, t.retry_barred_count,
        (SELECT count(*) FROM call c WHERE c.workspace_id = $1 AND c.termination_id = t.termination_id) AS call_count
    FROM termination t
    WHERE t.workspace_id = $1
"""


@dataclass(frozen=True)
class KnownCall:
    """What a selector can tell calls apart by; ``campaign_id`` is None for individual calls."""

    call_id: CallId
    agent_id: AgentId
    campaign_id: CampaignId | None
    number: str

    def is_covered_by(self, selector: Selector) -> bool:
        return covers(
            selector,
            call_id=self.call_id,
            agent_id=self.agent_id,
            campaign_id=self.campaign_id,
            called_number=self.number,
        )


@dataclass(eq=False)
class Order:
    """One order of a race. ``wire_length`` is how much was on the wire when it was answered."""

    selector: Selector
    rows_max: int = 2_000
    wire_length: int | None = None
    is_accepted: bool = False


@dataclass(frozen=True)
class Receipt:
    """What an order says that it did."""

    state: str
    cancelled_count: int
    retry_barred_count: int
    call_count: int
    """How many calls name this order as the one that ended them, or barred their retry."""


class Process:
    """One dispatcher process: its supervisor and the attempts whose end the carrier has told it."""

    def __init__(self, scene: "Scene", store: PostgresStore | None = None) -> None:
        self.scene = scene
        self.store = store or scene.store
        self.carrier = ScriptedCarrier()
        self.carrier.wire = scene.wire
        self.ended: set[AttemptId] = set()
        self.supervisor = Supervisor(
            store=self.store, driver=self.carrier, clock=scene.clock, limits=LIMITS, gate=scene.stepper
        )

    async def claim_and_dial(self, campaign_id: CampaignId, count_max: int = 50, *, is_dialled: bool = True) -> None:
        """What a dispatcher does with one campaign in one round."""
        dispatching = self.store.dispatch_transaction
        async with dispatching() as tx:
            found = [work for work in await tx.dispatch.work(None) if work.campaign_id == campaign_id]
        if not found:
            return
        [work] = found
        async with dispatching() as tx:
            await tx.dispatch.lock_trunk(work.workspace_id, work.trunk_id)
            calls = await tx.dispatch.claim(work, self.supervisor.owner_id, count_max, LIMITS.lease_s, 0, None)
        if calls and is_dialled:
            await self.supervisor.dialer.dial(work, calls, self.scene.clock.monotonic())

    async def settle(self, sip_statuses: dict[AttemptId, int]) -> None:
        """The carrier says how attempts ended; until every outcome that may be written is written."""
        settler = self.supervisor.settler
        for attempt_id, sip_status in sip_statuses.items():
            self.carrier.ends(attempt_id, sip_status, was_answered=sip_status == 200)
            self.ended.add(attempt_id)
        loops = [asyncio.create_task(settler.run_carrier()), asyncio.create_task(settler.run_events())]
        try:
            # A report that comes before the permit is over is put aside, which takes turns of the loop and no more.
            for _ in range(20):
                await asyncio.sleep(0)
            while any(a in self.ended and attempt.is_permit_over for a, attempt in settler.live.items()):
                await settler.channel_freed.wait()
                settler.channel_freed.clear()
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def sweep(self) -> None:
        await self.supervisor.sweeper.sweep()

    async def rescue(self) -> None:
        await self.supervisor.rescuer.rescue()


@dataclass
class Scene:
    """One world and everything that happens in it."""

    store: PostgresStore
    stepper: Stepper
    world: World
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(SystemClock().now()))
    orders: list[Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wire = ScriptedCarrier().wire
        self.known: dict[CallId, KnownCall] = {}
        self.ends_otherwise: set[CallId] = set()
        """Calls whose own end may come before an order, or is not a retry: an order need not have cancelled them."""
        self.process = Process(self)

    @classmethod
    async def make(cls, store: PostgresStore, stepper: Stepper) -> Self:
        return cls(store, stepper, await World.make(store))

    async def campaign(self, numbers: Sequence[str], agent_id: AgentId | None = None) -> CampaignId:
        campaign_id = await self.world.campaign(numbers, agent_id=agent_id)
        await self._learn(agent_id or self.world.agent_id, campaign_id)
        return campaign_id

    async def individual_call(self, number: str) -> CampaignId:
        """Returns the hidden campaign."""
        call_id = await self.world.individual_call(number)
        await self._learn(self.world.agent_id, None)
        async with self.store.transaction() as tx:
            return CampaignId(
                await tx.connection.fetchval("SELECT campaign_id FROM call_effective WHERE call_id = $1", call_id)
            )

    async def _learn(self, agent_id: AgentId, campaign_id: CampaignId | None) -> None:
        async with self.store.transaction() as tx:
            rows = await tx.connection.fetch(
                "SELECT call_id, called_number FROM call_effective WHERE workspace_id = $1", self.world.workspace_id
            )
        for row in rows:
            if row["call_id"] not in self.known:
                self.known[row["call_id"]] = KnownCall(row["call_id"], agent_id, campaign_id, row["called_number"])

    async def give(self, order: Order) -> None:
        """The order as a request gives it; what is on the wire is counted the moment it is answered."""
        self.orders.append(order)
        try:
            await terminate(
                self.store,
                self.world.principal,
                TerminationOrder(order.selector, reason=str(self.orders.index(order))),
                number_rows_max=order.rows_max,
                gate=self.stepper,
            )
            order.is_accepted = True
        except NothingTerminable:
            pass
        order.wire_length = len(self.wire)

    def covered_by(self, orders: Collection[Order]) -> set[CallId]:
        return {call.call_id for call in self.known.values() for order in orders if call.is_covered_by(order.selector)}

    @property
    def accepted(self) -> Sequence[Order]:
        return [order for order in self.orders if order.is_accepted]

    def dialled_too_late(self) -> list[str]:
        """Violations of the first promise so far."""
        return [
            f"{self.known[request.call_id].number} was dialled after the order on {sorted(order.selector.fields)}"
            for order in self.accepted
            for request in self.wire[order.wire_length :]
            if self.known[request.call_id].is_covered_by(order.selector)
        ]

    def dialled_twice(self) -> list[str]:
        """An attempt goes on the wire once."""
        attempt_ids = [request.attempt_id for request in self.wire]
        return [f"attempt {a} was dialled twice" for a in set(attempt_ids) if attempt_ids.count(a) > 1]

    async def broken_rules(self) -> list[str]:
        return [str(rule) for rule in await broken_invariants(self.store)]

    async def end_what_is_live(self, sip_status: int = 486) -> None:
        """Everything on the wire ends, and everything that was ordered is swept."""
        live = self.process.supervisor.settler.live
        await self.process.settle(dict.fromkeys(live.keys() - self.process.ended, sip_status))
        await self.world.sweep_all(self.process.supervisor)

    async def lose(self, process: Process) -> None:
        """The process is gone for longer than its leases; what it claimed or dialled has an unknown fate."""
        async with self.store.transaction() as tx:
            lost = await tx.connection.fetch(
                "UPDATE dial_attempt SET lease_until = clock_timestamp() - interval '1 s'"
                " WHERE owner_id = $1 AND state IN ('prepared', 'originated', 'ringing', 'answered') RETURNING call_id",
                process.supervisor.owner_id,
            )
        self.ends_otherwise |= {row["call_id"] for row in lost}

    async def receipts(self) -> dict[int, "Receipt"]:
        """By the order's place in ``orders``."""
        async with self.store.transaction() as tx:
            rows = await tx.connection.fetch(_RECEIPTS, self.world.workspace_id)
        return {
            int(row["reason"]): Receipt(
                row["state"], row["cancelled_count"], row["retry_barred_count"], row["call_count"]
            )
            for row in rows
        }


async def open_store(dsn: str) -> PostgresStore:
    """With pools that no race empties: who waits for a connection would wait unseen."""
    return await SteppedStore.connect(
        dsn, pool_max=4, order_pool_max=8, dispatch_pool_max=16, originate_timeout_ms=60_000
    )


@asynccontextmanager
async def staged(dsn: str) -> AsyncIterator[tuple[PostgresStore, Stepper]]:
    """A store and a stepper for many scenes, one after the other, in one database."""
    store = await open_store(dsn)
    try:
        async with Stepper.on(dsn) as stepper:
            yield store, stepper
    finally:
        await store.close(timeout_s=1.0)
