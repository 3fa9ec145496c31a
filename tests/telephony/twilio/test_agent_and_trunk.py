"""The way to the agent, machine detection, and the state of trunks."""

import pytest

from ringoff.domain.attempt_records import OriginateRefused
from ringoff.domain.carrier import AnswerHandling, HandlingKind, TrunkReport, TrunkSpec
from ringoff.domain.events import Answered, Released
from ringoff.telephony.twilio.trunk_watch import LOOK_S
from tests.support.twilio_standin import Fault
from tests.telephony.twilio.conftest import Line

pytestmark = pytest.mark.anyio


async def test_a_media_stream_that_breaks_releases_the_callee(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "in-progress")
    broken = {"StreamSid": "MZ1", "StreamEvent": "stream-error", "StreamError": "handshake"}
    await line.carrier.post(call, line.carrier.fields(call, **broken))
    answered, released = await line.next_events(2)
    assert isinstance(answered, Answered)
    assert isinstance(released, Released)
    assert released.was_answered
    assert released.agent_failed
    assert line.carrier.updates(call) == ["completed"]


async def test_a_broken_stream_is_proof_of_an_answer(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "in-progress", is_reported=False)
    await line.carrier.post(call, line.carrier.fields(call, StreamEvent="stream-error"))
    answered, released = await line.next_events(2)
    assert isinstance(answered, Answered)
    assert isinstance(released, Released)
    assert released.agent_failed


async def test_a_stream_that_stops_is_an_agent_that_hangs_up(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "in-progress")
    await line.carrier.post(call, line.carrier.fields(call, StreamEvent="stream-stopped"))
    await line.carrier.move(call, "completed", duration_s=5)
    _, released = await line.next_events(2)
    assert isinstance(released, Released)
    assert not released.agent_failed
    assert line.carrier.updates(call) == []


@pytest.mark.parametrize("word", ["busy", "no-answer", "failed"])
async def test_a_second_leg_that_is_not_answered_releases_the_callee(line: Line, word: str) -> None:
    handling = AnswerHandling(HandlingKind.SIP_URI, "sip:agent@agents.example.com")
    call = await line.dial(handling=handling)
    await line.carrier.move(call, "in-progress")
    fields = line.carrier.fields(call, CallStatus="in-progress", DialCallStatus=word)
    await line.carrier.post(call, fields)
    _, released = await line.next_events(2)
    assert isinstance(released, Released)
    assert released.agent_failed


async def test_a_callee_who_leaves_while_the_agent_rings_is_no_failure_of_the_agent(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "in-progress")
    fields = line.carrier.fields(call, CallStatus="completed", DialCallStatus="no-answer", CallDuration="4")
    await line.carrier.post(call, fields)
    _, released = await line.next_events(2)
    assert isinstance(released, Released)
    assert not released.agent_failed


@pytest.mark.parametrize(("word", "is_machine"), [("machine_start", True), ("human", False), ("unknown", False)])
async def test_machine_detection_is_asked_for_and_told(line: Line, word: str, is_machine: bool) -> None:
    trunk = TrunkSpec(line.trunk.workspace_id, line.trunk.trunk_id, "twilio", line.config(machine_detection=True))
    call = await line.dial(trunk=trunk)
    assert call.form["MachineDetection"] == "Enable"
    assert call.form["AsyncAmdStatusCallback"] == call.form["StatusCallback"]
    await line.carrier.move(call, "in-progress")
    await line.carrier.post(call, line.carrier.fields(call, AnsweredBy=word, MachineDetectionDuration="2500"))
    await line.carrier.move(call, "completed", duration_s=3)
    _, released = await line.next_events(2)
    assert isinstance(released, Released)
    assert released.voicemail_detected is is_machine


async def test_a_trunk_is_up_when_its_account_answers(line: Line) -> None:
    assert await line.trunk_report() == TrunkReport(line.trunk.workspace_id, line.trunk.trunk_id, is_up=True)


async def test_a_trunk_that_goes_down_and_comes_back_says_so_once_each(line: Line) -> None:
    assert (await line.trunk_report()).is_up
    line.carrier.account_status = 401
    await line.clock.advance(2 * LOOK_S + 2.0)
    report = await line.trunk_report()
    assert not report.is_up
    assert "401" in report.text
    line.carrier.account_status = 200
    await line.clock.advance(LOOK_S + 1.0)
    assert (await line.trunk_report()).is_up


async def test_a_refusal_of_the_account_takes_the_trunk_down(line: Line) -> None:
    assert (await line.trunk_report()).is_up
    line.carrier.faults.append(Fault(401, 20003))
    await line.driver.originate(line.request())
    assert not (await line.trunk_report()).is_up


async def test_what_is_wrong_with_a_trunk_is_in_its_report(line: Line, free_tcp_port: int) -> None:
    assert (await line.trunk_report()).is_up
    unreadable = TrunkSpec(line.trunk.workspace_id, line.trunk.trunk_id, "twilio", {"account_sid": "AC1"})
    await line.driver.use_trunks([unreadable])
    report = await line.trunk_report()
    assert (report.is_up, report.text) == (False, "config.auth_token is missing")
    with pytest.raises(OriginateRefused):
        await line.driver.originate(line.request(trunk=unreadable))
    away = line.config(base_url=f"http://127.0.0.1:{free_tcp_port}")
    await line.driver.use_trunks([TrunkSpec(line.trunk.workspace_id, line.trunk.trunk_id, "twilio", away)])
    report = await line.trunk_report()
    assert not report.is_up
    assert report.text.startswith("ClientConnectorError (")
    assert report.text.endswith(f" at 127.0.0.1:{free_tcp_port}")


async def test_the_same_trunks_again_are_no_reason_to_ask_for_the_account(line: Line) -> None:
    assert (await line.trunk_report()).is_up
    asked = line.carrier.count("GET", ".json")
    for _ in range(3):
        await line.driver.use_trunks([line.trunk])
        await line.clock.advance(2.0)
    assert line.carrier.count("GET", ".json") == asked
