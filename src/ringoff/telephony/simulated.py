"""A carrier without a network: rings nobody, reports like a real one, and repeats itself for the same seed.

No task per call: each live call has one place in a heap of timed steps, and whoever waits in ``events`` plays the
steps that are due. The wire log line is the wire: it is written before ``originate`` returns, and nothing else rings.
"""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from heapq import heappop, heappush
from pathlib import Path
from zlib import crc32

from ringoff.domain.attempt_records import (
    ExpiredAttempt,
    OriginateRefused,
    OriginateRequest,
    OriginateTooLate,
    OriginateUnknown,
)
from ringoff.domain.carrier import CarrierCallback, TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import Answered, CarrierEvent, Rang, Released
from ringoff.domain.identifiers import AttemptId
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.ports import Clock
from ringoff.telephony.outcome_mix import WARM, OutcomeMix, SimulatedOutcome
from ringoff.telephony.simulated_script import NORMAL_CLEARING, REQUEST_TERMINATED, CallScript, draw_script
from ringoff.telephony.wire_log import WireLine, WireLog

_ORDINAL_SLOTS = 1 << 20


class _Stage(IntEnum):
    DIALLED = 0
    RINGING = 1
    ANSWERED = 2
    OVER = 3


class _LiveCall:
    """A call on the simulated wire and where it is in its script."""

    __slots__ = ("answered_s", "attempt_id", "ring_s", "script", "stage")

    def __init__(self, attempt_id: AttemptId, script: CallScript, ring_s: float) -> None:
        self.attempt_id = attempt_id
        self.script = script
        self.ring_s = ring_s
        self.stage = _Stage.DIALLED
        self.answered_s = 0.0


class SimulatedCarrier:
    """A ``CallDriver`` for demos, tests and benchmarks.

    ``speed`` divides every ring and talk time (a huge one makes events ready at once). ``events`` has one consumer;
    after ``stop`` it returns an empty list instead of waiting.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        speed: float = 1.0,
        mix: OutcomeMix = WARM,
        wire_log_path: Path | None = None,
    ) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise InvalidInput("the speed of the simulated carrier must be above 0", field="speed")
        self._clock = clock
        self._seed = seed
        self._speed = speed
        self._shares = mix.cumulative()
        self._wire_log_path = wire_log_path
        self._wire_log: WireLog | None = None
        # How often each number was rung, so that a retry may end otherwise. A fixed table instead of a dictionary
        # keeps the memory constant over millions of numbers; two numbers sharing a slot only share an ordinal.
        self._ordinals = bytearray(_ORDINAL_SLOTS)
        self._live: dict[AttemptId, _LiveCall] = {}
        self._steps: list[tuple[float, int, _LiveCall]] = []
        self._step_count = 0
        self._ready: deque[CarrierEvent] = deque()
        self._woken = asyncio.Event()
        self._is_stopped = False

    async def start(self) -> None:
        self._is_stopped = False
        if self._wire_log_path is not None and self._wire_log is None:
            self._wire_log = WireLog(self._wire_log_path)

    async def stop(self) -> None:
        """Stop ringing and reporting; calls that are up are forgotten, as when a carrier goes away."""
        self._is_stopped = True
        self._live.clear()
        self._steps.clear()
        self._ready.clear()
        if self._wire_log is not None:
            self._wire_log.close()
            self._wire_log = None
        self._woken.set()

    async def originate(self, request: OriginateRequest) -> str:
        if self._is_stopped:
            raise _refused("the simulated carrier is stopped")
        self._put_on_wire(request)
        script = draw_script(self._shares, self._seed, request.called_number, self._next_ordinal(request.called_number))
        ring_s = 0.0 if script.ring_s is None else min(script.ring_s, request.ring_timeout_s)
        call = _LiveCall(request.attempt_id, script, ring_s)
        self._live[request.attempt_id] = call
        if script.outcome is not SimulatedOutcome.SILENT:
            self._schedule(self._clock.monotonic() + script.post_dial_s / self._speed, call)
        return str(request.attempt_id)

    async def use_trunks(self, trunks: Sequence[TrunkSpec]) -> None:
        """Every simulated trunk is always up."""

    async def resume(self, attempt_id: AttemptId, send_until: float) -> None:
        """Nothing here ever asks for a second permit."""

    async def take_callback(self, callback: CarrierCallback) -> None:
        """Nothing posts for this carrier."""

    async def release(self, attempt_id: AttemptId) -> None:
        now_s = self._clock.monotonic()
        self._play_due(now_s)
        call = self._live.get(attempt_id)
        if call is None:
            return
        if call.script.outcome is SimulatedOutcome.SILENT:
            self._live.pop(attempt_id)
            return
        cause = NORMAL_CLEARING if call.stage is _Stage.ANSWERED else REQUEST_TERMINATED
        self._end(call, cause, now_s, self._clock.now())
        self._woken.set()

    async def adopt(self, stranded: Sequence[ExpiredAttempt]) -> None:
        """Its calls live and die with their process."""

    async def live(self) -> frozenset[AttemptId]:
        self._play_due(self._clock.monotonic())
        return frozenset(self._live)

    async def events(self, count_max: int) -> Sequence[CarrierEvent]:
        while not self._is_stopped:
            self._woken.clear()
            self._play_due(self._clock.monotonic())
            if self._ready:
                return [self._ready.popleft() for _ in range(min(count_max, len(self._ready)))]
            await self._wait_for_next_step()
        return []

    def _put_on_wire(self, request: OriginateRequest) -> None:
        if self._clock.monotonic() > request.send_until:
            raise OriginateTooLate
        if self._wire_log_path is None:
            return
        try:
            if self._wire_log is None:
                self._wire_log = WireLog(self._wire_log_path)
            is_whole = self._wire_log.append(
                WireLine(
                    wall=self._clock.now(),
                    called_number=request.called_number,
                    calling_number=request.calling_number,
                    call_id=request.call_id,
                    attempt_id=request.attempt_id,
                    monotonic_ns=self._clock.monotonic_ns(),
                )
            )
        except OSError as error:
            raise _refused(f"the wire log cannot be written: {error.strerror}") from error
        if not is_whole:
            raise OriginateUnknown("the wire log took only a part of the line")

    def _next_ordinal(self, called_number: str) -> int:
        slot = crc32(called_number.encode()) % _ORDINAL_SLOTS
        ordinal = self._ordinals[slot]
        self._ordinals[slot] = (ordinal + 1) % 256
        return ordinal

    def _schedule(self, due_s: float, call: _LiveCall) -> None:
        # The count keeps steps of the same instant in order, and calls out of the comparison.
        self._step_count += 1
        step = (due_s, self._step_count, call)
        heappush(self._steps, step)
        if self._steps[0] is step:
            self._woken.set()

    def _play_due(self, now_s: float) -> None:
        """Turn every step that is due into its event, and put the next step of that call in the heap."""
        steps = self._steps
        if not steps or steps[0][0] > now_s:
            return
        now = self._clock.now()
        while steps and steps[0][0] <= now_s:
            due_s, _, call = heappop(steps)
            if call.stage is not _Stage.OVER:
                self._play(call, due_s, now - timedelta(seconds=now_s - due_s))

    def _play(self, call: _LiveCall, due_s: float, at: datetime) -> None:
        script = call.script
        if call.stage is _Stage.DIALLED and script.ring_s is not None:
            call.stage = _Stage.RINGING
            self._ready.append(Rang(call.attempt_id, at))
            self._schedule(due_s + call.ring_s / self._speed, call)
        elif call.stage is _Stage.RINGING and script.talk_s is not None:
            call.stage = _Stage.ANSWERED
            call.answered_s = due_s
            self._ready.append(Answered(call.attempt_id, at, script.outcome is SimulatedOutcome.VOICEMAIL))
            self._schedule(due_s + script.talk_s / self._speed, call)
        else:
            self._end(call, script.cause, due_s, at)

    def _end(self, call: _LiveCall, cause: ReleaseCause, due_s: float, at: datetime) -> None:
        was_answered = call.stage is _Stage.ANSWERED
        call.stage = _Stage.OVER
        self._live.pop(call.attempt_id, None)
        self._ready.append(
            Released(
                call.attempt_id,
                at,
                cause,
                was_answered,
                talk_ms=round((due_s - call.answered_s) * 1000) if was_answered else 0,
                voicemail_detected=was_answered and call.script.outcome is SimulatedOutcome.VOICEMAIL,
            )
        )

    async def _wait_for_next_step(self) -> None:
        """Wait until the next step is due, or something that comes earlier was put before it."""
        if not self._steps:
            await self._woken.wait()
            return
        delay_s = self._steps[0][0] - self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            timer = group.create_task(self._wake_after(max(delay_s, 0.0)))
            await self._woken.wait()
            timer.cancel()

    async def _wake_after(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self._woken.set()


def _refused(text: str) -> OriginateRefused:
    return OriginateRefused(Outcome(Disposition.NETWORK_FAILURE, ReleaseCause(text=text)))
