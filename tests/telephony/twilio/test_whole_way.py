"""The whole way: a campaign on a Twilio trunk, reports through the HTTP server and the store, outcomes in the rows."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn

from ringoff.api.app import ApiLimits, create_app
from ringoff.clock import SystemClock
from ringoff.dispatch.callbacks import CallbackTaker
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.termination import Ongoing, Selector, TerminationOrder
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from ringoff.telephony.twilio.driver import TwilioDriver
from tests.support.twilio_standin import ACCOUNT_SID, AUTH_TOKEN, Fault, StoodCall, TwilioStandIn
from tests.support.world import World

pytestmark = pytest.mark.anyio
NUMBERS = ["+14155550101", "+14155550102", "+14155550103"]
# The database of a loaded machine may take its time: how fast a permit is, is measured elsewhere.
LIMITS = DispatchLimits(originate_timeout_ms=20_000, permit_ttl_ms=20_000, slot_ttl_ms=20_000, lease_s=600.0)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()


@dataclass
class Whole:
    """A process that dials and one that hears, on one database, and the carrier."""

    world: World
    carrier: TwilioStandIn
    supervisor: Supervisor
    taker: CallbackTaker

    async def report(self, call: StoodCall, status: str, duration_s: int = 0, sip: str = "") -> None:
        """The carrier posts, and the process that dialled takes it."""
        await self.carrier.move(call, status, duration_s=duration_s, SipResponseCode=sip)
        assert self.carrier.answers_to_reports[-1] == 200
        await self.taker.take()

    async def dial(self) -> dict[str, StoodCall]:
        await self.world.dial(self.supervisor, SystemClock().monotonic())
        return {call.form["To"]: call for call in [await self.carrier.created.get() for _ in NUMBERS]}

    async def all_settled(self) -> None:
        while self.supervisor.settler.live:
            await self.supervisor.settler.channel_freed.wait()
            self.supervisor.settler.channel_freed.clear()


@asynccontextmanager
async def served(store: PostgresStore) -> AsyncIterator[str]:
    """The HTTP server on a free port; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(store=store, clock=SystemClock(), limits=ApiLimits())
    server = _Server(uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server._serve([listening]))
        await server.accepting.wait()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
    listening.close()


@pytest.fixture
async def whole(store: PostgresStore) -> AsyncIterator[Whole]:
    clock = SystemClock()
    driver = TwilioDriver(clock, write_timeout_s=10.0)
    async with served(store) as url, TwilioStandIn() as carrier:
        world = await World.make(store)
        config = {
            "account_sid": ACCOUNT_SID,
            "auth_token": AUTH_TOKEN,
            "base_url": carrier.base_url,
            "callback_base_url": url,
        }
        async with store.transaction() as tx:
            await tx.connection.execute("UPDATE trunk SET driver = 'twilio', config = $1", config)
        supervisor = Supervisor(store=store, driver=driver, clock=clock, limits=LIMITS)
        taker = CallbackTaker(store=store, driver=driver, clock=clock, limits=LIMITS, owner_id=supervisor.owner_id)
        await driver.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = [
                    tasks.create_task(loop())
                    for loop in (supervisor.settler.run_carrier, supervisor.settler.run_events)
                ]
                yield Whole(world, carrier, supervisor, taker)
                for loop in loops:
                    loop.cancel()
        finally:
            await driver.stop()


async def test_what_the_carrier_reports_becomes_of_the_calls(whole: Whole) -> None:
    await whole.world.campaign(NUMBERS)
    calls = await whole.dial()
    answered, busy, wrong = (calls[number] for number in NUMBERS)
    for status in ("initiated", "ringing", "in-progress"):
        await whole.report(answered, status)
    await whole.report(answered, "completed", duration_s=4)
    await whole.report(busy, "busy", sip="486")
    await whole.report(wrong, "failed", sip="404")
    await whole.all_settled()
    statuses = await whole.world.status_by_number()
    assert [statuses[number][0] for number in NUMBERS] == ["completed", "retry", "failed"]
    talked = "SELECT count(*) FROM call WHERE talk_ms BETWEEN 3000 AND 5000"
    assert await whole.world.count(talked) == 1
    assert await whole.world.count("SELECT count(*) FROM carrier_callback") == 0
    assert await broken_invariants(whole.world.store) == []


async def test_an_order_takes_ringing_and_talking_off_the_wire(whole: Whole) -> None:
    campaign_id = await whole.world.campaign(NUMBERS)
    calls = await whole.dial()
    queued, ringing, talking = (calls[number] for number in NUMBERS)
    await whole.report(ringing, "ringing")
    await whole.report(talking, "ringing")
    await whole.report(talking, "in-progress")
    order = TerminationOrder(Selector(campaign_id=campaign_id), ongoing=Ongoing.HANGUP)
    await terminate(whole.world.store, whole.world.principal, order)
    await whole.supervisor.settler.release_what_orders_want()
    for call in (queued, ringing, talking):
        await call.ended.wait()
    assert [whole.carrier.updates(call) for call in (queued, ringing, talking)] == [
        ["canceled"],
        ["canceled"],
        ["completed"],
    ]
    taking = asyncio.create_task(whole.taker.run())
    await whole.all_settled()
    taking.cancel()
    statuses = await whole.world.status_by_number()
    assert [statuses[number][0] for number in NUMBERS] == ["cancelled", "cancelled", "completed"]
    assert len(whole.carrier.calls) == len(NUMBERS)
    assert await broken_invariants(whole.world.store) == []


async def test_an_order_does_not_wait_for_a_carrier_that_is_slow_to_answer(whole: Whole) -> None:
    campaign_id = await whole.world.campaign(NUMBERS)
    gate = asyncio.Event()
    whole.carrier.faults.extend(Fault(answers_when=gate) for _ in NUMBERS)
    calls = await whole.dial()
    order = TerminationOrder(Selector(campaign_id=campaign_id), ongoing=Ongoing.HANGUP)
    await terminate(whole.world.store, whole.world.principal, order)
    assert not gate.is_set()
    await whole.supervisor.settler.release_what_orders_want()
    assert [whole.carrier.updates(call) for call in calls.values()] == [[], [], []]
    gate.set()
    for call in calls.values():
        await call.ended.wait()
    taking = asyncio.create_task(whole.taker.run())
    await whole.all_settled()
    taking.cancel()
    statuses = await whole.world.status_by_number()
    assert [statuses[number][0] for number in NUMBERS] == ["cancelled"] * 3
    assert await broken_invariants(whole.world.store) == []


@pytest.mark.parametrize(
    ("fault", "status", "is_trunk_enabled"),
    [
        (Fault(400, 21211), ("failed", "FAILED"), True),
        (Fault(429, 20429), ("retry", "RETRY_SCHEDULED"), True),
        (Fault(401, 20003), ("retry", "RETRY_SCHEDULED"), False),
        (Fault(takes_call=True, cuts=True), ("error", "RECONCILED_TO_ERROR_FROM_ONGOING"), True),
    ],
    ids=["invalid number", "too many requests", "wrong token", "no answer"],
)
async def test_what_is_refused_after_it_was_written(
    whole: Whole, fault: Fault, status: tuple[str, str], is_trunk_enabled: bool
) -> None:
    await whole.world.campaign(NUMBERS[:1])
    whole.carrier.faults.append(fault)
    await whole.world.dial(whole.supervisor, SystemClock().monotonic())
    await whole.all_settled()
    assert (await whole.world.status_by_number())[NUMBERS[0]] == status
    assert await whole.world.count("SELECT retries_used FROM call") == 0
    assert await whole.world.count("SELECT count(*) FROM trunk WHERE is_enabled") == int(is_trunk_enabled)
    cause = "SELECT count(*) FROM dial_attempt WHERE cause_text LIKE $1"
    said = f"%{fault.code}%" if fault.code else "ServerDisconnected%"
    assert await whole.world.count(cause, said) == 1
    assert await broken_invariants(whole.world.store) == []


async def test_the_carriers_id_is_in_the_row_once_it_is_known(whole: Whole) -> None:
    await whole.world.campaign(NUMBERS[:1])
    await whole.world.dial(whole.supervisor, SystemClock().monotonic())
    call = await whole.carrier.created.get()
    known = "SELECT count(*) FROM dial_attempt WHERE driver_call_id = $1 AND state = 'originated'"
    async with asyncio.timeout(20):
        while not await whole.world.count(known, call.sid):
            pass


@pytest.mark.parametrize("is_id_known", [True, False])
async def test_a_call_whose_process_died_is_ended_by_another(whole: Whole, is_id_known: bool) -> None:
    await whole.world.campaign(NUMBERS[:1])
    await whole.world.dial(whole.supervisor, SystemClock().monotonic())
    call = await whole.carrier.created.get()
    await whole.carrier.move(call, "in-progress", is_reported=False)
    known = call.sid if is_id_known else None
    async with whole.world.store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE dial_attempt SET driver_call_id = $1, lease_until = now() - '1 s'::interval", known
        )
    driver = TwilioDriver(SystemClock())
    await driver.start()
    other = Supervisor(store=whole.world.store, driver=driver, clock=SystemClock(), limits=LIMITS)
    assert await other.rescuer.rescue() == 1
    await call.ended.wait()
    await driver.stop()
    assert call.status == "completed"
    assert len(whole.carrier.calls) == 1
    assert await broken_invariants(whole.world.store) == []
