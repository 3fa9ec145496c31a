"""Requests a second of the compatible routes, beside a bare route of the same framework under the same server."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bench.figures import Say, Verdict
from bench.hello import READY
from bench.rows import add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import API_KEY, ROOT, RunningServer, UnexpectedAnswer, end_tree, environment, running_server
from bench.sizes import Run

COMPATIBLE = "/ca/api/v0"
CONNECTIONS = 16
_LIST_ROWS = 10_000
_PAGE = 20


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, sent again and again, and the status that each answer must have."""

    name: str
    raw: bytes
    status: int = 200

    @classmethod
    def of(cls, method: str, path: str, body: Mapping[str, Any] | None = None, status: int = 200) -> "Ask":
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nX-API-KEY: {API_KEY}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        name = f"{method} {path.removeprefix(COMPATIBLE).partition('?')[0]}"
        return cls(name, head.encode() + b"\r\n" + content, status)


async def measure(run: Run, say: Say) -> list[Verdict]:
    """By turns, bare route and each of ours: whatever else the machine does meets all of them."""
    window_s = run.sizes.route_window_s
    with running_server(run.work_dir / "routes") as server, _bare_route() as bare_url:
        asks = await _asks(server)
        rates = {ask.name: 0.0 for ask in asks}
        bare_rates = []
        for ask in asks:
            bare_rates.append(await _rate(bare_url, Ask.of("GET", "/hello"), window_s))
            rates[ask.name] = await _rate(server.url, ask, window_s)
    bare = sum(bare_rates) / len(bare_rates)
    spread = f"{min(bare_rates):,.0f}..{max(bare_rates):,.0f}"
    say(f"bare route: {bare:,.0f} requests/s ({spread}), {CONNECTIONS} connections")
    for (name, rate), beside in zip(rates.items(), bare_rates, strict=True):
        say(f"{name}: {rate:,.0f} requests/s, {rate / beside:.0%} of the bare route just before it")
    slowest = min(rates, key=lambda name: rates[name])
    return [
        Verdict(
            "compatible routes beside a bare route of the same framework and server: every answer right",
            f"{min(rates.values()):,.0f} ({slowest}) to {max(rates.values()):,.0f} requests/s; bare {bare:,.0f}",
            all(rate > 0 for rate in rates.values()),
        )
    ]


async def _asks(server: RunningServer) -> list[Ask]:
    """Reads, one call that is registered each time, and an order that finds nothing, in a workspace with a list."""
    async with server.database() as database:
        tenant = await first_tenant(database)
        campaign_id = await add_campaign(database, tenant, "list", "ongoing")
        await add_pending_calls(database, tenant, campaign_id, _LIST_ROWS)
        await settle_down(database)
        call_id = await database.fetchval("SELECT call_id FROM call WHERE campaign_id = $1 LIMIT 1", campaign_id)
        number = await database.fetchval(
            "SELECT number FROM number WHERE workspace_id = $1 LIMIT 1", tenant.workspace_id
        )
    # It starts in years: what is registered here is never rung.
    call = {
        "name": "Person",
        "mobile_number": "+919876543210",
        "agent_id": str(tenant.agent_id),
        "from_number": number,
        "call_config": {"call_time": {"timezone": "UTC"}, "scheduled_at": "2036-01-01T00:00:00Z"},
    }
    nobody = {"mobile_numbers": ["+919876500000"]}
    return [
        Ask.of("GET", f"{COMPATIBLE}/workspace"),
        Ask.of("GET", f"{COMPATIBLE}/agent/all"),
        Ask.of("GET", f"{COMPATIBLE}/calling/history?limit={_PAGE}&bulk_list_id={campaign_id}"),
        Ask.of("GET", f"{COMPATIBLE}/calling/call-details?id={call_id}"),
        Ask.of("GET", f"{COMPATIBLE}/campaign/all?call_count=true"),
        Ask.of("POST", f"{COMPATIBLE}/calling/outbound/individual", call),
        Ask.of("PATCH", f"{COMPATIBLE}/campaign/terminate", nobody, status=400),
    ]


@contextmanager
def _bare_route() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.hello"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        if not line.startswith(READY):
            raise UnexpectedAnswer(f"the bare route did not start: {line!r}")
        yield line.removeprefix(READY).strip()
    finally:
        end_tree(process)


async def _rate(url: str, ask: Ask, window_s: float) -> float:
    """Answers a second over kept connections, each of which has one request on its way at a time."""
    await _ask_until(url, ask, time.perf_counter() + window_s / 5)
    began = time.perf_counter()
    count = await _ask_until(url, ask, began + window_s)
    return count / (time.perf_counter() - began)


async def _ask_until(url: str, ask: Ask, until: float) -> int:
    async with asyncio.TaskGroup() as tasks:
        lines = [tasks.create_task(_one_connection(url, ask, until)) for _ in range(CONNECTIONS)]
    return sum(line.result() for line in lines)


async def _one_connection(url: str, ask: Ask, until: float) -> int:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    count = 0
    try:
        while time.perf_counter() < until:
            writer.write(ask.raw)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            content = await reader.readexactly(int(length.partition(b":")[2]))
            if int(head.split(b" ", 2)[1]) != ask.status:
                raise UnexpectedAnswer(f"{ask.name}: {head[:60]!r} {content[:500]!r}")
            count += 1
    finally:
        writer.close()
        await writer.wait_closed()
    return count
