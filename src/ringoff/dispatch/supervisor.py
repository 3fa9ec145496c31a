"""Runs the loops of one process: restarts what fails, within a limit, and stops all of it in order."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import uuid4

import structlog

from ringoff.dispatch.callbacks import CallbackTaker
from ringoff.dispatch.campaign_clock import CampaignClock
from ringoff.dispatch.dialer import Dialer
from ringoff.dispatch.dispatcher import Dispatcher
from ringoff.dispatch.eraser import Eraser, ErasureWork
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.rescuer import Rescuer
from ringoff.dispatch.retainer import Retainer, RetentionWork
from ringoff.dispatch.second_permits import SecondPermits
from ringoff.dispatch.settler import DatabaseTime, Settler
from ringoff.dispatch.sweeper import Sweeper
from ringoff.dispatch.tally_folder import TallyFolder
from ringoff.dispatch.verifier import Verification, Verifier
from ringoff.domain.errors import DatabaseUnavailable
from ringoff.domain.identifiers import OwnerId
from ringoff.driver_port import CallDriver
from ringoff.observer_port import NOBODY, Observer
from ringoff.ports import Clock, Gate, Store, Wakeup, open_gate

log = structlog.get_logger()

_RESTARTS_MAX = 10
_RESTARTS_WITHIN_S = 60.0
_TROUBLED_S = 10.0


class LoopGaveUp(Exception):
    """A loop failed again and again; the process should end and be started anew."""


class Supervisor:
    """``run`` until ``stop``: first no new permits, then the live attempts drain, then the loops end."""

    def __init__(
        self,
        *,
        store: Store,
        driver: CallDriver,
        clock: Clock,
        limits: DispatchLimits | None = None,
        gate: Gate = open_gate,
        now_override: datetime | None = None,
        verification: Verification | None = None,
        erasing: ErasureWork | None = None,
        retention: RetentionWork | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self._limits = limits or DispatchLimits()
        self._store = store
        self._driver = driver
        self._clock = clock
        self._observer = observer
        self._stop = asyncio.Event()
        self._failed_at: dict[str, float] = {}
        self.owner_id = OwnerId(uuid4())
        database_time = DatabaseTime(clock)
        self.settler = Settler(
            store=store,
            driver=driver,
            clock=clock,
            database_time=database_time,
            limits=self._limits,
            owner_id=self.owner_id,
            gate=gate,
            observer=observer,
        )
        self.dialer = Dialer(
            store=store,
            driver=driver,
            clock=clock,
            database_time=database_time,
            limits=self._limits,
            owner_id=self.owner_id,
            settler=self.settler,
            gate=gate,
            now_override=now_override,
            observer=observer,
        )
        self.dispatcher = self._make_dispatcher(database_time, gate, now_override)
        self.second_permits = self._make_second_permits(database_time, gate)
        self.rescuer = self._make_rescuer(gate)
        self.callbacks = CallbackTaker(
            store=store, driver=driver, clock=clock, limits=self._limits, owner_id=self.owner_id
        )
        self.sweeper = Sweeper(store=store, clock=clock, limits=self._limits, gate=gate, observer=observer)
        self.tally_folder = TallyFolder(store=store, clock=clock, limits=self._limits)
        self.campaign_clock = CampaignClock(store=store, clock=clock, limits=self._limits, now_override=now_override)
        self.verifier = self._make_verifier(verification)
        self.eraser = None if erasing is None else Eraser(clock=clock, limits=self._limits, work=erasing)
        self.retainer = None if retention is None else Retainer(clock=clock, limits=self._limits, work=retention)

    def _make_verifier(self, verification: Verification | None) -> Verifier | None:
        if verification is None:
            return None
        return Verifier(
            store=self._store,
            clock=self._clock,
            limits=self._limits,
            owner_id=self.owner_id,
            verification=verification,
        )

    def _make_dispatcher(self, database_time: DatabaseTime, gate: Gate, now_override: datetime | None) -> Dispatcher:
        return Dispatcher(
            store=self._store,
            clock=self._clock,
            database_time=database_time,
            limits=self._limits,
            owner_id=self.owner_id,
            dialer=self.dialer,
            gate=gate,
            now_override=now_override,
            observer=self._observer,
        )

    def _make_rescuer(self, gate: Gate) -> Rescuer:
        return Rescuer(
            store=self._store,
            driver=self._driver,
            clock=self._clock,
            limits=self._limits,
            gate=gate,
            ours=self.settler.live,
            observer=self._observer,
        )

    def _make_second_permits(self, database_time: DatabaseTime, gate: Gate) -> SecondPermits:
        return SecondPermits(
            store=self._store,
            driver=self._driver,
            clock=self._clock,
            database_time=database_time,
            limits=self._limits,
            owner_id=self.owner_id,
            settler=self.settler,
            gate=gate,
            observer=self._observer,
        )

    def trouble(self) -> str | None:
        """A loop that has failed in the last seconds, in words; None while every loop runs."""
        now = self._clock.monotonic()
        failed = [name for name, at in self._failed_at.items() if now - at < _TROUBLED_S]
        return f"a loop has failed and was started again: {', '.join(failed)}" if failed else None

    def stop(self) -> None:
        """May be called at any time, and more than once."""
        self._stop.set()

    async def run(self) -> None:
        """Returns after ``stop``; raises ``LoopGaveUp`` when a loop cannot be kept alive."""
        await self._driver.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = [
                    tasks.create_task(self._kept("carrier", self.settler.run_carrier)),
                    tasks.create_task(self._kept("events", self.settler.run_events)),
                    tasks.create_task(self._kept("deadlines", self.settler.run_deadlines)),
                    tasks.create_task(self._kept("leases", self.settler.run_leases)),
                    tasks.create_task(self._kept("hang-ups", self.settler.run_releases)),
                    tasks.create_task(self._kept("trunk health", self.settler.trunk_health.run)),
                    tasks.create_task(self._kept("second permits", self.second_permits.run)),
                    tasks.create_task(self._kept("callbacks", self.callbacks.run)),
                    tasks.create_task(self._kept("wake-ups", self._listen)),
                    tasks.create_task(self._kept("freed channels", self._wake_on_freed_channels)),
                    tasks.create_task(self._kept("rescuer", self.rescuer.run)),
                    tasks.create_task(self._kept("sweeper", self.sweeper.run)),
                    tasks.create_task(self._kept("tally folder", self.tally_folder.run)),
                    tasks.create_task(self._kept("campaign clock", self.campaign_clock.run)),
                ]
                if self.verifier is not None:
                    loops.append(tasks.create_task(self._kept("verifier", self.verifier.run)))
                if self.eraser is not None:
                    loops.append(tasks.create_task(self._kept("eraser", self.eraser.run)))
                if self.retainer is not None:
                    loops.append(tasks.create_task(self._kept("retention", self.retainer.run)))
                dispatching = tasks.create_task(self._kept("dispatcher", self.dispatcher.run))
                await self._stop.wait()
                self.dispatcher.stop()
                await self._let_go(dispatching)
                await self._drain()
                for loop in loops:
                    loop.cancel()
        finally:
            await self._driver.stop()

    async def _let_go(self, dispatching: "asyncio.Task[None]") -> None:
        """Until no batch is between its claim and the wire; a database that confirms no commit may hold it for ever."""
        limits = self._limits
        longest_s = max(limits.drain_s, limits.originate_timeout_ms / 1_000 + limits.permit_grace_s)
        give_up_at = self._clock.monotonic() + longest_s
        while not dispatching.done() and self._clock.monotonic() < give_up_at:
            await self._clock.sleep(0.02)
        if not dispatching.done():
            log.warning("stopped with batches between claim and wire: their leases run out")
            dispatching.cancel()

    async def _drain(self) -> None:
        """Let attempts on the wire end by themselves for ``drain_s``; the rest is left to its leases."""
        give_up_at = self._clock.monotonic() + self._limits.drain_s
        while self.settler.live and self._clock.monotonic() < give_up_at:
            await self._clock.sleep(0.02)
        if self.settler.live:
            log.warning("stopped with attempts on the wire", attempts=len(self.settler.live))

    async def _kept(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """The one place that catches everything: log once, start again, and give up when it keeps failing."""
        failures: list[float] = []
        self._observer.loop_begun(name)
        while True:
            try:
                await loop()
                return
            except Exception:
                now = self._clock.monotonic()
                self._failed_at[name] = now
                failures = [at for at in failures if now - at < _RESTARTS_WITHIN_S] + [now]
                log.exception("a loop failed and is started again", loop=name)
                self._observer.loop_failed(name)
                if len(failures) > _RESTARTS_MAX:
                    raise LoopGaveUp(name) from None
                await self._clock.sleep(self._limits.backoff_s)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._store.wakeups() as bursts:
                    async for burst in bursts:
                        if Wakeup.DUE in burst:
                            self.dispatcher.wake()
                        if Wakeup.RELEASE in burst:
                            self.settler.release_wanted.set()
                        if Wakeup.CALLBACK in burst:
                            self.callbacks.callbacks_waiting.set()
            except DatabaseUnavailable as error:
                log.warning("listening waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)

    async def _wake_on_freed_channels(self) -> None:
        while True:
            await self.settler.channel_freed.wait()
            self.settler.channel_freed.clear()
            self.dispatcher.channels_freed(self.settler.take_freed_trunks())
