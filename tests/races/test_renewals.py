"""A process that comes back after its leases ran out: it renews, reports and releases while another rescues."""

import asyncio

import pytest

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.release_cause import Disposition
from ringoff.observability.invariants import broken_invariants
from tests.races.conftest import Actors
from tests.races.test_crashes import expire_leases
from tests.races.test_termination_against_permit import FIRST, SECOND

pytestmark = pytest.mark.anyio

RECONCILED = ("error", "RECONCILED_TO_ERROR_FROM_ONGOING")


async def renew(actors: Actors) -> None:
    """As the loop of leases does, for everything that the process holds."""
    held = [(actors.world.workspace_id, each.claimed.key) for each in actors.supervisor.settler.live.values()]
    async with actors.store.dispatch_transaction() as tx:
        await tx.dispatch.renew_leases(actors.supervisor.owner_id, held, 15.0)


async def states(actors: Actors) -> set[str]:
    async with actors.store.transaction() as tx:
        return {row["state"] for row in await tx.connection.fetch("SELECT state FROM dial_attempt")}


async def test_a_renewal_before_the_rescue_judges_keeps_the_attempts(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    await actors.dial_all()
    await expire_leases(actors)
    actors.gates.hold("rescue.found")
    rescue = asyncio.create_task(actors.another_process().rescuer.rescue())
    await actors.gates.reached("rescue.found")
    await renew(actors)
    actors.gates.release("rescue.found")
    await rescue
    assert await states(actors) == {"originated"}
    assert set((await actors.world.statuses()).values()) == {("ongoing", "ACCEPTED")}
    assert actors.carrier.adopted == [], "its process lives, and somebody talks: the carrier is not told to end it"
    assert actors.carrier.released == []
    assert await actors.another_process().rescuer.rescue() == 0


@pytest.mark.parametrize("lease_s", [15.0, 0.05])
async def test_a_renewal_whose_commit_waits_says_that_the_process_lives(actors: Actors, lease_s: float) -> None:
    """For a standby, or a disk: perhaps for longer than the lease, which is then over when it is written."""
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    await expire_leases(actors)
    held = [(actors.world.workspace_id, each.claimed.key) for each in actors.supervisor.settler.live.values()]
    async with actors.store.dispatch_transaction() as tx:
        await tx.dispatch.renew_leases(actors.supervisor.owner_id, held, lease_s)
        rescue = asyncio.create_task(actors.another_process().rescuer.rescue())
        await actors.waits_for_a_lock(rescue)
        if lease_s < 1:
            await tx.connection.execute("SELECT pg_sleep(0.1)")
    await rescue
    assert await states(actors) == {"originated"}
    assert actors.carrier.released == []


async def test_a_lease_that_ran_out_is_watched_before_its_attempt_is_closed(actors: Actors) -> None:
    """The living renew within that time, also if what they write is over already: its end has moved."""
    await actors.world.campaign([FIRST, SECOND])
    await actors.dial_all()
    rescuer = actors.another_process().rescuer
    await expire_leases(actors)
    assert await rescuer.rescue(2.0) == 0
    await actors.clock.advance(1.9)
    assert await rescuer.rescue(2.0) == 0
    await expire_leases(actors)
    await actors.clock.advance(0.2)
    assert await rescuer.rescue(2.0) == 0, "each lease has moved since"
    assert await states(actors) == {"originated"}
    await actors.clock.advance(2.1)
    assert await rescuer.rescue(2.0) == 2
    assert await states(actors) == {"indeterminate"}


async def test_a_rescuer_that_has_just_begun_gives_the_living_longer(actors: Actors) -> None:
    """Perhaps it began in the middle of an outage that it has not seen."""
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    await expire_leases(actors)
    limits = DispatchLimits()
    watching = asyncio.create_task(actors.another_process().rescuer.run())
    try:
        for _half_second in range(round(2 * (limits.rescue_patience_s + limits.lease_s / 3)) - 1):
            await actors.clock.advance(0.5)
            assert await states(actors) == {"originated"}
        async with asyncio.timeout(20):
            while await states(actors) == {"originated"}:
                await actors.clock.advance(0.5)
    finally:
        watching.cancel()


async def test_a_renewal_beside_a_rescue_that_has_judged_revives_nothing(actors: Actors) -> None:
    await actors.world.campaign([FIRST, SECOND])
    await actors.dial_all()
    await expire_leases(actors)
    actors.gates.hold("rescue.before_commit")
    rescue = asyncio.create_task(actors.another_process().rescuer.rescue())
    await actors.gates.reached("rescue.before_commit")
    # It passes by what is locked, and so does not wait for the rescue.
    async with asyncio.timeout(20):
        await renew(actors)
    actors.gates.release("rescue.before_commit")
    await rescue
    await renew(actors)
    assert await states(actors) == {"indeterminate"}
    assert set((await actors.world.statuses()).values()) == {RECONCILED}


@pytest.mark.parametrize("sip_status", [200, 486])
async def test_what_a_carrier_reports_after_the_rescue_changes_nothing(actors: Actors, sip_status: int) -> None:
    """Least of all does it put a call back that nobody may ring again: a busy line would be a retry."""
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    await expire_leases(actors)
    assert await actors.another_process().rescuer.rescue() == 1
    attempt_id = actors.carrier.wire[0].attempt_id
    async with actors.settling():
        actors.carrier.ends(attempt_id, sip_status, was_answered=sip_status == 200)
        await actors.all_settled()
    assert list((await actors.world.statuses()).values()) == [RECONCILED]
    assert await states(actors) == {Disposition.INDETERMINATE}
    assert not actors.supervisor.settler.live, "the process has forgotten it"
    await actors.dial_all()
    assert actors.dialled == [FIRST]
    assert await broken_invariants(actors.store) == []


async def test_a_second_request_after_the_rescue_is_refused(actors: Actors) -> None:
    """The carrier wants credentials; the process came back to answer, and its attempt is not its own any more."""
    await actors.world.campaign([FIRST])
    await actors.dial_all()
    attempt_id = actors.carrier.wire[0].attempt_id
    async with actors.settling():
        actors.carrier.wants_permit(attempt_id)
        async with asyncio.timeout(20):
            attempt = await actors.supervisor.settler.permits_wanted.get()
        await expire_leases(actors)
        assert await actors.another_process().rescuer.rescue() == 1
        await renew(actors)
        await actors.supervisor.second_permits.permit_again([attempt])
        await actors.all_settled()
    assert actors.carrier.resumed == []
    assert set(actors.carrier.released) == {attempt_id}
    assert list((await actors.world.statuses()).values()) == [RECONCILED]
