"""What open dashboards cost: a hundred tabs are told of the first page every second while a campaign is dialled."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bench.figures import Say, Verdict
from bench.pages import Browser
from bench.processor import ProcessorUse
from bench.rows import add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import RunningServer, UnexpectedAnswer, has_lines, running_server, wait_for
from bench.sizes import Run
from ringoff.dashboard.live import EVERY_S

SHARE_MAX = 0.10
DIALS_PER_S = 500.0
CPS_MAX = 600.0
"""Of the trunk: congested calls slow it, and what a claim did not use in time is not made up for."""
_FIRST_DIAL_S = 30.0
_ONCE_LEFT_S = 0.5


@dataclass(slots=True)
class Tab:
    """One open event stream that is read as fast as it comes."""

    event_count: int = 0
    byte_count: int = 0

    async def read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.byte_count += len(line)
            # The end of an event is an empty line; the chunks of HTTP have lengths of their own.
            self.event_count += line == b"\n"


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Windows without and with the tabs, in turns, so that what else goes on falls on both."""
    sizes, wire_log = run.sizes, run.work_dir / "wire-live.log"
    settings = {"simulated_speed": "50", "simulated_wire_log": str(wire_log), "log_level": "warning"}
    without, beside = [], []
    tabs = [Tab() for _ in range(sizes.tabs)]
    with running_server(run.work_dir / "live", **settings) as server:
        await _dial(run, server, wire_log)
        browser = Browser(server)
        browser.close()
        from_count = _dialled(wire_log)
        began = time.perf_counter()
        for _ in range(sizes.live_turns):
            without.append(await _window(server, sizes.live_window_s))
            async with _open(server, browser.cookie, tabs):
                beside.append(await _window(server, sizes.live_window_s))
            # The tabs are gone before the next window without them begins.
            await asyncio.sleep(_ONCE_LEFT_S)
        dials = (_dialled(wire_log) - from_count) / (time.perf_counter() - began)
    extra = _mean(beside) - _mean(without)
    events = sum(tab.event_count for tab in tabs) / sum([sizes.live_window_s] * sizes.live_turns)
    say(
        f"{dials:,.0f} dials/s; {len(tabs)} tabs were told {events:,.0f} times a second in all, "
        f"{sum(tab.byte_count for tab in tabs) / max(1, sum(tab.event_count for tab in tabs)) / 1000:.1f} kB each time"
    )
    say(
        f"cores in use, server and PostgreSQL: {_words(without)} without tabs, {_words(beside)} with them,"
        f" {sizes.live_turns} windows of {sizes.live_window_s:g} s of each in turns"
    )
    return [
        Verdict(
            f"{sizes.tabs} live tabs cost under {SHARE_MAX:.0%} of a core at {DIALS_PER_S:,.0f} dials/s",
            f"{extra:.1%} of a core at {dials:,.0f} dials/s, {events / len(tabs) * EVERY_S:.2f} updates a tab and tick",
            extra < SHARE_MAX,
        )
    ]


async def _dial(run: Run, server: RunningServer, wire_log: Path) -> None:
    async with server.database() as database:
        tenant = await first_tenant(database)
        await database.execute("UPDATE trunk SET cps_max = $1, channels_max = 100000", CPS_MAX)
        campaign_id = await add_campaign(database, tenant, "dialled", "draft")
        await add_pending_calls(database, tenant, campaign_id, run.sizes.live_rows, due_in=-timedelta(minutes=1))
        await settle_down(database)
        await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", campaign_id)
        await database.execute("SELECT pg_notify('ringoff_due', '')")
    if not wait_for(has_lines(wire_log), _FIRST_DIAL_S, 0.02):
        raise UnexpectedAnswer("nothing was dialled")
    await asyncio.sleep(run.sizes.warm_up_s)


@asynccontextmanager
async def _open(server: RunningServer, cookie: str, tabs: Sequence[Tab]) -> AsyncIterator[None]:
    writers: list[asyncio.StreamWriter] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            for tab in tabs:
                reader, writer = await _connected(server)
                writers.append(writer)
                writer.write(f"GET /events/overview HTTP/1.1\r\nHost: ringoff\r\nCookie: {cookie}\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                if b" 200 " not in head.partition(b"\r\n")[0]:
                    raise UnexpectedAnswer(head.decode()[:300])
                tasks.create_task(tab.read(reader))
            yield
            for writer in writers:
                writer.close()
    finally:
        for writer in writers:
            writer.close()


async def _connected(server: RunningServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(server.url)
    return await asyncio.open_connection(address.hostname, address.port)


async def _window(server: RunningServer, seconds: float) -> float:
    """Cores that the server and its PostgreSQL have used."""
    before, began = ProcessorUse.read(server.process.pid, server.postmaster_pid), time.perf_counter()
    await asyncio.sleep(seconds)
    used = ProcessorUse.read(server.process.pid, server.postmaster_pid) - before
    return (used.server_s + used.postgres_s) / (time.perf_counter() - began)


def _dialled(wire_log: Path) -> int:
    return wire_log.read_bytes().count(b"\n")


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares)


def _words(shares: Sequence[float]) -> str:
    return f"{_mean(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})"
