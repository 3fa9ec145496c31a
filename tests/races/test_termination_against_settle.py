"""No retry either: an order against the outcome of a call that was on the wire when it committed."""

import asyncio

import pytest

from ringoff.domain.events import EventType
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations.terminations import terminate
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import (
    CANCELLED,
    EVERY_WAY,
    FIRST,
    SECOND,
    Select,
)

pytestmark = pytest.mark.anyio


async def dial_one_of_two(actors: Actors) -> None:
    [(work, [first_call])] = await actors.world.claim(actors.supervisor, count_max=1)
    await actors.supervisor.dialer.dial(work, [first_call], actors.clock.monotonic())


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
@pytest.mark.parametrize(
    ("sip_status", "expected"),
    [
        pytest.param(486, CANCELLED, id="busy would have been a retry"),
        pytest.param(503, CANCELLED, id="congestion would have been put back"),
        pytest.param(603, ("failed", "FAILED"), id="rejected keeps its outcome"),
    ],
)
@pytest.mark.parametrize("swept_first", [False, True], ids=["settled before the sweep", "swept before it settles"])
async def test_an_ongoing_call_ends_by_itself_and_is_not_retried(
    actors: Actors,
    select: Select,
    rows_max: int,
    sip_status: int,
    expected: tuple[str, str],
    swept_first: bool,
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    await dial_one_of_two(actors)
    termination_id = await actors.terminate(selector, number_rows_max=rows_max)
    if swept_first:
        await actors.world.sweep_all(actors.supervisor)

    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, sip_status)
        await actors.all_settled()
    await actors.world.sweep_all(actors.supervisor)

    by_number = await actors.world.status_by_number()
    [dialled] = actors.dialled
    [other] = {FIRST, SECOND} - {dialled}
    assert by_number == {dialled: expected, other: CANCELLED}
    receipt = await actors.receipt(termination_id)
    assert receipt.state == "settled"


async def test_an_answered_call_is_left_talking(actors: Actors) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    await dial_one_of_two(actors)
    attempt_id = actors.carrier.wire[0].attempt_id
    async with actors.settling():
        actors.carrier.rings(attempt_id)
        actors.carrier.answers(attempt_id)
        await terminate(actors.store, actors.world.principal, Selector(campaign_id=campaign_id))
        actors.carrier.ends(attempt_id, 200, was_answered=True, talk_ms=12_000)
        await actors.all_settled()
    assert actors.carrier.released == []
    assert (await actors.world.status_by_number())[actors.dialled[0]] == ("completed", "ACCEPTED")


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_an_outcome_that_is_being_written_while_the_order_commits(
    actors: Actors, select: Select, rows_max: int
) -> None:
    """The settle statement may have read before the order committed; the call is cancelled all the same."""
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    await dial_one_of_two(actors)
    actors.gates.hold("settle.before")
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 486)
        await actors.gates.reached("settle.before")
        actors.gates.hold("terminate.before_commit")
        order = asyncio.create_task(
            terminate(actors.store, actors.world.principal, selector, number_rows_max=rows_max, gate=actors.gates)
        )
        await actors.gates.reached("terminate.before_commit")
        actors.gates.release("settle.before")
        is_fence = rows_max == 0 or (selector.call_ids is None and selector.mobile_numbers is None)
        if is_fence:
            # A fence does not lock the row: the outcome is written with the old epoch, before the order commits.
            await actors.all_settled()
        actors.gates.release("terminate.before_commit")
        await order
        await actors.all_settled()
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    await actors.world.sweep_all(actors.supervisor)
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    assert await actors.world.count("SELECT count(*) FROM call WHERE status <> 'cancelled'") == 0
    await actors.dial_all()
    assert len(actors.dialled) == 1


async def test_a_swept_call_has_one_event_and_the_receipt_counts_exactly(actors: Actors) -> None:
    numbers = [f"+1202555{n:04}" for n in range(1_000, 1_025)]
    campaign_id = await actors.world.campaign(numbers)
    await dial_one_of_two(actors)
    await actors.world.subscribe(EventType.CALL_COMPLETED)
    termination_id = await actors.terminate(TerminationOrder(Selector(campaign_id=campaign_id), reason="wrong prompt"))
    await actors.world.sweep_all(actors.supervisor)
    receipt = await actors.receipt(termination_id)
    assert (receipt.cancelled_count, receipt.retry_barred_count, receipt.state) == (24, 1, "settled")
    assert (receipt.reason, receipt.api_key_id) == ("wrong prompt", actors.world.principal.api_key_id)
    assert await actors.world.count("SELECT count(*) FROM outbox_event") == 24
    assert await actors.world.count("SELECT count(DISTINCT call_id) FROM outbox_event") == 24


@pytest.mark.parametrize("fence_first", [True, False])
async def test_a_call_behind_two_fences_is_on_the_receipt_of_the_first(actors: Actors, fence_first: bool) -> None:
    others = [f"+1202555{n:04}" for n in range(1_000, 1_003)]
    campaign_id = await actors.world.campaign([FIRST, *others])
    by_numbers = Selector(mobile_numbers=(FIRST,))
    by_campaign = Selector(campaign_id=campaign_id)
    orders = [by_numbers, by_campaign] if fence_first else [by_campaign, by_numbers]
    expected = [1, 3] if fence_first else [4]
    termination_ids = [await actors.terminate(selector, number_rows_max=0) for selector in orders[: len(expected)]]
    async with actors.store.transaction() as tx:
        seen = await tx.connection.fetchval("SELECT termination_id FROM call_effective WHERE called_number = $1", FIRST)
    assert seen == termination_ids[0]
    await actors.world.sweep_all(actors.supervisor)
    receipts = [await actors.receipt(termination_id) for termination_id in termination_ids]
    assert [(receipt.state, receipt.cancelled_count) for receipt in receipts] == [("settled", n) for n in expected]


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_a_call_that_settles_before_the_sweep_is_counted_once(
    actors: Actors, select: Select, rows_max: int
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    await dial_one_of_two(actors)
    termination_id = await actors.terminate(await select(actors, campaign_id), number_rows_max=rows_max)
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 486)
        await actors.all_settled()
    await actors.world.sweep_all(actors.supervisor)
    receipt = await actors.receipt(termination_id)
    assert (receipt.cancelled_count, receipt.retry_barred_count) == (1, 1)
