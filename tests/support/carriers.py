"""A carrier that does what the test says, when the test says it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from ringoff.domain.attempt_records import ExpiredAttempt, OriginateRequest
from ringoff.domain.carrier import CarrierCallback, TrunkSpec
from ringoff.domain.events import Answered, CarrierEvent, PermitWanted, Progressed, Rang, Released
from ringoff.domain.identifiers import AttemptId
from ringoff.domain.release_cause import ReleaseCause

_AT = datetime(2026, 1, 1, tzinfo=UTC)


class ScriptedCarrier:
    """Implements ``CallDriver``; ``wire`` is every request that left, in order."""

    def __init__(self) -> None:
        self.wire: list[OriginateRequest] = []
        self.released: list[AttemptId] = []
        self.resumed: list[AttemptId] = []
        self.callbacks: list[CarrierCallback] = []
        self.adopted: list[ExpiredAttempt] = []
        self.trunks: Sequence[TrunkSpec] = ()
        self.raises: Exception | None = None
        self.raises_for: dict[str, Exception] = {}
        """By called number."""
        self.has_raised = asyncio.Event()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._events: asyncio.Queue[CarrierEvent] = asyncio.Queue()

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def originate(self, request: OriginateRequest) -> str:
        raised = self.raises or self.raises_for.get(request.called_number)
        if raised is not None:
            self.has_raised.set()
            raise raised
        await self.may_send.wait()
        self.wire.append(request)
        return str(request.attempt_id)

    async def use_trunks(self, trunks: Sequence[TrunkSpec]) -> None:
        self.trunks = trunks

    async def resume(self, attempt_id: AttemptId, send_until: float) -> None:
        await self.may_send.wait()
        if self.raises is not None:
            raise self.raises
        self.resumed.append(attempt_id)

    async def take_callback(self, callback: CarrierCallback) -> None:
        self.callbacks.append(callback)

    async def release(self, attempt_id: AttemptId) -> None:
        self.released.append(attempt_id)

    async def adopt(self, stranded: Sequence[ExpiredAttempt]) -> None:
        self.adopted += stranded

    async def live(self) -> frozenset[AttemptId]:
        return frozenset(request.attempt_id for request in self.wire)

    async def events(self, count_max: int) -> Sequence[CarrierEvent]:
        return [await self._events.get()]

    def progresses(self, attempt_id: AttemptId) -> None:
        self._events.put_nowait(Progressed(attempt_id, _AT))

    def rings(self, attempt_id: AttemptId) -> None:
        self._events.put_nowait(Rang(attempt_id, _AT))

    def answers(self, attempt_id: AttemptId, at: datetime = _AT) -> None:
        self._events.put_nowait(Answered(attempt_id, at))

    def wants_permit(self, attempt_id: AttemptId, reason: str = "challenged") -> None:
        self._events.put_nowait(PermitWanted(attempt_id, _AT, reason))

    def ends(
        self,
        attempt_id: AttemptId,
        sip_status: int,
        *,
        text: str = "",
        was_answered: bool = False,
        talk_ms: int = 0,
        agent_failed: bool = False,
    ) -> None:
        cause = ReleaseCause(sip_status=sip_status, text=text)
        released = Released(
            attempt_id, _AT, cause, was_answered=was_answered, talk_ms=talk_ms, agent_failed=agent_failed
        )
        self._events.put_nowait(released)
