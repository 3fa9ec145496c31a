"""A challenge, or a gateway that refuses: no second request of an attempt leaves behind an acknowledged order."""

import asyncio

import pytest

from ringoff.dispatch.live_attempt import LiveAttempt
from ringoff.domain.attempt_records import OriginateRefused
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import suppressions
from ringoff.operations.terminations import terminate
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import CANCELLED, EVERY_WAY, FIRST, SECOND, Select

pytestmark = pytest.mark.anyio


async def challenged(actors: Actors) -> LiveAttempt:
    """One call of two has been dialled, and its carrier wants credentials. While ``settling``."""
    [(work, [first])] = await actors.world.claim(actors.supervisor, count_max=1)
    await actors.supervisor.dialer.dial(work, [first], actors.clock.monotonic())
    actors.carrier.wants_permit(first.attempt_id)
    async with asyncio.timeout(20):
        return await actors.supervisor.settler.permits_wanted.get()


async def test_without_an_order_it_goes_on(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    async with actors.settling():
        attempt = await challenged(actors)
        await actors.supervisor.second_permits.permit_again([attempt])
        assert actors.carrier.resumed == [attempt.claimed.attempt_id]
        actors.carrier.ends(attempt.claimed.attempt_id, 200, was_answered=True, talk_ms=1_000)
        await actors.all_settled()
    assert ("completed", "ACCEPTED") in (await actors.world.statuses()).values()


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_an_order_before_the_second_permit_ends_the_attempt(
    actors: Actors, select: Select, rows_max: int
) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    async with actors.settling():
        attempt = await challenged(actors)
        await terminate(actors.store, actors.world.principal, selector, number_rows_max=rows_max)
        await actors.supervisor.second_permits.permit_again([attempt])
        await actors.all_settled()
    await actors.world.sweep_all(actors.supervisor)
    assert actors.carrier.resumed == []
    assert actors.carrier.released == [attempt.claimed.attempt_id]
    assert set((await actors.world.statuses()).values()) == {CANCELLED}
    assert await broken_invariants(actors.store) == []


@pytest.mark.parametrize(("select", "rows_max"), EVERY_WAY)
async def test_an_order_waits_for_the_second_permit_in_flight(actors: Actors, select: Select, rows_max: int) -> None:
    campaign_id = await actors.world.campaign([FIRST, SECOND])
    selector = await select(actors, campaign_id)
    async with actors.settling():
        attempt = await challenged(actors)
        actors.gates.hold("second_permit.checked")
        resuming = asyncio.create_task(actors.supervisor.second_permits.permit_again([attempt]))
        await actors.gates.reached("second_permit.checked")
        order = asyncio.create_task(terminate(actors.store, actors.world.principal, selector, number_rows_max=rows_max))
        await actors.waits_for_a_lock(order)
        assert actors.carrier.resumed == []
        actors.gates.release("second_permit.checked")
        await resuming
        await order
        assert actors.carrier.resumed == [attempt.claimed.attempt_id]
        actors.carrier.ends(attempt.claimed.attempt_id, 486)
        await actors.all_settled()
    await actors.world.sweep_all(actors.supervisor)
    assert set((await actors.world.statuses()).values()) == {CANCELLED}


async def test_what_comes_too_late_is_not_sent_and_waits_again(actors: Actors) -> None:
    """The process was stopped between the locks and the send."""
    await actors.world.campaign([FIRST, SECOND])
    async with actors.settling():
        attempt = await challenged(actors)
        actors.gates.hold("second_permit.checked")
        resuming = asyncio.create_task(actors.supervisor.second_permits.permit_again([attempt]))
        await actors.gates.reached("second_permit.checked")
        actors.clock.skip(0.3)
        actors.gates.release("second_permit.checked")
        await resuming
        await actors.all_settled()
    assert actors.carrier.resumed == []
    assert ("retry", "RETRY_SCHEDULED") in (await actors.world.statuses()).values()
    assert await actors.world.count("SELECT sum(retries_used)::int FROM call") == 0


async def test_a_number_suppressed_meanwhile_is_not_rung(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    async with actors.settling():
        attempt = await challenged(actors)
        await suppressions.suppress(actors.store, actors.world.principal, [attempt.claimed.called_number], None)
        await actors.supervisor.second_permits.permit_again([attempt])
        await actors.all_settled()
    assert actors.carrier.resumed == []


async def test_a_refusal_at_the_second_request_is_the_outcome(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    async with actors.settling():
        attempt = await challenged(actors)
        cause = ReleaseCause(sip_status=404)
        actors.carrier.raises = OriginateRefused(Outcome(Disposition.INVALID_NUMBER, cause))
        await actors.supervisor.second_permits.permit_again([attempt])
        await actors.all_settled()
    assert ("failed", "FAILED") in (await actors.world.statuses()).values()
