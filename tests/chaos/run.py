"""One run: real processes, clients and crashes for a while, then quiet until all has ended, then the evidence."""

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from ringoff.clock import SystemClock
from tests.acceptance.client import Client
from tests.chaos.clients import Clients
from tests.chaos.crashes import LEASE_S, Crasher
from tests.chaos.drain import drain
from tests.chaos.dump import dump
from tests.chaos.evidence import DUMP, JOURNAL, WIRE
from tests.chaos.journal import Journal
from tests.chaos.line import Address
from tests.chaos.plan import Profile
from tests.chaos.targets import Targets
from tests.support.processes import ServerProcess

SETTINGS: Mapping[str, str] = {
    "lease_s": f"{LEASE_S:g}",
    "simulated_mix": "answered=50,busy=35,no_answer=8,network_failure=4,invalid_number=2,silent=0.3",
    "simulated_speed": "400",
    "silence_timeout_s": "5",
    "log_level": "warning",
}
_PROGRESS_S = 5.0
_CHANNELS = 100_000
_LONGER_AT_MOST = 4

_clock = SystemClock()
Say = Callable[[str], None]


def run_chaos(
    profile: Profile,
    directory: Path,
    *,
    program: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    say: Say = print,
) -> None:
    """Leave the evidence of one run in ``directory``; judging it is the checker's."""
    choice: dict[str, Any] = {} if program is None else {"program": program}
    settings = {"simulated_seed": str(profile.seed), **SETTINGS, **profile.settings}
    with (
        Journal(directory / JOURNAL) as journal,
        ServerProcess(environment=environment, shows_logs=False, **choice, **settings) as server,
    ):
        try:
            _disturb(profile, server, journal, say)
            drain(server, journal)
            say(f"quiet    {_progress(server, journal)}")
            asyncio.run(dump(server.dsn, directory / DUMP))
        finally:
            _keep(server, directory)


def _disturb(profile: Profile, server: ServerProcess, journal: Journal, say: Say) -> None:
    """Clients and crashes at the same time, for the time of the run."""
    client = Client(server)
    client.set_pace(cps_max=profile.cps_max, channels_max=_CHANNELS)
    agent_ids = [client.agent_id, *(client.another_agent() for _ in range(profile.agents - 1))]
    over, address = Event(), Address(server.url)
    targets = Targets(agent_ids, profile.campaigns_spared)
    clients = Clients(profile, journal, targets, address, server.key, over)
    crasher = Crasher(profile, server, address, journal, over)
    clients.begin()
    loops = [*clients.loops(), crasher.run]
    with ThreadPoolExecutor(len(loops)) as threads:
        running = [threads.submit(loop) for loop in loops]
        try:
            _watch(profile, server, journal, running, say)
        finally:
            over.set()
    for loop in running:
        loop.result()
    crasher.see_all_alive()


def _watch(
    profile: Profile, server: ServerProcess, journal: Journal, running: Sequence[Future[None]], say: Say
) -> None:
    """Until the time is over and enough orders were answered, or a thread has failed."""
    began = _clock.monotonic()
    said_at, never = began, Event()
    while not any(loop.done() and loop.exception() for loop in running):
        now = _clock.monotonic() - began
        if now >= profile.seconds and (_is_enough(profile, journal) or now >= _LONGER_AT_MOST * profile.seconds):
            return
        if _clock.monotonic() - said_at >= _PROGRESS_S:
            said_at = _clock.monotonic()
            say(f"{now:5.0f} s  {_progress(server, journal)}")
        never.wait(0.1)


def _is_enough(profile: Profile, journal: Journal) -> bool:
    carried_out, found_nothing = journal.counts["order 200"], journal.counts["order 400"]
    return carried_out >= profile.carried_out_min and carried_out + found_nothing >= profile.answered_min


def _progress(server: ServerProcess, journal: Journal) -> str:
    counts = journal.counts
    return (
        f"{counts['order 200']:6} orders carried out, {counts['order 400']:5} found nothing,"
        f" {counts['order None']:4} unknown, {counts['registration 200']:6} registrations,"
        f" {server.wire_count():7} dials, {counts['crash']:3} crashes, {counts['trouble']} troubles"
    )


def _keep(server: ServerProcess, directory: Path) -> None:
    if server.wire_log_path.exists():
        shutil.copyfile(server.wire_log_path, directory / WIRE)
    for log_path in server.root.glob("*.log"):
        shutil.copyfile(log_path, directory / log_path.name)
