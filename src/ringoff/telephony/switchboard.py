"""One driver for the engine, many carriers behind it: each request goes to the driver that its trunk names.

A driver is made and started when the first trunk names it, so an installation pays only for the carriers that it has.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from ringoff.domain.attempt_records import ExpiredAttempt, OriginateRefused, OriginateRequest
from ringoff.domain.carrier import CarrierCallback, TrunkReport, TrunkSpec
from ringoff.domain.events import CarrierEvent, Released
from ringoff.domain.identifiers import AttemptId, TrunkId, WorkspaceId
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.driver_port import CallDriver
from ringoff.ports import Clock

log = structlog.get_logger()

_TAKE_MAX_S = 3.0
"""A driver that has not taken its trunks by then is asked again later, and costs the other drivers no more."""
_AGAIN_S = 0.5
"""Pause of a pump after its driver failed in a way that it should not."""
TrunkKey = tuple[WorkspaceId, TrunkId]
MakeDriver = Callable[[], CallDriver]


class Switchboard:
    """A ``CallDriver`` of ``CallDriver``s, by the name that a trunk gives."""

    def __init__(self, clock: Clock, makers: Mapping[str, MakeDriver]) -> None:
        self._clock = clock
        self._makers = makers
        self._drivers: dict[str, CallDriver] = {}
        self._starting = asyncio.Lock()
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._by_attempt: dict[AttemptId, CallDriver] = {}
        self._without_driver: set[TrunkKey] = set()
        """Trunks that were reported down because their driver did not take them."""
        self._events: asyncio.Queue[CarrierEvent | TrunkReport | None] = asyncio.Queue()
        """Bounded by the channels; None: it is over."""
        self._is_stopped = False

    async def start(self) -> None:
        self._is_stopped = False

    async def stop(self) -> None:
        self._is_stopped = True
        for driver in self._drivers.values():
            await driver.stop()
        for pump in self._pumps.values():
            pump.cancel()
        await asyncio.gather(*self._pumps.values(), return_exceptions=True)
        self._drivers.clear()
        self._pumps.clear()
        self._events.put_nowait(None)

    async def use_trunks(self, trunks: Sequence[TrunkSpec]) -> None:
        by_driver: dict[str, list[TrunkSpec]] = {name: [] for name in self._drivers}
        for trunk in trunks:
            by_driver.setdefault(trunk.driver, []).append(trunk)
        for name, specs in by_driver.items():
            try:
                async with asyncio.timeout(_TAKE_MAX_S):
                    await (await self._driver(name)).use_trunks(specs)
            except Exception as error:
                # A driver that cannot be had is the trouble of its trunks, not of the others.
                if not self._without_driver.issuperset(map(_key, specs)):
                    log.exception("a driver cannot serve its trunks", driver=name)
                text = f"driver {name!r} cannot be used: {str(error) or type(error).__name__}"
                self._report(specs, is_up=False, text=text)
            else:
                self._report([spec for spec in specs if _key(spec) in self._without_driver], is_up=True)

    def _report(self, trunks: Sequence[TrunkSpec], *, is_up: bool, text: str = "") -> None:
        for trunk in trunks:
            (self._without_driver.discard if is_up else self._without_driver.add)(_key(trunk))
            self._events.put_nowait(TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up, text))

    async def originate(self, request: OriginateRequest) -> str:
        try:
            driver = await self._driver(request.trunk.driver)
        except Exception as error:
            log.exception("a driver cannot be started", driver=request.trunk.driver)
            cause = ReleaseCause(text=f"driver {request.trunk.driver!r} cannot be used")
            # One that is not installed will not come by itself. Any other is tried again, and its calls wait for it.
            is_missing = request.trunk.driver not in self._makers
            disposition = Disposition.TRUNK_REFUSED if is_missing else Disposition.CONGESTION
            raise OriginateRefused(Outcome(disposition, cause)) from error
        self._by_attempt[request.attempt_id] = driver
        try:
            return await driver.originate(request)
        except OriginateRefused:
            self._by_attempt.pop(request.attempt_id, None)
            raise

    async def resume(self, attempt_id: AttemptId, send_until: float) -> None:
        if (driver := self._by_attempt.get(attempt_id)) is not None:
            await driver.resume(attempt_id, send_until)

    async def release(self, attempt_id: AttemptId) -> None:
        driver = self._by_attempt.get(attempt_id)
        if driver is not None:
            await driver.release(attempt_id)
            return
        # Of another process, or of a life before this one: whoever knows it.
        for each in list(self._drivers.values()):
            await each.release(attempt_id)

    async def adopt(self, stranded: Sequence[ExpiredAttempt]) -> None:
        for name in sorted({attempt.trunk.driver for attempt in stranded}):
            try:
                driver = await self._driver(name)
                await driver.adopt([attempt for attempt in stranded if attempt.trunk.driver == name])
            except Exception:
                # One that cannot be had must cost no other its stranded calls.
                log.exception("a driver cannot look after stranded calls", driver=name)

    async def live(self) -> frozenset[AttemptId]:
        return frozenset().union(*[await driver.live() for driver in list(self._drivers.values())])

    async def take_callback(self, callback: CarrierCallback) -> None:
        driver = self._by_attempt.get(callback.attempt_id)
        for each in list(self._drivers.values()) if driver is None else [driver]:
            await each.take_callback(callback)

    async def events(self, count_max: int) -> Sequence[CarrierEvent | TrunkReport]:
        event = await self._events.get()
        if event is None:
            return []
        events = [event]
        while len(events) < count_max and not self._events.empty():
            if (event := self._events.get_nowait()) is None:
                break
            events.append(event)
        return events

    async def _driver(self, name: str) -> CallDriver:
        if (driver := self._drivers.get(name)) is not None:
            return driver
        async with self._starting:
            if name not in self._drivers:
                if name not in self._makers:
                    raise LookupError(f"driver {name!r} is not installed")
                driver = self._makers[name]()
                try:
                    await driver.start()
                except BaseException:
                    # What it had opened by then must not pile up while it is tried again.
                    with suppress(Exception):
                        await driver.stop()
                    raise
                self._drivers[name] = driver
                self._pumps[name] = asyncio.create_task(self._pump(name, driver))
            return self._drivers[name]

    async def _pump(self, name: str, driver: CallDriver) -> None:
        while not self._is_stopped:
            try:
                events = await driver.events(500)
            except Exception:
                log.exception("a driver's reports failed and are asked for again", driver=name)
                await self._clock.sleep(_AGAIN_S)
                continue
            for event in events:
                if isinstance(event, Released):
                    self._by_attempt.pop(event.attempt_id, None)
                elif isinstance(event, TrunkReport):
                    # The driver has spoken for itself: what it says is not followed by a word of ours.
                    self._without_driver.discard((event.workspace_id, event.trunk_id))
                self._events.put_nowait(event)


def _key(trunk: TrunkSpec) -> TrunkKey:
    return (trunk.workspace_id, trunk.trunk_id)
