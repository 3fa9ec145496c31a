"""One run: clients and faults on many hosts for a while, then quiet until all has ended, then the evidence."""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Event

from ringoff.clock import SystemClock
from tests.acceptance.client import Client
from tests.chaos.clients import Clients
from tests.chaos.drain import drain
from tests.chaos.dump import dump
from tests.chaos.evidence import DUMP, JOURNAL, WIRE
from tests.chaos.exercise import Demand
from tests.chaos.journal import Journal
from tests.chaos.line import Address, Line
from tests.chaos.plan import Profile
from tests.chaos.targets import Targets
from tests.multihost.faults import FAULTS, Fault
from tests.multihost.installation import Installation, an_installation
from tests.multihost.rescues import sent_after_rescue
from tests.multihost.stage import LEASE_S, Stage
from tests.multihost.subscriber import Subscriber

FIGURES = "figures.jsonl"
SETTINGS: Mapping[str, str] = {
    "lease_s": f"{LEASE_S:g}",
    "simulated_mix": "answered=50,busy=35,no_answer=8,network_failure=4,invalid_number=2,silent=0.3",
    "simulated_speed": "25",
    "silence_timeout_s": "5",
    "log_level": "info",
}
_CHANNELS = 100_000
_BETWEEN_FAULTS_S = 1.5
_STEADY_FOR_S = 60.0
_STEADY_MAX = 100_000

_clock = SystemClock()
Say = Callable[[str], None]


def profile_of(seed: int, seconds: float) -> Profile:
    """Less than one dispatcher alone could do, so that what two of three lose is not for want of a processor."""
    return Profile(
        seed=seed,
        seconds=seconds,
        cps_max=90.0,
        agents=8,
        order_threads=3,
        order_pause_s=0.25,
        campaigns_spared=6,
        upload_pause_s=0.5,
        upload_numbers_max=800,
        call_pause_s=0.4,
        has_heavy_numbers=False,
    )


def demand_of(profile: Profile, faults: Iterable[str] = FAULTS) -> Demand:
    """Far below what a busy machine reaches."""
    return Demand(
        answered=int(profile.seconds),
        carried_out=int(profile.seconds / 2),
        while_dialled=int(profile.seconds / 6),
        dials=int(profile.seconds * 10),
        retries=int(profile.seconds / 2),
        crashes=dict.fromkeys(faults, 1),
    )


def run_multihost(profile: Profile, directory: Path, *, faults: Mapping[str, Fault] = FAULTS, say: Say = print) -> None:
    """Leave the evidence of one run in ``directory``; judging it is the checker's.

    Of the ``faults`` each is made once, in an order of the seed's, and then any of them until the time is over.
    Raises ``NoNetwork`` or ``NoDisks`` on a machine that allows none.
    """
    settings = {"simulated_seed": str(profile.seed), **SETTINGS}
    began = _clock.monotonic()

    def tell(line: str) -> None:
        say(f"{_clock.monotonic() - began:5.0f} s  {line}")

    with Journal(directory / JOURNAL) as journal, an_installation(directory, settings) as installation:
        try:
            client = Client(installation)
            with Subscriber(installation, client.agent_id) as subscriber:
                _disturb(profile, client, installation, journal, directory, faults, tell)
                tell("every fault was made")
                drain(installation, journal)
                tell(f"quiet: {_progress(installation, journal)}")
                for lost in subscriber.lost():
                    journal.trouble(lost)
            tell(f"{len(subscriber.event_ids)} events were delivered")
            for late in asyncio.run(sent_after_rescue(installation)):
                journal.trouble(late)
            asyncio.run(dump(installation.dsn, directory / DUMP))
        finally:
            _keep(installation, directory)


def _disturb(
    profile: Profile,
    client: Client,
    installation: Installation,
    journal: Journal,
    directory: Path,
    faults: Mapping[str, Fault],
    say: Say,
) -> None:
    """Clients and faults at the same time, until every fault was there and the time is over."""
    client.set_pace(cps_max=profile.cps_max, channels_max=_CHANNELS)
    agent_ids = [client.agent_id, *(client.another_agent() for _ in range(profile.agents - 1))]
    over, address = Event(), Address(installation.url)
    clients = Clients(profile, journal, Targets(agent_ids, profile.campaigns_spared), address, installation.key, over)
    clients.begin()
    steady = _SteadyCampaign(profile, clients, address, installation.key, client.another_agent())
    steady.begin()
    stage = Stage(installation, journal, over, say)
    loops = clients.loops()
    with ThreadPoolExecutor(len(loops)) as threads:
        running = [threads.submit(loop) for loop in loops]
        try:
            _make_faults(profile, stage, faults)
        finally:
            over.set()
            stage.keep(directory / FIGURES)
    for loop in running:
        loop.result()
    steady.end()
    _see_all_alive(stage)


class _SteadyCampaign:
    """Calls that no random order names, so that there is always something to dial: rates can be compared then."""

    def __init__(self, profile: Profile, clients: Clients, address: Address, key: str, agent_id: str) -> None:
        self._clients = clients
        self._line = Line(address, key)
        self._agent_id = agent_id
        count = min(_STEADY_MAX, round(profile.cps_max * (2 * profile.seconds + _STEADY_FOR_S)))
        self._numbers = [f"+91{9_300_000_000 + 10 * offset}" for offset in range(count)]
        self._list_id = ""

    def begin(self) -> None:
        campaign = self._clients.save(self._line, self._agent_id, self._numbers, 0)
        assert campaign is not None, "nothing was disturbed yet"
        self._list_id = campaign.list_id
        self._clients.start(self._line, campaign)

    def end(self) -> None:
        """By an order like every other: what it covers is not dialled after it."""
        answer = self._clients.order(self._line, {"campaign_id": self._list_id}, "the order that ends the run")
        assert answer is not None, "nobody listens after the run"
        self._line.close()


def _make_faults(profile: Profile, stage: Stage, faults: Mapping[str, Fault]) -> None:
    dice = Random(f"{profile.seed}/faults")
    began = _clock.monotonic()
    for name in _names(dice, list(faults)):
        if _clock.monotonic() - began >= profile.seconds and stage.journal.counts["crash"] >= len(faults):
            return
        stage.wait(_BETWEEN_FAULTS_S * (0.4 + 1.2 * dice.random()))
        _see_all_alive(stage)
        stage.wait_for_full_dialling(profile.cps_max / 2)
        stage.say(f"{name}, after {_progress(stage.installation, stage.journal)}")
        faults[name](stage, dice)
        stage.journal.crash(name)


def _names(dice: Random, faults: Sequence[str]) -> Iterator[str]:
    """Each once, in any order, and then what the dice say."""
    yield from dice.sample(faults, len(faults))
    while True:
        yield dice.choice(faults)


def _see_all_alive(stage: Stage) -> None:
    """A process that ended without being killed is trouble; it is started again, so that the run says more."""
    for role in stage.installation.roles:
        if role.process.exit_code is not None:
            stage.journal.trouble(f"{role.name} ended by itself with {role.process.exit_code}")
            role.start()


def _progress(installation: Installation, journal: Journal) -> str:
    counts = journal.counts
    return (
        f"{counts['order 200']} orders carried out, {counts['order 400']} found nothing,"
        f" {counts['order None']} unknown, {installation.wire_count()} dials, {counts['trouble']} troubles"
    )


def _keep(installation: Installation, directory: Path) -> None:
    with (directory / WIRE).open("wb") as wire:
        for role in installation.roles:
            if role.wire_log_path.exists():
                wire.write(role.wire_log_path.read_bytes())
    for node in (installation.databases.primary, installation.databases.standby):
        if node.log_path.exists():
            shutil.copyfile(node.log_path, directory / node.log_path.name)
