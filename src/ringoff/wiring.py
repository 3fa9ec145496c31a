"""The composition root: the one place that names a database, a carrier, a clock and a server together."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette

from ringoff.api.app import ApiLimits, create_app
from ringoff.clock import SystemClock
from ringoff.dashboard.live import Broadcaster
from ringoff.dashboard.pages import dashboard_routes
from ringoff.database import OpenedStore, opened_store
from ringoff.demo import run_demo
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import DatabaseUnavailable, NotFound
from ringoff.listening import Server, bound_socket, serve, url_of
from ringoff.observability.collector import Collector
from ringoff.observability.invariants import InvariantWatch
from ringoff.operations.list_verification import ListVerification
from ringoff.operations.workspaces import authenticate, create_api_key, create_workspace, ensure_first_rows
from ringoff.ports import Clock
from ringoff.settings import Settings
from ringoff.store.postgres import PostgresStore
from ringoff.telephony.kinds import DriverKind, installed_kinds, read_no_config
from ringoff.telephony.simulated import SimulatedCarrier
from ringoff.telephony.switchboard import Switchboard
from ringoff.watching import Watch, metrics_socket, show, watched
from ringoff.webhooks.deliverer import Deliverer
from ringoff.webhooks.lane import WebhookLimits
from ringoff.webhooks.sender import Sender

if TYPE_CHECKING:
    from ringoff.store.embedded import EmbeddedPostgres

log = structlog.get_logger()

_WATCH_S = 0.25
_BEGIN_AGAIN_S = 1.0
Say = Callable[[str], None]


async def run_up(settings: Settings, *, demo: bool, say: Say) -> None:
    """Everything in one process, until a signal. ``say`` gets the lines that scripts wait for."""
    clock = SystemClock()
    with bound_socket(settings.host, settings.port) as listening, metrics_socket(settings) as aside:
        async with watched(settings, clock) as watch, opened_store(settings, contracts_its_own=True) as opened:
            key = await ensure_first_rows(opened.store, settings.bootstrap_api_key)
            if key is not None and settings.bootstrap_api_key is None:
                # At once: if anything fails from here on, nobody could learn it any more.
                say(f"ringoff api_key={key}")
            await _warn_of_another_key(opened.store, settings)
            live = Broadcaster(clock)
            server = Server(_app(settings, opened.store, clock, watch, live))
            supervisor = _supervisor(settings, opened.store, clock, watch)
            with _stop_signals() as stopping:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(serve(server, listening, stopping))
                    tasks.create_task(_dial(supervisor, stopping))
                    deliver = partial(_deliver, settings, opened.store, clock, watch)
                    tasks.create_task(until_stopped(deliver, stopping, clock))
                    tasks.create_task(until_stopped(live.run, stopping, clock))
                    if aside is not None:
                        tasks.create_task(show(watch, opened.store, clock, aside, stopping))
                        say(f"ringoff metrics url={url_of(aside)}/metrics")
                    if opened.postgres is not None:
                        tasks.create_task(_keep_running(opened.postgres, stopping))
                    if settings.invariants_every_s:
                        every_s = settings.invariants_every_s
                        rules = InvariantWatch(store=opened.store, clock=clock, metrics=watch.metrics, every_s=every_s)
                        tasks.create_task(until_stopped(rules.run, stopping, clock))
                    await server.accepting.wait()
                    tasks.create_task(until_stopped(_collector(supervisor, clock).run, stopping, clock))
                    url = url_of(listening)
                    say(f"ringoff ready url={url}")
                    if demo:
                        demo_key = key or (await create_api_key(opened.store, None, "Demo"))[1]
                        tasks.create_task(run_demo(url, demo_key, clock, stopping))
                    await stopping.wait()
                    server.should_exit = True
                    supervisor.stop()


async def _warn_of_another_key(store: PostgresStore, settings: Settings) -> None:
    given = settings.bootstrap_api_key
    if given is not None and await authenticate(store, given) is None:
        log.warning("RINGOFF_BOOTSTRAP_API_KEY opens nothing here: it makes the first key of an empty database only")


async def run_dispatch(settings: Settings, *, say: Say) -> None:
    """The dialling loops, and what delivers events, until a signal."""
    clock = SystemClock()
    with metrics_socket(settings) as aside:
        async with watched(settings, clock) as watch, opened_store(settings) as opened:
            await _dispatch(settings, opened, clock, watch, aside, say)


async def _dispatch(
    settings: Settings, opened: OpenedStore, clock: SystemClock, watch: Watch, aside: socket.socket | None, say: Say
) -> None:
    supervisor = _supervisor(settings, opened.store, clock, watch)
    with _stop_signals() as stopping:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_dial(supervisor, stopping))
            deliver = partial(_deliver, settings, opened.store, clock, watch)
            tasks.create_task(until_stopped(deliver, stopping, clock))
            if aside is not None:
                tasks.create_task(show(watch, opened.store, clock, aside, stopping))
                say(f"ringoff metrics url={url_of(aside)}/metrics")
            if opened.postgres is not None:
                tasks.create_task(_keep_running(opened.postgres, stopping))
            tasks.create_task(until_stopped(_collector(supervisor, clock).run, stopping, clock))
            say("ringoff dispatch ready")
            await stopping.wait()
            supervisor.stop()


async def _deliver(settings: Settings, store: PostgresStore, clock: Clock, watch: Watch) -> None:
    limits = WebhookLimits(
        timeout_s=settings.webhook_timeout_s,
        backoff_s=settings.webhook_backoff_s,
        in_flight_max=settings.webhook_in_flight_max,
        failures_max=settings.webhook_failures_max,
        failing_s=settings.webhook_failing_s,
    )
    async with Sender(
        clock, timeout_s=limits.timeout_s, allow_private=settings.webhook_allow_private, connections_max=0
    ) as sender:
        await Deliverer(store=store, clock=clock, sender=sender, limits=limits, observer=watch.observer).run()


async def create_key(settings: Settings, workspace: str | None, name: str) -> str:
    """A new key's text. A workspace that does not exist is made; without one, it is the first."""
    async with opened_store(settings) as opened:
        first = await ensure_first_rows(opened.store, settings.bootstrap_api_key)
        if first is not None and workspace is None:
            return first
        try:
            return (await create_api_key(opened.store, workspace, name))[1]
        except NotFound:
            if workspace is None:
                raise
            await create_workspace(opened.store, workspace)
            return (await create_api_key(opened.store, workspace, name))[1]


def simulated_carrier(settings: Settings, clock: Clock) -> SimulatedCarrier:
    return SimulatedCarrier(
        clock,
        seed=settings.simulated_seed,
        speed=settings.simulated_speed,
        mix=settings.simulated_mix,
        wire_log_path=settings.simulated_wire_log,
    )


def driver_kinds(settings: Settings) -> dict[str, DriverKind]:
    """Every carrier that a trunk of this installation may name; other packages' never stand for our own."""
    simulated = DriverKind(read_no_config, lambda clock: simulated_carrier(settings, clock))
    return installed_kinds() | {"simulated": simulated}


def _switchboard(settings: Settings, clock: Clock) -> Switchboard:
    kinds = driver_kinds(settings)
    return Switchboard(clock, {name: partial(kind.make, clock) for name, kind in kinds.items()})


def _supervisor(settings: Settings, store: PostgresStore, clock: SystemClock, watch: Watch) -> Supervisor:
    limits = DispatchLimits(
        batch_max=settings.batch_max,
        lease_s=settings.lease_s,
        permit_ttl_ms=settings.permit_ttl_ms,
        slot_ttl_ms=settings.slot_ttl_ms,
        originate_timeout_ms=settings.originate_timeout_ms,
        poll_s=settings.poll_s,
        drain_s=settings.drain_s,
        silence_timeout_s=settings.silence_timeout_s,
        ring_timeout_s=settings.ring_timeout_s,
        sweep_batch_max=settings.sweep_batch_max,
        outbox_keep_h=settings.outbox_keep_h,
    )
    return Supervisor(
        store=store,
        driver=_switchboard(settings, clock),
        clock=clock,
        limits=limits,
        verification=ListVerification(store),
        observer=watch.observer,
    )


def _collector(supervisor: Supervisor, clock: Clock) -> Collector:
    return Collector(clock, is_idle=lambda: not supervisor.settler.live)


def _app(settings: Settings, store: PostgresStore, clock: SystemClock, watch: Watch, live: Broadcaster) -> Starlette:
    drivers = {name: kind.read_config for name, kind in driver_kinds(settings).items()}
    limits = ApiLimits(
        json_bytes_max=settings.json_bytes_max,
        csv_bytes_max=settings.csv_bytes_max,
        webhook_allow_private=settings.webhook_allow_private,
    )
    return create_app(
        store=store,
        clock=clock,
        limits=limits,
        drivers=drivers,
        metrics=watch.metrics,
        observer=watch.observer,
        shows_metrics=settings.metrics_port is None,
        pages=lambda services: dashboard_routes(services, live),
    )


async def _dial(supervisor: Supervisor, stopping: asyncio.Event) -> None:
    try:
        await supervisor.run()
    finally:
        stopping.set()


async def until_stopped(work: Callable[[], Awaitable[None]], stopping: asyncio.Event, clock: Clock) -> None:
    """Something that runs beside: it ends with the process; a failure is a line in the log, and it begins again."""
    task = asyncio.ensure_future(_kept_up(work, clock))
    await stopping.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _kept_up(work: Callable[[], Awaitable[None]], clock: Clock) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("something that runs beside the server has failed, and begins again")
        await clock.sleep(_BEGIN_AGAIN_S)


async def _keep_running(postgres: "EmbeddedPostgres", stopping: asyncio.Event) -> None:
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


@contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """An event for the first SIGINT or SIGTERM; the second one cuts the drain short."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    task = asyncio.current_task()

    def stop() -> None:
        if stopping.is_set() and task is not None:
            task.cancel()
        stopping.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield stopping
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
