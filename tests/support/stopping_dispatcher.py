"""A dispatcher that stands still at one point of its work, as under a hypervisor that took its time away.

`python -m tests.support.stopping_dispatcher DSN GATE WIRE_LOG PERMIT_TTL_MS` dials what is due. The first time that it
comes to the gate it sends itself SIGSTOP, in the very step in which the product goes on from there: nothing of the loop
runs between SIGCONT and the next line of the product.
"""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.attempt_records import OriginateRequest, OriginateTooLate
from ringoff.domain.events import PermitWanted
from ringoff.domain.identifiers import AttemptId
from ringoff.store.postgres import PostgresStore
from ringoff.telephony.outcome_mix import parse_mix
from ringoff.telephony.simulated import SimulatedCarrier

BATCH_MAX = 5
LEASE_S = 1.0
ORIGINATE_TIMEOUT_MS = 400
PERMIT_TTL_MS = 250


class ChallengingCarrier(SimulatedCarrier):
    """Wants a second request for each call, which leaves, and is written to the wire log, like the first."""

    def __init__(self, clock: SystemClock, wire_log_path: Path) -> None:
        super().__init__(clock, speed=50.0, mix=parse_mix("answered=1"), wire_log_path=wire_log_path)
        self._asked: dict[AttemptId, OriginateRequest] = {}

    async def originate(self, request: OriginateRequest) -> str:
        if self._clock.monotonic() > request.send_until:
            raise OriginateTooLate
        self._put_on_wire(request)
        self._asked[request.attempt_id] = request
        self._ready.append(PermitWanted(request.attempt_id, self._clock.now(), "407"))
        self._woken.set()
        return str(request.attempt_id)

    async def resume(self, attempt_id: AttemptId, send_until: float) -> None:
        if request := self._asked.pop(attempt_id, None):
            await super().originate(replace(request, send_until=send_until))


class StopsAtGate:
    """The product's ``gate``."""

    def __init__(self, gate: str) -> None:
        self._gate = gate
        self._has_stopped = False

    async def __call__(self, name: str) -> None:
        if name == self._gate and not self._has_stopped:
            self._has_stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)


async def dispatch(dsn: str, gate: str, wire_log_path: Path, permit_ttl_ms: int) -> None:
    clock = SystemClock()
    store = await PostgresStore.connect(dsn, pool_max=2, originate_timeout_ms=ORIGINATE_TIMEOUT_MS)
    limits = DispatchLimits(
        batch_max=BATCH_MAX,
        dials_in_flight_max=1,
        lease_s=LEASE_S,
        permit_ttl_ms=permit_ttl_ms,
        slot_ttl_ms=permit_ttl_ms,
        # Like the database's limit on the permit: whoever outlives that has nothing to lose by waiting.
        originate_timeout_ms=max(ORIGINATE_TIMEOUT_MS, permit_ttl_ms + 1),
        poll_s=0.1,
        backoff_s=0.1,
    )
    is_challenged = gate.startswith("second_permit")
    carrier = (
        ChallengingCarrier(clock, wire_log_path)
        if is_challenged
        else SimulatedCarrier(clock, speed=50.0, mix=parse_mix("answered=1"), wire_log_path=wire_log_path)
    )
    await Supervisor(store=store, driver=carrier, clock=clock, limits=limits, gate=StopsAtGate(gate)).run()


if __name__ == "__main__":
    asyncio.run(dispatch(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
