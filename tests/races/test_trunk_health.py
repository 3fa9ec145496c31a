"""A trunk that refuses is stopped, one that is congested slows down and recovers, one that is silent rests."""

import asyncio
from collections.abc import Sequence

import pytest

from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.trunk_health import TrunkHealth
from ringoff.domain.attempt_records import PaceState
from ringoff.domain.carrier import TrunkReport, TrunkSpec
from ringoff.domain.pacing import SILENT_AFTER_S, SILENT_SENDS_MIN, effective_pace
from tests.races.conftest import Actors

pytestmark = pytest.mark.anyio

NUMBERS = [f"+1202555{serial:04d}" for serial in range(8)]


async def pace(actors: Actors) -> PaceState:
    async with actors.store.dispatch_transaction() as tx:
        [trunk] = await tx.dispatch.enabled_trunks()
        return await tx.dispatch.pace_state(trunk.workspace_id, trunk.trunk_id, 0.1)


async def alarm(actors: Actors) -> str | None:
    async with actors.store.transaction() as tx:
        [trunk] = await tx.workspaces.trunks(actors.world.workspace_id)
    return trunk.alarm


async def test_a_refusal_of_our_credentials_stops_the_trunk_and_says_why(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS)
    await actors.dial_all()
    async with actors.settling():
        for request in actors.carrier.wire:
            actors.carrier.ends(request.attempt_id, 403, text="Forbidden")
        await actors.all_settled()
    async with actors.store.transaction() as tx:
        [trunk] = await tx.workspaces.trunks(actors.world.workspace_id)
    assert (trunk.is_enabled, trunk.alarm) == (False, "refused our credentials or our number: 403 Forbidden")
    assert await actors.world.claim(actors.supervisor) == []


async def test_congestion_halves_the_pace_once_for_a_burst(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS)
    before = effective_pace(await pace(actors)).cps_max
    await actors.dial_all()
    async with actors.settling():
        for request in actors.carrier.wire:
            actors.carrier.ends(request.attempt_id, 503)
        await actors.all_settled()
    after = await pace(actors)
    assert after.reduced_cps == before / 2
    assert effective_pace(after).cps_max < before
    assert await actors.world.count("SELECT sum(retries_used)::int FROM call") == 0


async def test_a_trunk_that_answers_nothing_rests_until_one_call_gets_through(actors: Actors) -> None:
    health = actors.supervisor.settler.trunk_health
    await actors.world.campaign(NUMBERS)
    await actors.dial_all()
    assert len(actors.dialled) >= SILENT_SENDS_MIN
    await health.look()
    assert await alarm(actors) is None, "nobody is silent after no time at all"
    actors.clock.skip(SILENT_AFTER_S + 1)
    await health.look()
    await health.look()
    resting = await pace(actors)
    assert (resting.is_silent, resting.silent_count) == (True, 1), "two looks at one silence are one"
    assert await alarm(actors) == "answers nothing"
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 486)
        async with asyncio.timeout(20):
            await actors.supervisor.settler.channel_freed.wait()
        await health.look()
    heard = await pace(actors)
    assert (heard.is_silent, heard.silent_count) == (False, 0)
    assert await alarm(actors) is None


async def test_the_driver_is_told_of_trunks_and_its_reports_are_written(actors: Actors) -> None:
    health = actors.supervisor.settler.trunk_health
    await health.look()
    [trunk] = actors.carrier.trunks
    health.reported(TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up=False, text="no route"))
    await health.look()
    assert await alarm(actors) == "no route"
    health.reported(TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up=True))
    await health.look()
    assert await alarm(actors) is None


async def test_a_driver_that_did_not_take_its_trunks_is_told_again_but_not_at_every_look(
    actors: Actors, monkeypatch: pytest.MonkeyPatch
) -> None:
    health, again_s = actors.supervisor.settler.trunk_health, DispatchLimits().tell_trunks_s
    told: list[int] = []

    async def use_trunks(trunks: Sequence[TrunkSpec]) -> None:
        told.append(len(trunks))
        if len(told) < 3:
            raise ConnectionResetError("the driver died")

    monkeypatch.setattr(actors.carrier, "use_trunks", use_trunks)
    for pause_s, told_count in ((0, 1), (0, 1), (again_s - 1, 1), (1, 2), (again_s, 3), (1, 3), (again_s, 4)):
        actors.clock.skip(pause_s)
        await health.look()
        assert len(told) == told_count
    async with actors.store.transaction() as tx:
        await tx.workspaces.add_trunk(actors.world.workspace_id, "another", "simulated", 1.0, 1, {})
    await health.look()
    assert told[-2:] == [1, 2], "a change is told at once"


async def test_a_driver_that_hangs_over_its_trunks_holds_up_no_report(
    actors: Actors, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use_trunks(_trunks: Sequence[TrunkSpec]) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(actors.carrier, "use_trunks", use_trunks)
    limits = DispatchLimits(tell_trunks_timeout_s=0.01)
    health = TrunkHealth(store=actors.store, driver=actors.carrier, clock=actors.clock, limits=limits, live={})
    async with actors.store.dispatch_transaction() as tx:
        [trunk] = await tx.dispatch.enabled_trunks()
    health.reported(TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up=False, text="no route"))
    async with asyncio.timeout(20):
        await health.look()
    assert await alarm(actors) == "no route"


async def test_the_same_report_again_is_not_written_again(actors: Actors) -> None:
    health = actors.supervisor.settler.trunk_health
    async with actors.store.dispatch_transaction() as tx:
        [trunk] = await tx.dispatch.enabled_trunks()
    down = TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up=False, text="no route")
    at = []
    for _ in range(2):
        health.reported(down)
        await health.look()
        at.append(await actors.world.count("SELECT (extract(epoch FROM alarm_at) * 1e6)::bigint FROM trunk"))
    assert at[0] == at[1], "when it began"


async def test_what_the_carrier_says_is_up_is_released_when_its_process_is_gone(actors: Actors) -> None:
    await actors.world.campaign(NUMBERS[:1])
    await actors.dial_all()
    [request] = actors.carrier.wire
    await actors.world.count(
        "WITH gone AS (UPDATE dial_attempt SET lease_until = clock_timestamp() - interval '1 second' RETURNING 1)"
        " SELECT count(*) FROM gone"
    )
    await actors.another_process().rescuer.rescue()
    assert actors.carrier.released == [request.attempt_id]
    assert set((await actors.world.statuses()).values()) == {("error", "RECONCILED_TO_ERROR_FROM_ONGOING")}
