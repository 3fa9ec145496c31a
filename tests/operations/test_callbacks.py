"""Reports of carriers: kept once, for the owner of the attempt, taken once and in order."""

import asyncio
from uuid import uuid4

import pytest

from ringoff.clock import SystemClock
from ringoff.dispatch.callbacks import CallbackTaker
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.carrier import CarrierCallback, TrunkSpec
from ringoff.domain.errors import NotFound
from ringoff.domain.identifiers import AttemptId, OwnerId, TrunkId
from ringoff.operations.callbacks import callback_trunk, keep_callback
from ringoff.ports import Wakeup
from ringoff.store.postgres import PostgresStore
from ringoff.telephony.simulated import SimulatedCarrier
from tests.support.world import World

pytestmark = pytest.mark.anyio
FIELDS = {"CallSid": "CA1", "CallStatus": "ringing", "SequenceNumber": "1"}


class Listening(SimulatedCarrier):
    """Remembers what it was handed, and cannot take what is marked as broken."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.taken: list[CarrierCallback] = []
        self.has_taken = asyncio.Event()

    async def take_callback(self, callback: CarrierCallback) -> None:
        if "Broken" in callback.fields:
            raise RuntimeError("no")
        self.taken.append(callback)
        self.has_taken.set()


async def dialled(store: PostgresStore) -> tuple[World, TrunkSpec, AttemptId, Supervisor]:
    """One attempt that is claimed by a process."""
    world = await World.make(store)
    await world.campaign(["+14155550101"])
    supervisor = Supervisor(store=store, driver=SimulatedCarrier(SystemClock()), clock=SystemClock())
    [(_, [claimed])] = await world.claim(supervisor)
    trunk = await callback_trunk(store, world.trunk_id, "simulated")
    return world, trunk, claimed.attempt_id, supervisor


def taker(store: PostgresStore, driver: Listening, owner_id: OwnerId, batch_max: int = 500) -> CallbackTaker:
    limits = DispatchLimits(events_batch_max=batch_max)
    return CallbackTaker(store=store, driver=driver, clock=SystemClock(), limits=limits, owner_id=owner_id)


async def test_the_owner_takes_reports_once_and_in_order(store: PostgresStore) -> None:
    _, trunk, attempt_id, supervisor = await dialled(store)
    driver = Listening()
    for number in range(3):
        await keep_callback(store, trunk, attempt_id, FIELDS | {"SequenceNumber": str(number)}, str(number))
    stranger = taker(store, Listening(), OwnerId(uuid4()))
    assert await stranger.take() == 0
    ours = taker(store, driver, supervisor.owner_id, batch_max=2)
    assert [await ours.take(), await ours.take(), await ours.take()] == [2, 1, 0]
    assert [callback.fields["SequenceNumber"] for callback in driver.taken] == ["0", "1", "2"]
    assert {callback.attempt_id for callback in driver.taken} == {attempt_id}


async def test_a_report_that_waits_is_kept_once(store: PostgresStore) -> None:
    world, trunk, attempt_id, _ = await dialled(store)
    for _ in range(2):
        await keep_callback(store, trunk, attempt_id, FIELDS, "1")
    assert await world.count("SELECT count(*) FROM carrier_callback WHERE sequence_number = 1") == 1


async def test_a_report_that_cannot_be_taken_costs_no_other(store: PostgresStore) -> None:
    _, trunk, attempt_id, supervisor = await dialled(store)
    driver = Listening()
    await keep_callback(store, trunk, attempt_id, {"Broken": "1"}, "")
    await keep_callback(store, trunk, attempt_id, FIELDS, "1")
    assert await taker(store, driver, supervisor.owner_id).take() == 2
    assert [callback.fields for callback in driver.taken] == [FIELDS]


async def test_the_loop_takes_what_it_is_woken_for(store: PostgresStore) -> None:
    _, trunk, attempt_id, supervisor = await dialled(store)
    driver = Listening()
    limits = DispatchLimits(poll_s=100_000.0)
    ours = CallbackTaker(store=store, driver=driver, clock=SystemClock(), limits=limits, owner_id=supervisor.owner_id)
    await keep_callback(store, trunk, attempt_id, FIELDS, "1")
    running = asyncio.ensure_future(ours.run())
    for number in (2, 3):
        await driver.has_taken.wait()
        driver.has_taken.clear()
        await keep_callback(store, trunk, attempt_id, FIELDS | {"SequenceNumber": str(number)}, str(number))
        ours.callbacks_waiting.set()
    await driver.has_taken.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [callback.fields["SequenceNumber"] for callback in driver.taken] == ["1", "2", "3"]


async def test_a_stranger_s_trunk_or_attempt_is_not_found(store: PostgresStore) -> None:
    _, trunk, attempt_id, _ = await dialled(store)
    other, other_trunk, _, _ = await dialled(store)
    with pytest.raises(NotFound):
        await keep_callback(store, other_trunk, attempt_id, FIELDS, "1")
    with pytest.raises(NotFound):
        await keep_callback(store, trunk, AttemptId(uuid4()), FIELDS, "1")
    with pytest.raises(NotFound):
        await callback_trunk(store, TrunkId(uuid4()), "simulated")
    with pytest.raises(NotFound):
        await callback_trunk(store, trunk.trunk_id, "twilio")
    assert await other.count("SELECT count(*) FROM carrier_callback") == 0


async def test_a_report_wakes_the_listeners(store: PostgresStore) -> None:
    _, trunk, attempt_id, _ = await dialled(store)
    async with store.wakeups() as bursts:
        await keep_callback(store, trunk, attempt_id, FIELDS, "1")
        async for burst in bursts:
            if Wakeup.CALLBACK in burst:
                break


async def test_what_nobody_takes_is_pruned(store: PostgresStore) -> None:
    world, trunk, attempt_id, _ = await dialled(store)
    await keep_callback(store, trunk, attempt_id, FIELDS, "1")
    await keep_callback(store, trunk, attempt_id, FIELDS | {"CallStatus": "busy"}, "2")
    async with store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE carrier_callback SET received_at = received_at - interval '2 hours' WHERE sequence_number = 1"
        )
        await tx.dispatch.prune(72, 100)
    assert await world.count("SELECT count(*) FROM carrier_callback") == 1
