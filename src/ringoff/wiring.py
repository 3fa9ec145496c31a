"""The composition root: the one place that names a database, a carrier, a clock and a server together."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
import uvicorn

from ringoff.api.app import ApiLimits, create_app
from ringoff.clock import SystemClock
from ringoff.dashboard.live import Broadcaster
from ringoff.dashboard.pages import dashboard_routes
from ringoff.demo import run_demo
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import Conflict, DatabaseUnavailable, NotFound
from ringoff.observability.collector import Collector
from ringoff.observability.invariants import InvariantWatch
from ringoff.observability.metrics import Metrics
from ringoff.operations.list_verification import ListVerification
from ringoff.operations.workspaces import authenticate, create_api_key, create_workspace, ensure_first_rows
from ringoff.ports import Clock
from ringoff.settings import Settings
from ringoff.store.migrate import apply_migrations
from ringoff.store.postgres import PostgresStore, connect_once
from ringoff.telephony.kinds import DriverKind, installed_kinds, read_no_config
from ringoff.telephony.simulated import SimulatedCarrier
from ringoff.telephony.switchboard import Switchboard
from ringoff.webhooks.deliverer import Deliverer
from ringoff.webhooks.lane import WebhookLimits
from ringoff.webhooks.sender import Sender

if TYPE_CHECKING:
    from ringoff.store.embedded import EmbeddedPostgres

log = structlog.get_logger()

_WATCH_S = 0.25
_BEGIN_AGAIN_S = 1.0
_FINISH_RESPONSES_S = 1
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A migrated store, and the PostgreSQL under it if it is our own."""

    store: PostgresStore
    postgres: "EmbeddedPostgres | None"


async def run_up(settings: Settings, *, demo: bool, say: Say) -> None:
    """Everything in one process, until a signal. ``say`` gets the lines that scripts wait for."""
    clock = SystemClock()
    with _bound_socket(settings.host, settings.port) as listening:
        async with opened_store(settings) as opened:
            key = await ensure_first_rows(opened.store, settings.bootstrap_api_key)
            if key is not None and settings.bootstrap_api_key is None:
                # At once: if anything fails from here on, nobody could learn it any more.
                say(f"ringoff api_key={key}")
            await _warn_of_another_key(opened.store, settings)
            metrics = Metrics()
            live = Broadcaster(clock)
            server = _Server(_server_config(settings, opened.store, clock, metrics, live))
            supervisor = _supervisor(settings, opened.store, clock)
            with _stop_signals() as stopping:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_serve(server, listening, stopping))
                    tasks.create_task(_dial(supervisor, stopping))
                    tasks.create_task(until_stopped(partial(_deliver, settings, opened.store, clock), stopping, clock))
                    tasks.create_task(until_stopped(live.run, stopping, clock))
                    if opened.postgres is not None:
                        tasks.create_task(_keep_running(opened.postgres, stopping))
                    if settings.invariants_every_s:
                        every_s = settings.invariants_every_s
                        watch = InvariantWatch(store=opened.store, clock=clock, metrics=metrics, every_s=every_s)
                        tasks.create_task(until_stopped(watch.run, stopping, clock))
                    await server.accepting.wait()
                    tasks.create_task(until_stopped(_collector(supervisor, clock).run, stopping, clock))
                    url = _url(listening)
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
    async with opened_store(settings) as opened:
        supervisor = _supervisor(settings, opened.store, clock)
        with _stop_signals() as stopping:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_dial(supervisor, stopping))
                tasks.create_task(until_stopped(partial(_deliver, settings, opened.store, clock), stopping, clock))
                if opened.postgres is not None:
                    tasks.create_task(_keep_running(opened.postgres, stopping))
                tasks.create_task(until_stopped(_collector(supervisor, clock).run, stopping, clock))
                say("ringoff dispatch ready")
                await stopping.wait()
                supervisor.stop()


async def _deliver(settings: Settings, store: PostgresStore, clock: Clock) -> None:
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
        await Deliverer(store=store, clock=clock, sender=sender, limits=limits).run()


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


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[OpenedStore]:
    """The database that the settings name, started if it is ours, migrated and connected."""
    async with running_database(settings) as (dsn, postgres):
        connection = await connect_once(dsn)
        try:
            for file_name in await apply_migrations(connection):
                log.info("migration applied", migration=file_name)
        finally:
            await connection.close()
        store = await PostgresStore.connect(
            dsn,
            pool_max=settings.pool_max,
            order_pool_max=settings.order_pool_max,
            dispatch_pool_max=settings.dispatch_pool_max,
            originate_timeout_ms=settings.originate_timeout_ms,
            statement_timeout_ms=settings.statement_timeout_ms,
        )
        try:
            yield OpenedStore(store, postgres)
        finally:
            await store.close()


@asynccontextmanager
async def running_database(settings: Settings) -> "AsyncIterator[tuple[str, EmbeddedPostgres | None]]":
    """The DSN of a PostgreSQL: the one in the settings, or ours."""
    if settings.database_url is not None:
        yield settings.database_url, None
        return
    # Only here, so that the embedded server's needs (file locks, its wheel) are nobody else's.
    from ringoff.store.embedded import EmbeddedPostgres

    postgres = EmbeddedPostgres(settings.data_dir)
    try:
        yield await postgres.start(), postgres
    finally:
        await postgres.stop()


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


def _supervisor(settings: Settings, store: PostgresStore, clock: SystemClock) -> Supervisor:
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
    )


def _collector(supervisor: Supervisor, clock: Clock) -> Collector:
    return Collector(clock, is_idle=lambda: not supervisor.settler.live)


def _server_config(
    settings: Settings, store: PostgresStore, clock: SystemClock, metrics: Metrics, live: Broadcaster
) -> uvicorn.Config:
    drivers = {name: kind.read_config for name, kind in driver_kinds(settings).items()}
    limits = ApiLimits(
        json_bytes_max=settings.json_bytes_max,
        csv_bytes_max=settings.csv_bytes_max,
        webhook_allow_private=settings.webhook_allow_private,
    )
    return uvicorn.Config(
        create_app(
            store=store,
            clock=clock,
            limits=limits,
            drivers=drivers,
            metrics=metrics,
            pages=lambda services: dashboard_routes(services, live),
        ),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,  # the application writes its own, with the request's id
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_FINISH_RESPONSES_S,
    )


class _Server(uvicorn.Server):
    """Tells when it accepts requests, and leaves signals to us."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()


async def _serve(server: _Server, listening: socket.socket, stopping: asyncio.Event) -> None:
    try:
        await server.serve(sockets=[listening])
    finally:
        stopping.set()


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


@contextmanager
def _bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Bound before anything is started, so that a taken port is the first thing that is said."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise Conflict(f"cannot listen on {host} port {port}: {error.strerror or error}", field="port") from error
    with listening:
        yield listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    # The address of "all interfaces" is none that can be called.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
