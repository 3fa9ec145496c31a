"""Dropping a month against whoever dials, settles, sweeps and orders: no open call is lost, and nobody fails."""

import asyncio

import pytest

from ringoff.domain.retention import RetentionReport
from ringoff.domain.termination import Selector, TerminationOrder
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, FIRST
from tests.support.past import KEEP_DAYS, Past

pytestmark = pytest.mark.anyio


@pytest.fixture
async def past(actors: Actors) -> Past:
    return await Past.make(actors.store, actors.world, is_started=True)


def retaining(actors: Actors, past: Past, gate: str) -> "asyncio.Task[RetentionReport]":
    """A run that stands at the gate, with the month of the calls in its hands."""
    actors.gates.hold(gate)
    return asyncio.create_task(past.retain(KEEP_DAYS, gate=actors.gates))


async def test_a_call_that_is_dialled_after_the_first_look_stays_on_the_wire(actors: Actors, past: Past) -> None:
    call_id = await past.call("registered", 80, number=FIRST)
    await past.call("completed", 80)
    run = retaining(actors, past, "retention.looked")
    await actors.gates.reached("retention.looked")
    await actors.dial_all()
    actors.gates.release("retention.looked")
    await run
    assert await actors.world.statuses() == {call_id: ("ongoing", "ACCEPTED")}
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 200)
        await actors.all_settled()
    assert await actors.world.statuses() == {call_id: ("completed", "ACCEPTED")}
    assert actors.dialled == [FIRST]


async def test_a_call_that_ends_between_the_looks_is_kept(actors: Actors, past: Past) -> None:
    call_id = await past.call("registered", 80, number=FIRST)
    await actors.dial_all()
    run = retaining(actors, past, "retention.looked")
    await actors.gates.reached("retention.looked")
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 200)
        await actors.all_settled()
    actors.gates.release("retention.looked")
    await run
    assert await actors.world.statuses() == {call_id: ("completed", "ACCEPTED")}
    assert await actors.world.count("SELECT count(*) FROM dial_attempt WHERE call_id = $1", call_id) == 2


async def test_whoever_dials_waits_for_an_instant_and_finds_the_call_where_it_is_now(
    actors: Actors, past: Past
) -> None:
    call_id = await past.call("registered", 80, number=FIRST)
    run = retaining(actors, past, "retention.before_commit")
    await actors.gates.reached("retention.before_commit")
    dialling = asyncio.create_task(actors.dial_all())
    await actors.waits_for_a_lock(dialling)
    actors.gates.release("retention.before_commit")
    await asyncio.gather(run, dialling)
    assert (await actors.world.statuses(), actors.dialled) == ({call_id: ("ongoing", "ACCEPTED")}, [FIRST])


async def test_an_order_between_the_looks_is_settled_with_an_exact_receipt(actors: Actors, past: Past) -> None:
    call_id = await past.call("registered", 80, number=FIRST)
    run = retaining(actors, past, "retention.looked")
    await actors.gates.reached("retention.looked")
    termination_id = await actors.terminate(Selector(campaign_id=past.campaign_id))
    actors.gates.release("retention.looked")
    await run
    assert await actors.world.statuses() == {call_id: CANCELLED}
    await actors.world.sweep_all(actors.supervisor)
    receipt = await actors.receipt(termination_id)
    assert (receipt.state, receipt.cancelled_count) == ("settled", 1)
    assert await actors.world.raw_statuses() == {call_id: CANCELLED}


async def test_an_order_waits_for_the_month_and_covers_what_was_kept(actors: Actors, past: Past) -> None:
    call_id = await past.call("retry", 80, number=FIRST)
    run = retaining(actors, past, "retention.before_commit")
    await actors.gates.reached("retention.before_commit")
    giving = asyncio.create_task(actors.terminate(TerminationOrder(Selector(mobile_numbers=(FIRST,)))))
    await actors.waits_for_a_lock(giving)
    actors.gates.release("retention.before_commit")
    await asyncio.gather(run, giving)
    assert await actors.world.statuses() == {call_id: CANCELLED}


async def test_a_run_that_dies_before_its_commit_has_changed_nothing(actors: Actors, past: Past) -> None:
    kept, old = await past.call("registered", 80, number=FIRST), await past.call("completed", 80)
    run = retaining(actors, past, "retention.before_commit")
    await actors.gates.reached("retention.before_commit")
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    actors.gates.release("retention.before_commit")
    assert await past.left() == {kept, old}
    await past.retain(KEEP_DAYS)
    assert await past.left() == {kept}


async def test_a_restart_beside_a_run_leaves_no_call_without_its_contact(actors: Actors, past: Past) -> None:
    """The old call and its contact are in the default partitions, and old enough to go while the restart is open."""
    old = await past.call_ended_by_an_order(90, ended_days_ago=KEEP_DAYS + 5, number=FIRST)
    await past.retain(KEEP_DAYS + 10)
    assert await past.rows("contact_default") == 1
    async with past.store.transaction() as tx:
        of = (past.world.workspace_id, past.campaign_id)
        assert await tx.campaigns.register_terminated(*of, 0, actors.clock.now()) == 1
        await past.retain(KEEP_DAYS)
        assert old in await past.left(), "a later run takes it"
    await actors.dial_all()
    assert actors.dialled == [FIRST]
    await past.retain(KEEP_DAYS)
    assert (await past.rows("call"), await past.rows("contact_default")) == (1, 1)


async def test_a_restart_waits_for_a_batch_and_takes_nothing_that_has_gone(actors: Actors, past: Past) -> None:
    await past.call_ended_by_an_order(90, ended_days_ago=KEEP_DAYS + 5, number=FIRST)
    await past.retain(KEEP_DAYS + 10)
    async with past.store.transaction() as tx:
        assert await tx.retention.delete_rest(await tx.retention.bound(KEEP_DAYS), 100) == 1
        restarting = asyncio.create_task(past.restart())
        await actors.waits_for_a_lock(restarting)
    assert await restarting == 0
