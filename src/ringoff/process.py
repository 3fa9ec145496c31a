"""One process of any role: its signals, its readiness, its port for monitoring, and what it says to those who wait."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from ringoff.clock import SystemClock
from ringoff.database import OpenedStore, Patience, StoppedWaiting, opened_store
from ringoff.domain.errors import DatabaseUnavailable
from ringoff.listening import serve_until_stopped, url_of
from ringoff.ports import Clock
from ringoff.readiness import Readiness
from ringoff.settings import Settings
from ringoff.systemd import Systemd
from ringoff.watching import Lookout, Watch, metrics_socket, watched

if TYPE_CHECKING:
    from ringoff.store.embedded import EmbeddedPostgres

log = structlog.get_logger()

_WATCH_S: Final = 0.25
_BEGIN_AGAIN_S: Final = 1.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Process:
    """What the parts of a process share."""

    settings: Settings
    clock: SystemClock
    watch: Watch
    readiness: Readiness
    stopping: asyncio.Event
    """Set by the first signal, or by a part that cannot go on."""
    say: Say
    systemd: Systemd
    lookout: Lookout

    def ready(self, line: str) -> None:
        """``line`` is what scripts wait for."""
        self.readiness.freed("start")
        self.say(line)
        self.systemd.tell("READY=1")

    @asynccontextmanager
    async def opened_store(self, *, contracts_its_own: bool = False) -> AsyncIterator[OpenedStore]:
        """The store of this process, waited for; its own PostgreSQL is kept running until the end of the context."""
        patience = Patience(self.clock, self.stopping, self.settings.start_wait_s)
        async with opened_store(self.settings, contracts_its_own=contracts_its_own, patience=patience) as opened:
            self.lookout.opened(opened.store)
            if self.settings.database_url is not None:
                # The embedded one is on this machine, and has its time.
                self.clock.follow(opened.store.now)
            yield opened


@asynccontextmanager
async def running_process(settings: Settings, say: Say) -> AsyncIterator[Process]:
    """Alive and not ready at first. Its port for monitoring answers from here to the end of the drain."""
    clock, readiness, systemd = SystemClock(), Readiness(), Systemd(os.environ)
    readiness.blocked("start", "this process is starting")

    def begin_to_stop() -> None:
        readiness.blocked("stop", "this process is stopping")
        systemd.tell("STOPPING=1")

    with metrics_socket(settings) as aside, _stop_signals(begin_to_stop) as stopping:
        async with watched(settings, clock) as watch, asyncio.TaskGroup() as beside:
            lookout = Lookout(watch, clock, readiness)
            ended = asyncio.Event()
            alive = beside.create_task(systemd.watchdog(clock))
            if aside is not None:
                beside.create_task(serve_until_stopped(lookout, aside, ended))
                say(f"ringoff metrics url={url_of(aside)}/metrics")
            try:
                yield Process(settings, clock, watch, readiness, stopping, say, systemd, lookout)
            except StoppedWaiting:
                log.info("stopped before the database could be reached")
            finally:
                alive.cancel()
                ended.set()


async def until_stopped(work: Callable[[], Awaitable[None]], stopping: asyncio.Event, clock: Clock) -> None:
    """Something that runs beside: it ends with the process; a failure is a line in the log, and it begins again."""
    task = asyncio.ensure_future(_kept_up(work, clock))
    await stopping.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_done(work: Callable[[], Awaitable[None]], stopping: asyncio.Event, clock: Clock) -> None:
    """The same for something that ends by itself when the process stops, in its own time."""
    while not stopping.is_set():
        try:
            await work()
        except Exception:
            log.exception("a part of this process has failed, and begins again")
            await clock.sleep(_BEGIN_AGAIN_S)


async def keep_running(postgres: "EmbeddedPostgres", stopping: asyncio.Event) -> None:
    """Start the embedded PostgreSQL again whenever it died. Ends by the event, never in the middle of a start."""
    while not stopping.is_set():
        try:
            if await postgres.ensure_running():
                log.warning("the embedded PostgreSQL had died and was started again")
        except DatabaseUnavailable as error:
            log.error("the embedded PostgreSQL cannot be started", reason=error.message)
        with suppress(TimeoutError):
            async with asyncio.timeout(_WATCH_S):
                await stopping.wait()


async def _kept_up(work: Callable[[], Awaitable[None]], clock: Clock) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("something that runs beside the server has failed, and begins again")
        await clock.sleep(_BEGIN_AGAIN_S)


@contextmanager
def _stop_signals(begin: Callable[[], None]) -> Iterator[asyncio.Event]:
    """An event for the first SIGINT or SIGTERM; the second one cuts the drain short."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    task = asyncio.current_task()
    heard: list[int] = []

    def stop(number: int) -> None:
        heard.append(number)
        if len(heard) > 1 and task is not None:
            task.cancel()
        begin()
        stopping.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopping
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
