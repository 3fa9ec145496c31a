"""Several processes on one Asterisk: each hears its own calls, and what a dead one leaves up is ended by the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.events import Answered, Rang, Released
from ringoff.telephony.asterisk.driver import AsteriskDriver
from tests.telephony.asterisk.conftest import WAIT_S, Listener, Stage
from tests.telephony.asterisk.test_link import link_of, lose_connection, place_handed_over

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def another_process(stage: Stage, *, dies: bool = False) -> AsyncIterator[Listener]:
    """On the same trunk; stopped, or dead without a word, when this ends."""
    driver = AsteriskDriver(SystemClock())
    listener = Listener(driver)
    await driver.start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listener.run())
        await driver.use_trunks([stage.trunk])
        await listener.until(lambda: bool(listener.reports))
        assert listener.reports[0].is_up, listener.reports[0].text
        try:
            yield listener
        finally:
            if dies:
                driver._orphans.clear()
                driver._leave = _no_word  # type: ignore[method-assign]
            await driver.stop()


async def _no_word() -> None:
    """What a killed process says."""


async def over(stage: Stage, digit: str) -> None:
    call = next(call for call in stage.peer.calls.values() if call.digit == digit)
    async with asyncio.timeout(WAIT_S):
        await call.over.wait()


async def test_two_processes_dial_side_by_side(stage: Stage) -> None:
    async with another_process(stage) as other:
        ours, theirs = stage.request("+15550001"), stage.request("+75550002")
        await stage.driver.originate(ours)
        await other.driver.originate(theirs)
        await stage.listener.kinds(ours.attempt_id, Answered)
        await other.kinds(theirs.attempt_id, Rang)
        both = {ours.attempt_id, theirs.attempt_id}
        assert await stage.driver.live() == await other.driver.live() == both
        await stage.driver.release(ours.attempt_id)
        await other.driver.release(theirs.attempt_id)
        await stage.listener.released(ours.attempt_id)
        await other.released(theirs.attempt_id)
        assert set(stage.listener.seen) == {ours.attempt_id}
        assert set(other.seen) == {theirs.attempt_id}
        assert stage.listener.reports[-1].is_up


@pytest.mark.parametrize("dies", [True, False])
async def test_calls_of_a_process_that_is_gone_are_ended_by_another(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    monkeypatch.setattr("ringoff.telephony.asterisk.driver.ORPHAN_LOOK_S", 0.1)
    stage.driver._errands.start_endless(stage.driver._look_for_orphans())
    ours = stage.request("+15550001")
    await stage.driver.originate(ours)
    async with another_process(stage, dies=dies) as other:
        theirs = stage.request("+75550002")
        await other.driver.originate(theirs)
        await other.kinds(theirs.attempt_id, Rang)
    if dies:
        monkeypatch.setattr("ringoff.telephony.asterisk.orphans.ORPHAN_AFTER_S", 0.2)
    await over(stage, "7")
    assert ours.attempt_id in await stage.driver.live()
    assert stage.listener.seen.keys() == {ours.attempt_id}


async def test_a_new_process_leaves_the_calls_of_one_that_connects_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = stage.request("+15550001")
    async with another_process(stage):
        await place_handed_over(stage, monkeypatch, ours)
        may_return = await lose_connection(stage, monkeypatch)
        async with another_process(stage) as newcomer:
            orphans = newcomer.driver._orphans[newcomer.driver._links[next(iter(newcomer.driver._links))][0].place]
            await orphans.look(link_of(stage).ari, is_connect=False)
            assert ours.attempt_id in await newcomer.driver.live()
            may_return.set()
            await stage.listener.until(lambda: stage.listener.reports[-1].is_up)
            await orphans.look(link_of(stage).ari, is_connect=False)
            assert ours.attempt_id in await newcomer.driver.live()
    assert not any(isinstance(event, Released) for event in stage.listener.seen[ours.attempt_id])


async def test_a_call_of_a_dead_process_can_be_released(stage: Stage) -> None:
    async with another_process(stage, dies=True) as other:
        theirs = stage.request("+15550001")
        await other.driver.originate(theirs)
        await other.kinds(theirs.attempt_id, Answered)
    # Not hung up by the looks of the living one yet.
    assert theirs.attempt_id in await stage.driver.live()
    await stage.driver.release(theirs.attempt_id)
    await over(stage, "1")
