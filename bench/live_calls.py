"""Ten thousand calls up at once in one dispatcher process: its memory, its processor time, how long its loop stands."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit

import psutil

from bench.dispatch_processes import RunningDispatcher, bare_database, connected, running_dispatchers
from bench.figures import Samples, Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import Connection, UnexpectedAnswer
from bench.sizes import Run

MEMORY_MAX_MIB = 300
_MIB = 1 << 20
_SPEED = "0.25"
"""Of the simulated carrier: a conversation has a median of three minutes, so that calls end while others begin."""
_CPS = 1_000.0
_FILL_S = 120.0
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Held:
    """While the calls are up."""

    rss_mib: float
    live_count: int
    begun_per_s: float
    words: str
    stood: Samples
    """Round trips of a request to the process that is answered at once."""


async def measure(run: Run, say: Say) -> list[Verdict]:
    """The trunk has as many channels as calls are wanted; each that ends is followed by the next."""
    count, data_dir = run.sizes.live_calls, run.work_dir / "live-calls"
    async with bare_database(data_dir) as postgres, connected(postgres) as database:
        postmaster_pid = postgres.postmaster_pid
        assert postmaster_pid is not None, "it runs as long as we hold it"
        tenant = await first_tenant(database)
        await database.execute("UPDATE trunk SET cps_max = $1, channels_max = $2", _CPS, count)
        campaign_id = await add_campaign(database, tenant, "held", "draft")
        await add_pending_calls(database, tenant, campaign_id, count * 3, due_in=-timedelta(minutes=1))
        await settle_down(database)
        with running_dispatchers(data_dir, 1, None, simulated_speed=_SPEED) as [dispatcher]:
            await asyncio.sleep(run.sizes.warm_up_s)
            empty_mib = _rss_mib(dispatcher)
            await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", campaign_id)
            await database.execute("SELECT pg_notify('ringoff_due', '')")
            filled_s = await _until_live(database, count)
            held = await _hold(dispatcher, postmaster_pid, database, run.sizes.live_calls_window_s)
    say(f"{count:,} calls were up after {filled_s:.0f} s; resident {empty_mib:.0f} MiB before the first,")
    say(f"  {held.rss_mib:.0f} MiB with them: {(held.rss_mib - empty_mib) * 1024 / held.live_count:.1f} KiB a call")
    say(f"{held.live_count:,} up, {held.begun_per_s:.0f} begun a second; {held.words}")
    say(f"a request to the process is answered after {held.stood}: the longest is how long its loop has stood")
    return [
        Verdict(
            f"{count:,} live calls in one dispatcher: under {MEMORY_MAX_MIB} MiB resident",
            f"{held.rss_mib:.0f} MiB with {held.live_count:,} up ({empty_mib:.0f} MiB before the first)",
            held.rss_mib < MEMORY_MAX_MIB and held.live_count >= count * 0.95,
        )
    ]


async def _live(database: Connection) -> int:
    live_count: int = await database.fetchval("SELECT count(*) FROM call WHERE status = 'ongoing'")
    return live_count


async def _until_live(database: Connection, count: int) -> float:
    began = time.perf_counter()
    # The last few come and go.
    while await _live(database) < count * 0.99:
        if time.perf_counter() - began > _FILL_S:
            raise UnexpectedAnswer(f"only {await _live(database):,} calls are up after {_FILL_S:.0f} s")
        await asyncio.sleep(0.25)
    return time.perf_counter() - began


async def _hold(dispatcher: RunningDispatcher, postmaster_pid: int, database: Connection, seconds: float) -> Held:
    dialled, began = dispatcher.dialled, time.perf_counter()
    before = ProcessorUse.read(dispatcher.process.pid, postmaster_pid)
    took_s = await asyncio.to_thread(_ask, dispatcher.metrics_url, seconds)
    used = ProcessorUse.read(dispatcher.process.pid, postmaster_pid) - before
    seconds = time.perf_counter() - began
    live_count = await _live(database)
    return Held(
        rss_mib=_rss_mib(dispatcher),
        live_count=live_count,
        begun_per_s=(dispatcher.dialled - dialled) / seconds,
        words=used.words(seconds, live_count * seconds, "live call and second"),
        stood=Samples.of_seconds(took_s),
    )


def _ask(url: str, seconds: float) -> list[float]:
    """A path that does not exist: nothing is computed for it."""
    took_s, give_up_at = [], time.perf_counter() + seconds
    http = HTTPConnection(urlsplit(url).netloc, timeout=30)
    while (began := time.perf_counter()) < give_up_at:
        http.request("GET", "/nothing")
        http.getresponse().read()
        took_s.append(time.perf_counter() - began)
        time.sleep(_LOOK_EVERY_S)
    http.close()
    return took_s


def _rss_mib(dispatcher: RunningDispatcher) -> float:
    return float(psutil.Process(dispatcher.process.pid).memory_info().rss) / _MIB
