"""The simulated carrier: fixed numbers, replay, release at every stage, and the wire log."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.attempt_records import OriginateRefused, OriginateRequest, OriginateTooLate
from ringoff.domain.carrier import AnswerHandling, TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import Answered, CarrierEvent, Rang, Released
from ringoff.domain.identifiers import AgentId, AttemptId, CallId, TrunkId, WorkspaceId
from ringoff.domain.release_cause import ReleaseCause
from ringoff.driver_port import CallDriver
from ringoff.telephony.outcome_mix import WARM, OutcomeMix
from ringoff.telephony.simulated import SimulatedCarrier
from ringoff.telephony.simulated_script import TALK_CAP_S
from tests.support.virtual_clock import VirtualClock
from tests.support.wire_log import read_wire_log

pytestmark = pytest.mark.anyio
LONG_S = 10_000.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def request(
    called_number: str, serial: int = 1, *, ring_timeout_s: float = 60.0, send_until: float = math.inf
) -> OriginateRequest:
    return OriginateRequest(
        attempt_id=AttemptId(UUID(int=serial)),
        call_id=CallId(UUID(int=serial + 1_000_000)),
        agent_id=AgentId(UUID(int=3)),
        trunk=TrunkSpec(WorkspaceId(UUID(int=1)), TrunkId(UUID(int=2)), "simulated"),
        called_number=called_number,
        calling_number="+918000000000",
        handling=AnswerHandling(),
        parameters={},
        ring_timeout_s=ring_timeout_s,
        talk_max_s=1.0,
        send_until=send_until,
    )


async def play_all(carrier: SimulatedCarrier, clock: VirtualClock) -> list[CarrierEvent]:
    """Everything that the calls on the wire will report."""
    played: list[CarrierEvent] = []
    clock.skip(LONG_S)
    while await carrier.live():
        clock.skip(LONG_S)
    marker = request("+910000000005", 999_999)
    await carrier.originate(marker)
    clock.skip(LONG_S)
    while True:
        for event in await carrier.events(1000):
            if event.attempt_id == marker.attempt_id:
                return played
            played.append(event)


FIXED = {
    "0001": ([Rang, Answered, Released], {200}, True, False),
    "0002": ([Released], {486}, False, False),
    "0003": ([Rang, Released], {480}, False, False),
    "0004": ([Rang, Released], {603}, False, False),
    "0005": ([Released], {404}, False, False),
    "0006": ([Released], {503}, False, False),
    "0007": ([Released], {500, 502}, False, False),
    "0009": ([Rang, Answered, Released], {200}, True, True),
}


@pytest.mark.parametrize("digits", FIXED)
@pytest.mark.parametrize("seed", [0, 1, 2])
async def test_the_last_four_digits_fix_the_outcome(digits: str, seed: int) -> None:
    kinds, statuses, was_answered, is_voicemail = FIXED[digits]
    clock = VirtualClock()
    carrier: CallDriver = SimulatedCarrier(clock, seed=seed, mix=OutcomeMix(silent=1))
    assert isinstance(carrier, SimulatedCarrier)
    placed = request(f"+91981234{digits}")
    started_at = clock.now()
    assert await carrier.originate(placed) == str(placed.attempt_id)
    assert await carrier.live() == {placed.attempt_id}
    events = await play_all(carrier, clock)
    assert [type(event) for event in events] == kinds
    assert all(event.attempt_id == placed.attempt_id for event in events)
    assert started_at < events[0].at
    assert [event.at for event in events] == sorted({event.at for event in events})
    released = events[-1]
    assert isinstance(released, Released)
    assert released.cause.sip_status in statuses
    assert (released.was_answered, released.voicemail_detected) == (was_answered, is_voicemail)
    assert (released.talk_ms > 0) == was_answered
    if was_answered:
        assert isinstance(events[1], Answered)
        assert events[1].voicemail_detected == is_voicemail
        talked_ms = (released.at - events[1].at).total_seconds() * 1000
        assert abs(talked_ms - released.talk_ms) <= 1
    assert await carrier.live() == frozenset()


async def test_a_silent_number_never_reports_and_is_forgotten_on_release() -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock)
    placed = request("+919812340008")
    await carrier.originate(placed)
    clock.skip(LONG_S)
    assert await carrier.live() == {placed.attempt_id}
    await carrier.release(placed.attempt_id)
    assert await carrier.live() == frozenset()
    assert await play_all(carrier, clock) == []


async def test_releasing_a_ringing_call_ends_it_unanswered() -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock)
    placed = request("+919812340001")
    await carrier.originate(placed)
    clock.skip(3.0)
    await carrier.release(placed.attempt_id)
    await carrier.release(placed.attempt_id)
    rang, released = await play_all(carrier, clock)
    assert isinstance(rang, Rang)
    assert isinstance(released, Released)
    assert (released.cause, released.was_answered) == (ReleaseCause(487, None, "Request Terminated"), False)
    assert released.talk_ms == 0


async def test_hanging_up_an_answered_call_keeps_the_time_talked() -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock)
    placed = request("+919812340009", ring_timeout_s=4.0)
    await carrier.originate(placed)
    clock.skip(8.0)
    await carrier.release(placed.attempt_id)
    released_at = clock.now()
    _, answered, released = await play_all(carrier, clock)
    assert isinstance(answered, Answered)
    assert isinstance(released, Released)
    assert (released.cause.sip_status, released.cause.q850_cause) == (200, 16)
    assert released.was_answered
    assert released.voicemail_detected
    assert released.at == released_at
    assert abs(released.talk_ms - (released_at - answered.at).total_seconds() * 1000) <= 1


async def test_no_answer_rings_no_longer_than_asked() -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock)
    await carrier.originate(request("+919812340003", ring_timeout_s=7.0))
    rang, released = await play_all(carrier, clock)
    assert abs((released.at - rang.at).total_seconds() - 7.0) < 1e-3


async def test_releasing_what_never_was_is_fine() -> None:
    carrier = SimulatedCarrier(VirtualClock())
    await carrier.release(AttemptId(UUID(int=5)))
    assert await carrier.live() == frozenset()


async def run_campaign(seed: int, mix: OutcomeMix = WARM, count: int = 3000) -> Sequence[CarrierEvent]:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock, seed=seed, mix=mix)
    for serial in range(1, count + 1):
        await carrier.originate(request(f"+9198{serial % 1000:04}5555", serial))
    return await play_all(carrier, clock)


async def test_the_same_seed_and_sequence_replay_exactly() -> None:
    first, again, other = await run_campaign(7), await run_campaign(7), await run_campaign(8)
    assert first == again
    assert first != other


async def test_a_retry_may_end_otherwise() -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock)
    for serial in range(1, 30):
        await carrier.originate(request("+919812345678", serial))
    causes = {event.cause for event in await play_all(carrier, clock) if isinstance(event, Released)}
    assert len(causes) > 1


async def test_the_mix_is_what_happens_and_talk_is_like_people() -> None:
    events = await run_campaign(0)
    released = [event for event in events if isinstance(event, Released)]
    assert len(released) == 3000
    people = [event.talk_ms / 1000 for event in released if event.was_answered and not event.voicemail_detected]
    statuses = Counter(event.cause.sip_status for event in released)
    assert 0.19 < len(people) / 3000 < 0.25
    assert 0.34 < sum(event.voicemail_detected for event in released) / 3000 < 0.42
    assert 0.03 < statuses[486] / 3000 < 0.07
    assert 35 < sorted(people)[len(people) // 2] < 55
    assert max(people) <= TALK_CAP_S


async def test_speed_divides_every_time() -> None:
    spans = []
    for speed in (1.0, 10.0):
        clock = VirtualClock()
        carrier = SimulatedCarrier(clock, speed=speed)
        placed_at = clock.now()
        await carrier.originate(request("+919812340001"))
        spans.append([(event.at - placed_at).total_seconds() for event in await play_all(carrier, clock)])
    assert spans[1] == pytest.approx([span / 10 for span in spans[0]], abs=1e-3)


async def test_at_huge_speed_everything_is_ready_at_once() -> None:
    carrier = SimulatedCarrier(SystemClock(), speed=1e12)
    for serial in range(1, 101):
        await carrier.originate(request("+919812340001", serial))
    seen: list[CarrierEvent] = []
    while len(seen) < 300:
        batch = await carrier.events(64)
        assert 1 <= len(batch) <= 64
        seen.extend(batch)
    assert await carrier.live() == frozenset()


async def test_a_waiting_consumer_is_woken_at_the_time_of_the_event() -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(carrier.events(10))
        await clock.advance(1.0)
        assert not waiting.done()
        await carrier.originate(request("+919812340003"))
        await clock.advance(0.2)
        assert not waiting.done()
        await clock.advance(5.0)
        assert waiting.done()
    [rang] = waiting.result()
    assert isinstance(rang, Rang)


async def test_an_earlier_event_overtakes_the_one_waited_for() -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock)
    await carrier.originate(request("+919812340003", 1))
    clock.skip(3.0)
    assert len(await carrier.events(10)) == 1
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(carrier.events(10))
        await clock.advance(0.0)
        await carrier.originate(request("+919812340002", 2))
        await clock.advance(3.0)
    [released] = waiting.result()
    assert released.attempt_id == UUID(int=2)


async def test_stop_ends_the_waiting_and_refuses_new_calls() -> None:
    carrier = SimulatedCarrier(VirtualClock())
    await carrier.start()
    await carrier.originate(request("+919812340001"))
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(carrier.events(10))
        await asyncio.sleep(0)
        await carrier.stop()
    assert waiting.result() == []
    assert await carrier.live() == frozenset()
    with pytest.raises(OriginateRefused):
        await carrier.originate(request("+919812340001"))


async def test_waiting_can_be_cancelled() -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock)
    await carrier.originate(request("+919812340001"))
    waiting = asyncio.create_task(carrier.events(10))
    await clock.advance(0.0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    clock.skip(3.0)
    assert [type(event) for event in await carrier.events(10)] == [Rang]


async def test_the_wire_log_has_one_line_for_each_originate(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    clock = VirtualClock()
    carriers = [SimulatedCarrier(clock, wire_log_path=path) for _ in range(2)]
    assert read_wire_log(path) == []
    await carriers[0].start()
    for serial in range(1, 41):
        clock.skip(0.001)
        await carriers[serial % 2].originate(request(f"+91981234{serial:04}", serial))
        assert len(read_wire_log(path)) == serial, "the line is there when originate returns"
    lines = read_wire_log(path)
    assert [line.attempt_id for line in lines] == [UUID(int=serial) for serial in range(1, 41)]
    assert lines[6].called_number == "+919812340007"
    assert lines[6].call_id == UUID(int=1_000_007)
    assert lines[6].monotonic_ns == 7_000_000
    assert lines[-1].wall == clock.now()
    for carrier in carriers:
        await carrier.stop()
    await carriers[0].start()
    await carriers[0].originate(request("+919812340001", 41))
    await carriers[0].stop()
    assert len(read_wire_log(path)) == 41, "opened again, it goes on where it was"


async def test_what_cannot_be_logged_does_not_ring(tmp_path: Path) -> None:
    carrier = SimulatedCarrier(VirtualClock(), wire_log_path=tmp_path / "missing" / "wire.jsonl")
    with pytest.raises(OriginateRefused, match="wire log"):
        await carrier.originate(request("+919812340001"))
    assert await carrier.live() == frozenset()


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
async def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(InvalidInput, match="speed"):
        SimulatedCarrier(VirtualClock(), speed=speed)


async def test_the_wire_log_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    carrier = SimulatedCarrier(VirtualClock(), wire_log_path=path)
    await carrier.start()
    assert path.stat().st_mode & 0o077 == 0
    await carrier.stop()


async def test_a_request_that_is_late_does_not_reach_the_wire(tmp_path: Path) -> None:
    clock = VirtualClock()
    carrier = SimulatedCarrier(clock, speed=1e9, wire_log_path=tmp_path / "wire.jsonl")
    late = request("+919876540001", send_until=clock.monotonic() + 0.1)
    clock.skip(0.2)
    with pytest.raises(OriginateTooLate):
        await carrier.originate(late)
    assert not (tmp_path / "wire.jsonl").exists() or read_wire_log(tmp_path / "wire.jsonl") == []
    assert await carrier.live() == frozenset()
