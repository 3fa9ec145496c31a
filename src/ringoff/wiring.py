"""The composition root: the one place that names a database, a carrier, a clock and a server together."""

import asyncio
from functools import partial

import structlog

from ringoff.api.app import ApiLimits, create_app
from ringoff.dashboard.live import Broadcaster
from ringoff.dashboard.pages import dashboard_routes
from ringoff.database import OpenedStore, opened_store
from ringoff.demo import run_demo
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.errors import NotFound
from ringoff.listening import Server, bound_socket, serve, url_of
from ringoff.observability.collector import Collector
from ringoff.observability.invariants import InvariantWatch
from ringoff.operations.erasures import Erasing
from ringoff.operations.list_verification import ListVerification
from ringoff.operations.retention import Retention
from ringoff.operations.workspaces import authenticate, create_api_key, create_workspace, ensure_first_rows
from ringoff.ports import Clock
from ringoff.process import Process, Say, keep_running, running_process, until_done, until_stopped
from ringoff.settings import Settings
from ringoff.store.postgres import PostgresStore
from ringoff.telephony.kinds import DriverKind, installed_kinds, read_no_config
from ringoff.telephony.simulated import SimulatedCarrier
from ringoff.telephony.switchboard import Switchboard
from ringoff.webhooks.deliverer import Deliverer
from ringoff.webhooks.lane import WebhookLimits
from ringoff.webhooks.sender import Sender

log = structlog.get_logger()


async def run_up(settings: Settings, *, demo: bool, say: Say) -> None:
    """Everything in one process, until a signal. ``say`` gets the lines that scripts wait for."""
    with bound_socket(settings.host, settings.port) as listening:
        async with running_process(settings, say) as process, process.opened_store(contracts_its_own=True) as opened:
            key = await _first_key(process, opened.store)
            live = Broadcaster(process.clock)
            server = _server(process, opened.store, live)
            supervisor = _supervisor(process, opened.store)
            async with asyncio.TaskGroup() as tasks:
                _serve_beside(tasks, process, opened, live)
                tasks.create_task(serve(server, listening, process.stopping))
                tasks.create_task(_dial(supervisor, process.stopping))
                tasks.create_task(_deliver(process, opened.store))
                await server.accepting.wait()
                _collect_beside(tasks, process, supervisor)
                url = url_of(listening)
                process.ready(f"ringoff ready url={url}")
                if demo:
                    demo_key = key or (await create_api_key(opened.store, None, "Demo"))[1]
                    tasks.create_task(run_demo(url, demo_key, process.clock, process.stopping))
                await process.stopping.wait()
                server.should_exit = True
                live.close()
                supervisor.stop()


async def run_serve(settings: Settings, *, say: Say) -> None:
    """The API and the dashboard, until a signal and ``drain_notice_s``; requests in flight end within ``drain_s``."""
    with bound_socket(settings.host, settings.port) as listening:
        async with running_process(settings, say) as process, process.opened_store() as opened:
            await _first_key(process, opened.store)
            live = Broadcaster(process.clock)
            server = _server(process, opened.store, live)
            async with asyncio.TaskGroup() as tasks:
                _serve_beside(tasks, process, opened, live)
                tasks.create_task(serve(server, listening, process.stopping))
                await server.accepting.wait()
                process.ready(f"ringoff serve ready url={url_of(listening)}")
                await process.stopping.wait()
                # Not ready, and still there: whoever sends requests here must be able to see that before it is refused.
                await asyncio.sleep(settings.drain_notice_s)
                server.should_exit = True
                live.close()


async def run_dispatch(settings: Settings, *, say: Say) -> None:
    """The dialling loops, until a signal; calls that are up then have ``drain_s``."""
    async with running_process(settings, say) as process, process.opened_store() as opened:
        supervisor = _supervisor(process, opened.store)
        async with asyncio.TaskGroup() as tasks:
            _keep_database_beside(tasks, process, opened)
            tasks.create_task(_dial(supervisor, process.stopping))
            _collect_beside(tasks, process, supervisor)
            process.ready("ringoff dispatch ready")
            await process.stopping.wait()
            supervisor.stop()


async def run_deliver(settings: Settings, *, say: Say) -> None:
    """What delivers events, until a signal; what is on its way then has ``drain_s``, and the rest is given back."""
    async with (
        running_process(settings, say) as process,
        process.opened_store() as opened,
        asyncio.TaskGroup() as tasks,
    ):
        _keep_database_beside(tasks, process, opened)
        tasks.create_task(_deliver(process, opened.store))
        process.ready("ringoff deliver ready")
        await process.stopping.wait()


async def _first_key(process: Process, store: PostgresStore) -> str | None:
    """Made in an empty database, and said at once: if anything fails from here on, nobody could learn it any more."""
    given = process.settings.bootstrap_api_key
    key = await ensure_first_rows(store, given)
    if key is not None and given is None:
        process.say(f"ringoff api_key={key}")
    if given is not None and await authenticate(store, given) is None:
        log.warning("RINGOFF_BOOTSTRAP_API_KEY opens nothing here: it makes the first key of an empty database only")
    return key


def _serve_beside(tasks: asyncio.TaskGroup, process: Process, opened: OpenedStore, live: Broadcaster) -> None:
    """What runs beside an HTTP server, whatever else its process does."""
    _keep_database_beside(tasks, process, opened)
    tasks.create_task(until_stopped(live.run, process.stopping, process.clock))
    if every_s := process.settings.invariants_every_s:
        rules = InvariantWatch(store=opened.store, clock=process.clock, metrics=process.watch.metrics, every_s=every_s)
        tasks.create_task(until_stopped(rules.run, process.stopping, process.clock))


def _keep_database_beside(tasks: asyncio.TaskGroup, process: Process, opened: OpenedStore) -> None:
    if opened.postgres is not None:
        tasks.create_task(keep_running(opened.postgres, process.stopping))


def _collect_beside(tasks: asyncio.TaskGroup, process: Process, supervisor: Supervisor) -> None:
    collector = Collector(process.clock, is_idle=lambda: not supervisor.settler.live)
    tasks.create_task(until_stopped(collector.run, process.stopping, process.clock))


async def _deliver(process: Process, store: PostgresStore) -> None:
    """Until the process stops, and then for ``drain_s`` at most."""
    settings = process.settings
    limits = WebhookLimits(
        timeout_s=settings.webhook_timeout_s,
        backoff_s=settings.webhook_backoff_s,
        in_flight_max=settings.webhook_in_flight_max,
        failures_max=settings.webhook_failures_max,
        failing_s=settings.webhook_failing_s,
        drain_s=settings.drain_s,
    )

    async def run() -> None:
        async with (
            Sender(
                process.clock,
                timeout_s=limits.timeout_s,
                allow_private=settings.webhook_allow_private,
                connections_max=0,
            ) as sender,
            asyncio.TaskGroup() as tasks,
        ):
            observer = process.watch.observer
            deliverer = Deliverer(store=store, clock=process.clock, sender=sender, limits=limits, observer=observer)
            delivering = tasks.create_task(deliverer.run())
            stop = tasks.create_task(process.stopping.wait())
            await asyncio.wait((delivering, stop), return_when=asyncio.FIRST_COMPLETED)
            deliverer.stop()
            stop.cancel()

    await until_done(run, process.stopping, process.clock)


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


def _supervisor(process: Process, store: PostgresStore) -> Supervisor:
    settings, clock = process.settings, process.clock
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
    supervisor = Supervisor(
        store=store,
        driver=_switchboard(settings, clock),
        clock=clock,
        limits=limits,
        verification=ListVerification(store),
        erasing=Erasing(store),
        retention=None if settings.retention_days is None else Retention(store, clock, settings.retention_days),
        observer=process.watch.observer,
    )
    process.readiness.also_asks(supervisor.trouble)
    return supervisor


def _server(process: Process, store: PostgresStore, live: Broadcaster) -> Server:
    settings = process.settings
    drivers = {name: kind.read_config for name, kind in driver_kinds(settings).items()}
    limits = ApiLimits(
        json_bytes_max=settings.json_bytes_max,
        csv_bytes_max=settings.csv_bytes_max,
        webhook_allow_private=settings.webhook_allow_private,
    )
    app = create_app(
        store=store,
        clock=process.clock,
        limits=limits,
        drivers=drivers,
        metrics=process.watch.metrics,
        observer=process.watch.observer,
        shows_metrics=settings.metrics_port is None,
        readiness=process.readiness,
        pages=lambda services: dashboard_routes(services, live),
    )
    return Server(app, settings.drain_s)


async def _dial(supervisor: Supervisor, stopping: asyncio.Event) -> None:
    try:
        await supervisor.run()
    finally:
        stopping.set()
