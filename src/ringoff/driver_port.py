"""What the product asks of a carrier: the one thing to implement for a new one. ``ports`` is the rest of the seam."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ringoff.domain.attempt_records import ExpiredAttempt, OriginateRequest
from ringoff.domain.carrier import CarrierCallback, TrunkReport, TrunkSpec
from ringoff.domain.events import CarrierEvent
from ringoff.domain.identifiers import AttemptId

ReadConfig = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""A driver's reader of a trunk's configuration: the same, checked and complete, or ``InvalidInput`` with its field."""


class CallDriver(Protocol):
    """One kind of carrier. The engine paces; a driver reports.

    Every request to ring, the first of an attempt and any later one, leaves inside ``originate`` or ``resume``: those
    are called under a permit. A copy that a lost packet asks for (a retransmission) is the same request.
    """

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def use_trunks(self, trunks: Sequence[TrunkSpec]) -> None:
        """All enabled trunks of this driver, now: connect to new ones, watch them, forget those that are gone.

        Called again whenever they change, and every few seconds without a change: a trunk that is in use stays as it
        is, one that could not be had is tried again. Never raises because of one trunk: what is wrong with it is in
        its ``TrunkReport``. The same report twice is one.
        """

    async def originate(self, request: OriginateRequest) -> str:
        """Put one request to ring on the wire and return the carrier's own id for it, never after the answer.

        Look at the clock in the same step as the write: after ``send_until`` nothing may leave.

        Raises ``OriginateRefused`` (surely nothing rings), ``OriginateTooLate`` (nothing left, try again later) or
        ``OriginateUnknown`` (it may ring).
        """

    async def resume(self, attempt_id: AttemptId, send_until: float) -> None:
        """Send what the attempt's ``PermitWanted`` asked for; raises like ``originate``. Nothing if it is gone."""

    async def release(self, attempt_id: AttemptId) -> None:
        """End the attempt, ringing or answered; fine if it is already gone."""

    async def adopt(self, stranded: Sequence[ExpiredAttempt]) -> None:
        """Attempts whose process is gone: from now on ``live`` and ``release`` answer for those that the carrier has.

        Nothing for a driver that finds them anyway, or whose carrier cannot be asked.
        """

    async def live(self) -> frozenset[AttemptId]:
        """The attempts that the carrier says are up, for recovery after a crash."""

    async def take_callback(self, callback: CarrierCallback) -> None:
        """What the carrier posted to our HTTP server, for drivers whose carrier does; others ignore it."""

    async def events(self, count_max: int) -> Sequence[CarrierEvent | TrunkReport]:
        """Wait for at least one event and return up to ``count_max`` in the order they happened.

        After ``stop``: an empty sequence.
        """
