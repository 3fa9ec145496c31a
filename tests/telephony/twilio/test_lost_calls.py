"""Creates of unknown fate and calls that nobody waits for: whatever rings is ended, and only that."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from ringoff.domain.attempt_records import ExpiredAttempt
from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.events import Answered, Rang, Released
from ringoff.domain.identifiers import CampaignId, OwnerId
from ringoff.domain.release_cause import Disposition
from ringoff.telephony.twilio.call_ender import LOST_LOOKS_S
from tests.support.twilio_standin import Fault, StoodCall
from tests.telephony.twilio.conftest import CALLED, Line

pytestmark = pytest.mark.anyio
LOOKS_OVER_S = LOST_LOOKS_S[-1] + 10.0


async def lost(line: Line, serial: int = 1) -> StoodCall:
    """A call that the carrier has taken, and whose create was not answered."""
    line.carrier.faults.append(Fault(takes_call=True, cuts=True))
    await originate_into_the_unknown(line, serial)
    return await line.carrier.created.get()


async def originate_into_the_unknown(line: Line, serial: int = 1) -> None:
    await line.driver.originate(line.request(serial))
    [released] = await line.next_events(1)
    assert isinstance(released, Released)
    assert released.attempt_id == line.request(serial).attempt_id
    assert released.disposition is Disposition.INDETERMINATE


async def no_events(line: Line) -> None:
    """Nothing was told of calls: the next event is that of a call that is made now."""
    call = await line.dial(999)
    await line.carrier.move(call, "busy")
    [event] = await line.next_events(1)
    assert isinstance(event, Released)
    assert event.attempt_id == line.request(999).attempt_id


@pytest.mark.parametrize("status", ["queued", "ringing", "in-progress"])
async def test_a_lost_call_is_found_by_listing_and_ended(line: Line, status: str) -> None:
    call = await lost(line)
    await line.carrier.move(call, status, is_reported=False)
    await line.clock.advance(3.0)
    await call.ended.wait()
    assert call.status in ("canceled", "completed")
    await no_events(line)


async def test_a_call_of_another_attempt_is_not_taken_for_the_lost_one(line: Line) -> None:
    """The same two numbers, at the same time."""
    known = await line.dial(2)
    line.carrier.faults.append(Fault(500))
    await originate_into_the_unknown(line, 3)
    await line.clock.advance(LOOKS_OVER_S)
    await line.carrier.until(len(LOST_LOOKS_S), "GET", "/Calls.json")
    assert line.carrier.updates(known) == []


async def test_an_older_call_with_the_same_numbers_is_left_alone(line: Line) -> None:
    """Perhaps a person's, of the same account."""
    older = await lost(line)
    await line.driver.stop()
    line.clock.skip(120.0)
    await line.driver.start()
    line.carrier.faults.append(Fault(500))
    await originate_into_the_unknown(line, 2)
    await line.clock.advance(LOOKS_OVER_S)
    await line.carrier.until(len(LOST_LOOKS_S), "GET", "/Calls.json")
    assert line.carrier.updates(older) == []


async def test_of_several_that_could_be_the_lost_call_none_is_touched_until_a_report_names_it(line: Line) -> None:
    first, second = await lost(line, 1), await lost(line, 2)
    await line.clock.advance(6.0)
    assert line.carrier.updates(first) == line.carrier.updates(second) == []
    await line.carrier.move(second, "initiated")
    await second.ended.wait()
    assert line.carrier.updates(first) == []


@pytest.mark.parametrize("fault", [Fault(500), Fault(502, body=b"<html>"), Fault(503), Fault(200, body=b"\xff{")])
async def test_an_answer_that_says_nothing_is_unknown(line: Line, fault: Fault) -> None:
    fault.takes_call = True
    line.carrier.faults.append(fault)
    await originate_into_the_unknown(line)
    call = await line.carrier.created.get()
    await line.clock.advance(3.0)
    await call.ended.wait()


async def test_an_answer_without_end_is_unknown(line: Line) -> None:
    line.carrier.faults.append(Fault(201, body=b'{"sid": "CA7"' + b" " * 2_000_000 + b"}", takes_call=True))
    await originate_into_the_unknown(line)


async def test_a_create_that_is_answered_late_goes_on(line: Line) -> None:
    gate = asyncio.Event()
    line.carrier.faults.append(Fault(answers_when=gate))
    await line.driver.originate(line.request())
    call = await line.carrier.created.get()
    await line.clock.advance(5.0)
    gate.set()
    await line.placed()
    await line.carrier.move(call, "ringing")
    [rang] = await line.next_events(1)
    assert isinstance(rang, Rang)
    assert line.carrier.updates(call) == []
    assert line.carrier.count("POST", "/Calls.json") == 1


async def test_a_call_that_a_report_has_named_needs_no_answer_to_its_create(line: Line) -> None:
    gate = asyncio.Event()
    line.carrier.faults.append(Fault(takes_call=True, cuts=True, answers_when=gate))
    await line.driver.originate(line.request())
    call = await line.carrier.created.get()
    await line.carrier.move(call, "ringing")
    [rang] = await line.next_events(1)
    assert isinstance(rang, Rang)
    gate.set()
    await line.dial(2)
    await line.carrier.move(call, "in-progress")
    [answered] = await line.next_events(1)
    assert isinstance(answered, Answered)
    assert line.carrier.updates(call) == []


async def test_a_release_before_the_create_is_answered_ends_the_call(line: Line) -> None:
    gate = asyncio.Event()
    line.carrier.faults.append(Fault(answers_when=gate))
    await line.driver.originate(line.request())
    call = await line.carrier.created.get()
    await line.driver.release(line.request().attempt_id)
    gate.set()
    [released] = await line.next_events(1)
    assert isinstance(released, Released)
    assert line.carrier.updates(call) == ["canceled"]


@pytest.mark.parametrize("status", ["initiated", "ringing", "in-progress"])
async def test_a_report_of_an_attempt_that_nobody_knows_ends_its_call(line: Line, status: str) -> None:
    call = await line.dial()
    await line.driver.stop()
    await line.driver.start()
    await line.carrier.move(call, status)
    await call.ended.wait()
    assert call.form["To"] == CALLED
    await no_events(line)


async def test_a_second_call_for_an_attempt_is_ended_and_the_first_goes_on(line: Line) -> None:
    first = await line.dial()
    second = await line.dial(2)
    await line.carrier.move(second, "ringing", is_reported=False)
    await line.carrier.post(
        second,
        line.carrier.fields(second, CallStatus="ringing", SequenceNumber="1"),
        first.form["StatusCallback"],
    )
    await second.ended.wait()
    assert line.carrier.updates(first) == []


async def test_a_stray_of_an_account_that_is_not_ours_is_left_alone(line: Line) -> None:
    call = await line.dial()
    await line.driver.use_trunks([])
    await line.driver.stop()
    await line.driver.start()
    await line.carrier.move(call, "ringing")
    await no_events(line)
    assert line.carrier.updates(call) == []


def stranded(line: Line, call: StoodCall, serial: int = 1, **changes: Any) -> ExpiredAttempt:
    """What the database has of a call that another process made."""
    request = line.request(serial)
    return replace(
        ExpiredAttempt(
            workspace_id=line.trunk.workspace_id,
            agent_id=request.agent_id,
            campaign_id=CampaignId(UUID(int=4)),
            attempt_id=request.attempt_id,
            call_id=request.call_id,
            owner_id=OwnerId(UUID(int=5)),
            state="originated",
            trunk=line.trunk,
            driver_call_id=call.sid,
            lease_until=datetime(2026, 1, 5, tzinfo=UTC),
            called_number=request.called_number,
            calling_number=request.calling_number,
            sent_at=line.clock.now(),
        ),
        **changes,
    )


async def of_another_process(line: Line, serial: int = 1) -> StoodCall:
    call = await line.dial(serial)
    await line.driver.stop()
    await line.driver.start()
    return call


@pytest.mark.parametrize("status", ["queued", "ringing", "in-progress"])
async def test_an_adopted_call_is_live_and_can_be_released(line: Line, status: str) -> None:
    call = await of_another_process(line)
    await line.carrier.move(call, status, is_reported=False)
    attempt_id = line.request().attempt_id
    assert await line.driver.live() == frozenset()
    await line.driver.adopt([stranded(line, call)])
    assert await line.driver.live() == {attempt_id}
    await line.driver.release(attempt_id)
    await call.ended.wait()
    await no_events(line)


async def test_an_adopted_call_that_is_over_is_not_live(line: Line) -> None:
    call = await of_another_process(line)
    await line.carrier.move(call, "busy", is_reported=False)
    await line.driver.adopt([stranded(line, call)])
    assert await line.driver.live() == frozenset()


async def test_an_adopted_call_without_an_id_is_found_by_listing_and_ended(line: Line) -> None:
    call = await of_another_process(line)
    await line.carrier.move(call, "in-progress", is_reported=False)
    await line.driver.adopt([stranded(line, call, driver_call_id=None)])
    await line.clock.advance(3.0)
    await call.ended.wait()
    await no_events(line)


async def test_a_trunk_that_cannot_be_read_strands_its_own_calls_only(line: Line) -> None:
    call = await of_another_process(line)
    unreadable = TrunkSpec(line.trunk.workspace_id, line.trunk.trunk_id, "twilio", {"account_sid": "AC1"})
    await line.driver.adopt([stranded(line, call, 7, trunk=unreadable), stranded(line, call)])
    assert await line.driver.live() == {line.request().attempt_id}


async def test_a_call_of_this_process_is_not_adopted(line: Line) -> None:
    call = await line.dial()
    await line.driver.adopt([stranded(line, call)])
    await line.carrier.move(call, "ringing")
    [rang] = await line.next_events(1)
    assert isinstance(rang, Rang)
    assert line.carrier.updates(call) == []
