"""The Twilio driver against a stand-in: what is asked for, what is reported, and what is never asked for twice."""

import asyncio
from xml.etree import ElementTree as ET

import pytest

from ringoff.domain.attempt_records import OriginateRefused, OriginateTooLate
from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.events import Answered, Progressed, Rang, Released
from ringoff.domain.release_cause import Disposition, ReleaseCause, classify
from ringoff.driver_port import CallDriver
from tests.support.twilio_standin import Fault
from tests.telephony.twilio.conftest import CALLED, CALLING, Line

pytestmark = pytest.mark.anyio


async def test_a_create_says_all_that_the_call_needs(line: Line) -> None:
    driver: CallDriver = line.driver
    request = line.request()
    await driver.originate(request)
    call = await line.carrier.created.get()
    report_to = f"{line.receiver_url}/carriers/twilio/{line.trunk.trunk_id}/{request.attempt_id}"
    assert call.form["To"] == CALLED
    assert call.form["From"] == CALLING
    assert (call.form["Timeout"], call.form["TimeLimit"]) == ("30", "125")
    assert (call.form["StatusCallback"], call.form["StatusCallbackMethod"]) == (report_to, "POST")
    assert call.events == ["initiated", "ringing", "answered", "completed"]
    stream = ET.fromstring(call.form["Twiml"]).find("Connect/Stream")
    assert stream is not None
    assert stream.get("url") == "wss://agent.example.com/media"
    assert not any(name.startswith(("Machine", "AsyncAmd")) for name in call.form)


async def test_a_call_that_is_answered_and_hung_up_there(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "initiated")
    await line.carrier.move(call, "ringing")
    await line.carrier.move(call, "in-progress")
    line.clock.skip(3.25)
    await line.carrier.move(call, "completed", duration_s=3, SipResponseCode="200")
    progressed, rang, answered, released = await line.next_events(4)
    assert [type(event) for event in (progressed, rang, answered)] == [Progressed, Rang, Answered]
    assert isinstance(released, Released)
    assert released.was_answered
    assert released.talk_ms == 3_250
    assert not released.agent_failed
    assert await line.driver.live() == frozenset()


@pytest.mark.parametrize(
    ("status", "sip", "disposition"),
    [
        ("busy", "486", Disposition.BUSY),
        ("failed", "404", Disposition.INVALID_NUMBER),
        ("failed", "503", Disposition.CONGESTION),
        ("failed", "603", Disposition.REJECTED),
        ("no-answer", "487", Disposition.NO_ANSWER),
    ],
)
async def test_a_call_that_is_not_answered(line: Line, status: str, sip: str, disposition: Disposition) -> None:
    call = await line.dial()
    await line.carrier.move(call, status, SipResponseCode=sip)
    [released] = await line.next_events(1)
    assert isinstance(released, Released)
    assert released.cause.sip_status == int(sip)
    assert not released.was_answered
    assert classify(released.cause, was_answered=False) is disposition


async def test_reports_out_of_order_twice_and_after_the_end(line: Line) -> None:
    call = await line.dial()
    initiated = await line.carrier.move(call, "initiated", is_reported=False)
    ringing = await line.carrier.move(call, "ringing", is_reported=False)
    answered = await line.carrier.move(call, "in-progress", is_reported=False)
    completed = await line.carrier.move(call, "completed", is_reported=False, duration_s=2)
    for fields in (ringing, ringing, initiated, completed, answered, completed, initiated):
        assert await line.carrier.post(call, fields) == 200
    events = await line.next_events(3)
    assert [type(event) for event in events] == [Rang, Answered, Released]
    marker = await line.dial(2)
    await line.carrier.move(marker, "busy")
    [last] = await line.next_events(1)
    assert last.attempt_id == line.request(2).attempt_id
    assert line.carrier.updates(call) == []


async def test_a_report_may_overtake_the_answer_to_its_create(line: Line) -> None:
    gate = asyncio.Event()
    line.carrier.faults.append(Fault(answers_when=gate))
    await line.driver.originate(line.request())
    call = await line.carrier.created.get()
    await line.carrier.move(call, "busy", SipResponseCode="486")
    [released] = await line.next_events(1)
    gate.set()
    assert isinstance(released, Released)
    assert released.cause.sip_status == 486
    await line.dial(2)
    assert line.carrier.updates(call) == []


async def test_the_answer_to_a_create_is_not_waited_for(line: Line) -> None:
    gate = asyncio.Event()
    line.carrier.faults.append(Fault(answers_when=gate))
    request = line.request()
    assert await line.driver.originate(request) == str(request.attempt_id)
    call = await line.carrier.created.get()
    gate.set()
    placed = await line.placed()
    assert (placed.attempt_id, placed.driver_call_id) == (request.attempt_id, call.sid)


async def test_release_while_it_rings_cancels(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "ringing")
    await line.driver.release(line.request().attempt_id)
    rang, released = await line.next_events(2)
    assert isinstance(rang, Rang)
    assert isinstance(released, Released)
    assert classify(released.cause, was_answered=False, we_cancelled=True) is Disposition.CANCELLED
    assert line.carrier.updates(call) == ["canceled"]
    await line.driver.release(line.request().attempt_id)
    assert line.carrier.updates(call) == ["canceled"]


async def test_release_while_it_is_up_completes(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "in-progress")
    await line.driver.release(line.request().attempt_id)
    answered, released = await line.next_events(2)
    assert isinstance(answered, Answered)
    assert isinstance(released, Released)
    assert released.was_answered
    assert line.carrier.updates(call) == ["completed"]


@pytest.mark.parametrize("is_reported", [True, False])
async def test_an_answer_that_crosses_the_cancel_is_hung_up(line: Line, is_reported: bool) -> None:
    call = await line.dial()
    await line.carrier.move(call, "in-progress", is_reported=False)
    line.carrier.reports_updates = is_reported
    await line.driver.release(line.request().attempt_id)
    [answered] = await line.next_events(1)
    assert isinstance(answered, Answered)
    await call.ended.wait()
    assert line.carrier.updates(call) == ["canceled", "completed"]
    if not is_reported:
        await line.clock.advance(20.0)
    [released] = await line.next_events(1)
    assert isinstance(released, Released)
    assert released.was_answered


async def test_a_call_that_ended_before_its_release_says_how(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "busy", is_reported=False)
    await line.driver.release(line.request().attempt_id)
    [released] = await line.next_events(1)
    assert isinstance(released, Released)
    assert released.cause == ReleaseCause(None, 17, "busy")
    assert line.carrier.updates(call) == ["canceled"]


async def test_an_end_that_was_not_confirmed_is_asked_for_again(line: Line) -> None:
    call = await line.dial()
    line.carrier.reports_updates = False
    line.carrier.is_pausing_updates = True
    await line.driver.release(line.request().attempt_id)
    await call.ended.wait()
    await line.clock.advance(10.0)
    [released] = await line.next_events(1)
    assert isinstance(released, Released)


async def test_an_end_that_did_not_reach_the_carrier_is_tried_again_at_once(line: Line) -> None:
    call = await line.dial()
    line.carrier.cut_updates = 1
    await line.driver.release(line.request().attempt_id)
    await line.carrier.until(1, "POST", f"{call.sid}.json")
    while not call.ended.is_set():
        await line.clock.advance(1.0)
    assert line.carrier.updates(call) == ["canceled", "canceled"]


async def test_without_reports_the_call_is_asked_for(line: Line) -> None:
    call = await line.dial()
    await line.carrier.move(call, "in-progress", is_reported=False)
    await line.clock.advance(16.0)
    [answered] = await line.next_events(1)
    assert isinstance(answered, Answered)
    await line.carrier.move(call, "completed", is_reported=False, duration_s=9)
    await line.clock.advance(16.0)
    [released] = await line.next_events(1)
    assert isinstance(released, Released)
    assert released.was_answered


async def test_a_call_that_the_carrier_has_forgotten_is_over(line: Line) -> None:
    call = await line.dial()
    line.carrier.calls.pop(call.sid)
    await line.clock.advance(16.0)
    [released] = await line.next_events(1)
    assert isinstance(released, Released)


async def test_live_is_what_the_carrier_lists_of_ours(line: Line) -> None:
    line.carrier.page_size = 2
    calls = [await line.dial(serial) for serial in range(1, 8)]
    for call, status in zip(calls, ["queued", "ringing", "in-progress", "busy"], strict=False):
        await line.carrier.move(call, status, is_reported=False)
    expected = {line.request(serial).attempt_id for serial in (1, 2, 3, 5, 6, 7)}
    assert await line.driver.live() == expected


async def test_nothing_leaves_after_its_permit(line: Line) -> None:
    with pytest.raises(OriginateTooLate):
        await line.driver.originate(line.request(send_until=line.clock.monotonic() - 0.001))
    assert line.carrier.count("POST", "/Calls.json") == 0
    assert await line.driver.live() == frozenset()


async def test_not_a_byte_leaves_after_its_permit_on_a_new_connection(line: Line) -> None:
    """The permit runs out while the connection is made."""
    got = bytearray()
    connected, closed = asyncio.Event(), asyncio.Event()

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        while chunk := await reader.read(4096):
            got.extend(chunk)
        writer.close()
        closed.set()

    server = await asyncio.start_server(record, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = line.config(base_url=f"http://127.0.0.1:{port}")
    trunk = TrunkSpec(line.trunk.workspace_id, line.trunk.trunk_id, "twilio", config)
    request = line.request(trunk=trunk, send_until=-1.0)
    with pytest.raises(OriginateTooLate):
        await line.driver.originate(request)
    await connected.wait()
    await closed.wait()
    assert b"POST" not in got
    server.close()


async def test_an_abandoned_request_that_has_not_left_will_not_leave(line: Line) -> None:
    dialling = asyncio.ensure_future(line.driver.originate(line.request()))
    await asyncio.sleep(0)  # into the driver, not yet onto the wire
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    await line.dial(2)
    assert line.carrier.count("POST", "/Calls.json") == 1


async def test_a_carrier_that_is_not_there_rings_nobody(line: Line, free_tcp_port: int) -> None:
    config = line.config(base_url=f"http://127.0.0.1:{free_tcp_port}")
    trunk = TrunkSpec(line.trunk.workspace_id, line.trunk.trunk_id, "twilio", config)
    with pytest.raises(OriginateRefused) as refused:
        await line.driver.originate(line.request(trunk=trunk))
    assert refused.value.outcome.disposition is Disposition.CONGESTION


@pytest.mark.parametrize(
    ("fault", "disposition"),
    [
        (Fault(429, 20429), Disposition.CONGESTION),
        (Fault(401, 20003), Disposition.TRUNK_REFUSED),
        (Fault(403), Disposition.TRUNK_REFUSED),
        (Fault(400, 21211), Disposition.INVALID_NUMBER),
        (Fault(400, 21212), Disposition.TRUNK_REFUSED),
        (Fault(400, 12100), Disposition.NETWORK_FAILURE),
        (Fault(302, headers={"Location": "/elsewhere"}), Disposition.NETWORK_FAILURE),
    ],
    ids=lambda value: str(getattr(value, "code", None) or getattr(value, "status", value)),
)
async def test_a_refused_create_is_no_call(line: Line, fault: Fault, disposition: Disposition) -> None:
    line.carrier.faults.append(fault)
    await line.driver.originate(line.request())
    [released] = await line.next_events(1)
    assert isinstance(released, Released)
    assert released.disposition is disposition
    assert (released.cause.sip_status, released.cause.q850_cause) == (None, None)
    assert str(fault.code or fault.status) in released.cause.text
    assert not released.was_answered
    assert await line.driver.live() == frozenset()
    assert line.carrier.count("POST", "/Calls.json") == 1


async def test_after_stop_there_are_no_events_and_no_calls(line: Line) -> None:
    await line.driver.stop()
    assert await line.driver.events(10) == []
    with pytest.raises(OriginateRefused):
        await line.driver.originate(line.request())
    await line.driver.release(line.request().attempt_id)


async def test_stop_lets_ends_go_out(line: Line) -> None:
    call = await line.dial()
    await line.driver.release(line.request().attempt_id)
    await line.driver.stop()
    assert line.carrier.updates(call) == ["canceled"]


async def test_a_call_is_ended_with_the_token_that_is_good_now(line: Line) -> None:
    stale = TrunkSpec(line.trunk.workspace_id, line.trunk.trunk_id, "twilio", line.config())
    call = await line.dial(trunk=stale)
    line.carrier.auth_token = "a-new-token"
    fresh = TrunkSpec(line.trunk.workspace_id, line.trunk.trunk_id, "twilio", line.config(auth_token="a-new-token"))
    line.carrier.reports_updates = False
    await line.driver.use_trunks([fresh])
    await line.driver.release(line.request().attempt_id)
    await call.ended.wait()


async def test_an_unanswered_create_is_unknown_and_never_sent_again(line: Line) -> None:
    line.carrier.faults.append(Fault(takes_call=True, cuts=True))
    await line.driver.originate(line.request())
    [released] = await line.next_events(1)
    assert isinstance(released, Released)
    assert released.disposition is Disposition.INDETERMINATE
    await line.clock.advance(120.0)
    assert line.carrier.count("POST", "/Calls.json") == 1
