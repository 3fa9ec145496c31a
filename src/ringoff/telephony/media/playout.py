"""What the agent said and the callee has not heard yet: paced, bounded, and dropped on barge-in."""

import asyncio
from collections import deque
from typing import Final, Protocol

from ringoff.ports import Clock
from ringoff.telephony.media.twilio_messages import SAMPLE_RATE

PIECE_S_MAX: Final = 1.0
"""Audio in one message to the carrier: Asterisk refuses WebSocket frames above 65,500 bytes."""
AHEAD_S_MAX: Final = 8.0
"""How far the carrier's queue may run ahead of the ear: Asterisk drops beyond 1,000 frames, which are 20 s."""
WAITING_S_MAX: Final = 300.0
"""Audio that one call may have waiting here (2.4 MB). What an agent sends beyond it is dropped, and said once."""
WAITING_MARKS_MAX: Final = 1_000

_PIECE_BYTES: Final = int(PIECE_S_MAX * SAMPLE_RATE)


class CarrierEar(Protocol):
    """The carrier's side of a call's audio, as far as the playout needs it."""

    async def play(self, audio: bytes) -> None:
        """Queue mu-law, at most ``PIECE_S_MAX`` of it."""

    async def mark(self, number: int) -> None:
        """Report ``number`` when everything queued before it was heard."""

    async def flush(self) -> None:
        """Drop everything that is queued, marks too."""


class Playout:
    """The queue of one call: ``say``, ``mark`` and ``clear`` from the agent, ``run`` towards the carrier."""

    def __init__(self, ear: CarrierEar, clock: Clock) -> None:
        self._ear = ear
        self._clock = clock
        self._waiting: deque[bytes | int] = deque()
        self._waiting_bytes = 0
        self._names: dict[int, str] = {}
        """Marks that have not come back, by their number, in order: names may repeat, and may hold anything."""
        self._mark_count = 0
        self._heard_until_s = 0.0
        """Monotonic: when the carrier will have played all that it was given."""
        self._woken = asyncio.Event()

    def say(self, audio: bytes) -> bool:
        """False when the call's share is full and the audio was dropped."""
        if self._waiting_bytes + len(audio) > WAITING_S_MAX * SAMPLE_RATE:
            return False
        for at in range(0, len(audio), _PIECE_BYTES):
            self._waiting.append(audio[at : at + _PIECE_BYTES])
        self._waiting_bytes += len(audio)
        self._woken.set()
        return True

    def mark(self, name: str) -> bool:
        """False when too many marks are waiting and this one was dropped."""
        if len(self._names) >= WAITING_MARKS_MAX:
            return False
        self._mark_count += 1
        self._names[self._mark_count] = name
        self._waiting.append(self._mark_count)
        self._woken.set()
        return True

    def heard(self, number: int) -> str | None:
        """The name of the mark that the carrier has reached; None when it was cleared meanwhile."""
        return self._names.pop(number, None)

    async def clear(self) -> list[str]:
        """Drop all that is unheard; the names of the marks that were waiting, which Twilio returns at once.

        Asterisk forgets the marks of what it flushes, so they are remembered here.
        """
        names = list(self._names.values())
        self._names.clear()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._heard_until_s = 0.0
        await self._ear.flush()
        self._woken.set()
        return names

    async def run(self) -> None:
        """Feed the carrier, never more than ``AHEAD_S_MAX`` ahead; until cancelled."""
        while True:
            if not self._waiting:
                self._woken.clear()
                await self._woken.wait()
                continue
            now = self._clock.monotonic()
            ahead_s = self._heard_until_s - now
            if ahead_s > AHEAD_S_MAX:
                await self._pause(ahead_s - AHEAD_S_MAX)
                continue
            first = self._waiting.popleft()
            if isinstance(first, int):
                await self._ear.mark(first)
            else:
                self._waiting_bytes -= len(first)
                self._heard_until_s = max(self._heard_until_s, now) + len(first) / SAMPLE_RATE
                await self._ear.play(first)

    async def _pause(self, pause_s: float) -> None:
        """Until the time has passed; a barge-in ends it early."""
        self._woken.clear()
        async with asyncio.TaskGroup() as group:
            timer = group.create_task(self._wake_after(pause_s))
            await self._woken.wait()
            timer.cancel()

    async def _wake_after(self, pause_s: float) -> None:
        await self._clock.sleep(pause_s)
        self._woken.set()
