"""Calls through a real Asterisk to a SIP peer: outcomes, releases at each stage, challenges, and what is left over."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.attempt_records import OriginateRefused, OriginateTooLate
from ringoff.domain.carrier import AnswerHandling, HandlingKind, TrunkSpec
from ringoff.domain.events import Answered, Rang
from ringoff.domain.identifiers import TrunkId
from ringoff.domain.release_cause import Disposition, classify
from ringoff.telephony.asterisk.driver import AsteriskDriver
from tests.support.asterisk_peer import header
from tests.telephony.asterisk.conftest import WAIT_S, Listener, Stage, trunk_of

pytestmark = pytest.mark.anyio


async def test_answered_and_hung_up_by_us(stage: Stage) -> None:
    request = stage.request("+15550001")
    assert await stage.driver.originate(request) == str(request.attempt_id)
    assert await stage.listener.kinds(request.attempt_id, Answered) == ["Rang", "Answered"]
    assert request.attempt_id in await stage.driver.live()
    await stage.driver.release(request.attempt_id)
    released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert released.talk_ms >= 0
    assert not released.agent_failed
    assert header(stage.peer.invites[0], "From").startswith("<sip:+918000000000@")
    async with asyncio.timeout(WAIT_S):
        await next(iter(stage.peer.calls.values())).over.wait()
    assert await stage.driver.live() == frozenset()


async def test_answered_and_hung_up_by_the_callee(stage: Stage) -> None:
    request = stage.request("+25550001")
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    assert await stage.listener.kinds(request.attempt_id, Answered) == ["Rang", "Answered", "Released"]
    assert released.was_answered
    assert released.talk_ms > 0


@pytest.mark.parametrize(
    ("number", "status", "disposition"),
    [
        ("+35550001", 486, Disposition.BUSY),
        ("+45550001", 404, Disposition.INVALID_NUMBER),
        ("+55550001", 503, Disposition.CONGESTION),
        ("+65550001", 603, Disposition.REJECTED),
    ],
)
async def test_refusals_keep_their_sip_status(stage: Stage, number: str, status: int, disposition: Disposition) -> None:
    request = stage.request(number)
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    assert released.cause.sip_status == status
    assert not released.was_answered
    assert classify(released.cause, was_answered=False) is disposition
    assert len(stage.peer.invites) == 1


async def test_released_while_it_rings(stage: Stage) -> None:
    request = stage.request("+75550001")
    await stage.driver.originate(request)
    await stage.listener.kinds(request.attempt_id, Rang)
    await stage.driver.release(request.attempt_id)
    released = await stage.listener.released(request.attempt_id)
    assert not released.was_answered
    assert classify(released.cause, was_answered=False, we_cancelled=True) is Disposition.CANCELLED
    call = next(iter(stage.peer.calls.values()))
    async with asyncio.timeout(WAIT_S):
        await call.over.wait()
    assert call.requests[:2] == ["CANCEL", "ACK"]


async def test_an_answer_that_crosses_the_cancel_is_hung_up(stage: Stage) -> None:
    request = stage.request("+05550001")
    await stage.driver.originate(request)
    await stage.listener.kinds(request.attempt_id, Rang)
    await stage.driver.release(request.attempt_id)
    await stage.listener.released(request.attempt_id)
    call = next(iter(stage.peer.calls.values()))
    async with asyncio.timeout(WAIT_S):
        await call.over.wait()
    assert call.requests == ["CANCEL", "ACK", "BYE"]


async def test_a_silent_carrier_can_be_released(stage: Stage) -> None:
    request = stage.request("+95550001")
    await stage.driver.originate(request)
    async with asyncio.timeout(WAIT_S):
        await stage.peer.arrived.wait()
    await stage.driver.release(request.attempt_id)
    released = await stage.listener.released(request.attempt_id)
    assert not released.was_answered


async def test_asterisk_answers_a_challenge_with_its_own_credentials(stage: Stage) -> None:
    request = stage.request("+85550001")
    await stage.driver.originate(request)
    await stage.listener.kinds(request.attempt_id, Answered)
    assert len(stage.peer.invites) == 2
    await stage.driver.release(request.attempt_id)
    await stage.listener.released(request.attempt_id)


async def test_the_same_originate_twice_rings_once(stage: Stage) -> None:
    request = stage.request("+75550001")
    other = AsteriskDriver(SystemClock())
    await stage.driver.originate(request)
    await stage.listener.kinds(request.attempt_id, Rang)
    assert await stage.driver.originate(request) == str(request.attempt_id)
    await other.start()
    listener = Listener(other)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listener.run())
        trunk = trunk_of(stage.asterisk.url, stage.peer.port, app="another")
        await other.use_trunks([trunk])
        await listener.until(lambda: bool(listener.reports))
        again = stage.request("+75550001", trunk=trunk, attempt_id=request.attempt_id)
        assert await other.originate(again) == str(request.attempt_id)
        await other.stop()
    assert len(stage.peer.invites) == 1


async def test_an_unknown_endpoint_is_a_refusal(stage: Stage) -> None:
    trunk = replace(stage.trunk, config={**stage.trunk.config, "endpoint": "PJSIP/{number}@nobody"})
    with pytest.raises(OriginateRefused) as refused:
        await stage.driver.originate(stage.request("+15550001", trunk=trunk))
    assert refused.value.outcome.disposition is Disposition.NETWORK_FAILURE
    assert stage.peer.invites == []


async def test_a_wrong_password_takes_the_trunk_down(stage: Stage) -> None:
    trunk = trunk_of(stage.asterisk.url, stage.peer.port, password="wrong", app="another")
    await stage.driver.use_trunks([stage.trunk, trunk])
    await stage.listener.until(lambda: any(not report.is_up for report in stage.listener.reports))
    report = next(report for report in stage.listener.reports if not report.is_up)
    assert report.trunk_id == trunk.trunk_id
    assert "401" in report.text
    assert "wrong" not in report.text


async def test_nothing_leaves_after_the_deadline(stage: Stage) -> None:
    late = stage.request("+15550001", send_until=SystemClock().monotonic() - 0.001)
    with pytest.raises(OriginateTooLate):
        await stage.driver.originate(late)
    assert await stage.driver.live() == frozenset()
    # A call after it proves that the first would have been seen.
    request = stage.request("+35550001")
    await stage.driver.originate(request)
    await stage.listener.released(request.attempt_id)
    assert len(stage.peer.invites) == 1


async def test_calls_of_a_dead_process_are_hung_up_at_start(stage: Stage) -> None:
    """Another driver in another application dies with a call up; the next of that application ends it."""
    trunk = trunk_of(stage.asterisk.url, stage.peer.port, app="mortal")
    for number in ("+15550001", "+75550002"):
        dying = AsteriskDriver(SystemClock())
        await dying.start()
        listener = Listener(dying)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listener.run())
            await dying.use_trunks([trunk])
            await listener.until(lambda listener=listener: bool(listener.reports))  # type: ignore[misc]
            request = stage.request(number, trunk=trunk)
            await dying.originate(request)
            await listener.kinds(request.attempt_id, Rang)
            await dying.stop()
    call = next(call for call in stage.peer.calls.values() if call.digit == "1")
    async with asyncio.timeout(WAIT_S):
        await call.over.wait()
    assert call.requests[-1] in ("BYE", "ACK")


async def test_asterisk_ends_a_call_that_nobody_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringoff.telephony.asterisk.driver.RING_SPARE_S", 0)
    monkeypatch.setattr("ringoff.telephony.asterisk.driver.TALK_SPARE_S", 0)
    talking = stage.request("+15550001", ring_timeout_s=1.0, talk_max_s=1.0)
    ringing = stage.request("+75550001", ring_timeout_s=1.0, talk_max_s=60.0)
    await stage.driver.originate(talking)
    await stage.driver.originate(ringing)
    assert (await stage.listener.released(talking.attempt_id)).was_answered
    unanswered = await stage.listener.released(ringing.attempt_id)
    assert classify(unanswered.cause, was_answered=False) is Disposition.NO_ANSWER


async def test_a_trunk_that_cannot_be_read_costs_no_other_its_calls(stage: Stage) -> None:
    broken = TrunkSpec(stage.trunk.workspace_id, TrunkId(uuid4()), "asterisk", {"url": 7})
    await stage.driver.use_trunks([broken, stage.trunk])
    await stage.listener.until(lambda: stage.listener.reports[-1].trunk_id == broken.trunk_id)
    assert not stage.listener.reports[-1].is_up
    with pytest.raises(OriginateRefused) as refused:
        await stage.driver.originate(stage.request("+15550001", trunk=broken))
    assert refused.value.outcome.disposition is Disposition.TRUNK_REFUSED
    request = stage.request("+35550001")
    await stage.driver.originate(request)
    await stage.listener.released(request.attempt_id)


async def test_an_agent_that_cannot_be_reached_lets_nobody_ring(stage: Stage) -> None:
    handling = AnswerHandling(HandlingKind.MEDIA_URL, "https://agent.example")
    with pytest.raises(OriginateRefused):
        await stage.driver.originate(stage.request("+15550001", handling))
    assert stage.peer.invites == []
