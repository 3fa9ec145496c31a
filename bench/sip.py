"""Calls over SIP to a carrier that we did not write, through the whole of Ringoff, and beside bare sippy."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil

from bench.figures import Samples, Say, Verdict
from bench.processor import ProcessorUse
from bench.rows import Tenant, add_campaign, add_due_calls, first_tenant
from bench.server import Connection, KeptConnection, RunningServer, UnexpectedAnswer, running_server
from bench.sip_carrier import Carrier, Wire, left_out, running_carrier
from bench.sizes import Run
from tests.support.lossy_relay import LossyRelay
from tests.support.sipp import free_port
from tests.wire.capture import Capture

_WAITS, _ENDS, _BUSY = "+1", "+2", "+3"
_CALLING_NUMBER = "+12025550100"
_HOLD_CPS = 200.0
_PACE_SPARE = 1.15
"""A trunk reaches its limit divided by 1.1, because grants of pace expire by age; this much is given on top."""
_KEPT_UP = 0.97
"""A step is reached when so much of its rate was on the wire."""
_AHEAD_S = 2.0
_POLL_S = 0.2
_LOSS, _LOSSY_CPS = 0.05, 50.0
_PATIENCE_S = 60.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Step:
    """One rate, tried once."""

    asked_cps: float
    wanted: int
    cps: float
    wire: Wire
    processor_s: float

    @property
    def is_clean(self) -> bool:
        """At the rate, nothing sent twice, every call answered and released."""
        is_whole = self.wire.answered == self.wire.released == self.wanted
        return self.cps >= _KEPT_UP * self.asked_cps and not self.wire.repeated and is_whole

    def __str__(self) -> str:
        wire = self.wire
        return (
            f"{self.asked_cps:.0f} asked: {self.cps:.0f} CPS, {wire.answered:,} of {self.wanted:,} answered,"
            f" {wire.released:,} released, {wire.repeated} messages sent again, {wire.lost} missed by the capture,"
            f" {self.processor_s * 1000 / self.wanted:.2f} ms of processor a call"
        )


@dataclass(frozen=True, slots=True)
class Held:
    """Calls that were up at the same time."""

    wanted: int
    wire: Wire
    grown_bytes: int
    order_s: float | None = None
    released_in_s: float | None = None
    """Both from the order's sending."""

    @property
    def is_whole(self) -> bool:
        return self.wire.answered == self.wire.released == self.wanted and not self.wire.repeated

    def __str__(self) -> str:
        text = (
            f"{self.wire.answered:,} up, {self.wire.released:,} released, {self.wire.repeated} messages sent again,"
            f" {self.grown_bytes / _MIB * 1000 / self.wanted:.1f} MiB per 1,000 of them"
        )
        if self.order_s is None or self.released_in_s is None:
            return text
        return f"{text}; order acknowledged after {self.order_s:.2f} s, the last BYE after {self.released_in_s:.2f} s"


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Calls that stay up, rates until one is not clean, and calls that are due one by one."""
    if reason := left_out():
        say(reason)
        return []
    sizes = run.sizes
    with (
        running_carrier(run.work_dir / "carrier", talk_s=sizes.sip_talk_s, seconds_max=1_500) as carrier,
        running_server(run.work_dir / "sip") as server,
        server.http() as http,
    ):
        async with server.database() as database:
            bare = _Bare(run.work_dir, carrier)
            ours = Line(run.work_dir, carrier, server, database, await first_tenant(database))
            gateway = {"host": "127.0.0.1", "port": carrier.port}
            ours.use_trunk(http, "sip", {"gateways": [gateway], "options_interval_s": 0})
            # First: what a process has once used it keeps, and the next calls would seem to need nothing.
            ours_held = await ours.hold(http, sizes.sip_held)
            bare_held = await bare.hold(sizes.sip_held)
            ours_best = await _best(run, say, "Ringoff", ours.step)
            bare_best = await _best(run, say, "bare sippy", bare.step)
            overhead = await ours.post_dial(sizes.sip_due, sizes.sip_due_cps)
            right, lost = await _over_a_lossy_line(run, http, ours)
    say(f"Ringoff, calls that stay up: {ours_held}")
    say(f"bare sippy, calls that stay up: {bare_held}")
    say(f"due to INVITE, {sizes.sip_due:,} calls, {sizes.sip_due_cps:.0f} due a second: {overhead}")
    say(f"{_LOSS:.0%} of the packets lost each way: {right} of {sizes.sip_lossy} outcomes are right; {lost}")
    p99 = overhead.percentile_ms(0.99)
    return [
        Verdict("sip: at least 300 CPS clean through the whole of Ringoff", f"{ours_best:.0f} CPS", ours_best >= 300),
        Verdict(
            "sip: at least 60 % of bare sippy's clean rate",
            f"{ours_best / bare_best if bare_best else 0:.0%} of {bare_best:.0f} CPS",
            ours_best >= 0.6 * bare_best > 0,
        ),
        Verdict(f"sip: {sizes.sip_held:,} calls up at once, released by one order", str(ours_held), ours_held.is_whole),
        Verdict(f"due to INVITE at {sizes.sip_due_cps:.0f} CPS: p99 < 50 ms", f"{p99:.1f} ms", p99 < 50),
        Verdict(
            f"sip: {_LOSS:.0%} packet loss, at least 99 % of the outcomes right",
            f"{right / sizes.sip_lossy:.1%} of {sizes.sip_lossy}",
            right >= 0.99 * sizes.sip_lossy,
        ),
    ]


async def _over_a_lossy_line(run: Run, http: KeptConnection, line: "Line") -> tuple[int, str]:
    """Right outcomes, and what the line between the two did."""
    port, count = free_port(), run.sizes.sip_lossy
    with running_carrier(run.work_dir / "far", talk_s=1.0, route_port=port) as carrier:
        async with LossyRelay(listen_port=port, target_port=carrier.port, loss_share=_LOSS, seed=1) as relay:
            http.close()  # it has been idle
            line.use_trunk(http, "sip", {"gateways": [{"host": "127.0.0.1", "port": port}], "options_interval_s": 0})
            right = await line.right_outcomes(count, _LOSSY_CPS)
        return right, relay.words()


async def _best(run: Run, say: Say, who: str, tried: Callable[[float, float], Awaitable[Step]]) -> float:
    """The fastest clean rate below the first one that is not."""
    best = 0.0
    for cps in run.sizes.sip_steps:
        step = await tried(cps, run.sizes.sip_step_s)
        say(f"{who}, {step}")
        if not step.is_clean:
            break
        best = step.cps
    return best


class Line:
    """`ringoff up` with a trunk to the carrier."""

    def __init__(
        self, work_dir: Path, carrier: Carrier, server: RunningServer, database: Connection, tenant: Tenant
    ) -> None:
        self._capture_path = work_dir / "ours.jsonl"
        self._carrier = carrier
        self._server = server
        self._database = database
        self.tenant = tenant
        self._turn = 0

    def use_trunk(self, http: KeptConnection, driver: str, config: Mapping[str, Any]) -> None:
        """Calls that are dialled from now on take this one."""
        trunk = {"name": driver, "driver": driver, "cps_max": 100, "channels_max": 5_000, "config": config}
        _, answer = http.send("POST", "/api/v1/trunks", trunk)
        self.tenant = Tenant(self.tenant.workspace_id, self.tenant.agent_id, UUID(answer["trunk_id"]))

    async def until_up(self) -> None:
        """For a driver that connects first: until then its calls are put back."""
        give_up_at = time.monotonic() + _PATIENCE_S
        query = "SELECT is_up FROM trunk WHERE trunk_id = $1"
        while not await self._database.fetchval(query, self.tenant.trunk_id):
            if time.monotonic() > give_up_at:
                raise UnexpectedAnswer("the trunk did not come up")
            await asyncio.sleep(_POLL_S)

    async def right_outcomes(self, count: int, cps: float) -> int:
        """Half are answered, half are busy: how many are written down as what they were."""
        due_at = self._numbers(_ENDS, count // 2) | self._numbers(_BUSY, count - count // 2)
        campaign_id = await self.dial(due_at, cps)
        await self._until("last_attempt_at IS NOT NULL AND status <> 'ongoing'", campaign_id, count, count / cps)
        right: int = await self._database.fetchval(
            "SELECT count(*) FROM dial_attempt a JOIN call c USING (workspace_id, call_id) WHERE a.campaign_id = $1"
            " AND a.disposition = CASE WHEN starts_with(c.called_number, $2) THEN 'answered' ELSE 'busy' END",
            campaign_id,
            _ENDS,
        )
        return right

    async def step(self, cps: float, seconds: float) -> Step:
        count = int(cps * seconds)
        before = ProcessorUse.read(self._server.process.pid, self._server.postmaster_pid)
        with Capture(self._capture_path, self._carrier.port):
            campaign_id = await self.dial(self._numbers(_ENDS, count), cps)
            await self._until("ended_at IS NOT NULL", campaign_id, count, seconds + self._carrier.talk_s)
        used = ProcessorUse.read(self._server.process.pid, self._server.postmaster_pid) - before
        wire = Wire.read(self._capture_path)
        return Step(cps, count, wire.rate(seconds / 3), wire, used.server_s + used.postgres_s)

    async def hold(self, http: KeptConnection, count: int) -> Held:
        memory = psutil.Process(self._server.process.pid)
        before_bytes = memory.memory_info().rss
        with Capture(self._capture_path, self._carrier.port):
            campaign_id = await self.dial(self._numbers(_WAITS, count), _HOLD_CPS)
            order = {"campaign_id": str(campaign_id), "ongoing": "hangup"}
            up = "EXISTS (SELECT FROM dial_attempt a WHERE a.call_id = call.call_id AND a.state = 'answered')"
            await self._until(up, campaign_id, count, count / _HOLD_CPS)
            grown_bytes = memory.memory_info().rss - before_bytes
            http.close()  # it has been idle
            sent_ns = time.time_ns()
            took_s, _ = http.send("POST", "/api/v1/terminations", order)
            await self._until("ended_at IS NOT NULL", campaign_id, count, 0)
        wire = Wire.read(self._capture_path)
        return Held(count, wire, grown_bytes, took_s, (wire.last_release_ns - sent_ns) / 1e9)

    async def post_dial(self, count: int, cps: float) -> Samples:
        first_at = datetime.now(UTC) + timedelta(seconds=_AHEAD_S)
        due_at = {number: first_at + timedelta(seconds=n / cps) for n, number in enumerate(self._numbers(_BUSY, count))}
        with Capture(self._capture_path, self._carrier.port):
            campaign_id = await self.dial(due_at, 10 * cps)
            await self._until("status <> 'registered'", campaign_id, count, _AHEAD_S + count / cps)
        invited_ns = Wire.read(self._capture_path).invited_ns
        return Samples.of_seconds([invited_ns[number] / 1e9 - at.timestamp() for number, at in due_at.items()])

    def _numbers(self, prefix: str, count: int) -> dict[str, datetime]:
        self._turn += 1
        return numbers(prefix, self._turn, count)

    async def dial(self, due_at: Mapping[str, datetime], cps: float) -> UUID:
        """Start a campaign of these calls at this pace."""
        await self._database.execute(
            "UPDATE trunk SET cps_max = $2 WHERE trunk_id = $1", self.tenant.trunk_id, cps * _PACE_SPARE
        )
        campaign_id = await add_campaign(self._database, self.tenant, "sip", "draft")
        await add_due_calls(self._database, self.tenant, campaign_id, due_at)
        await self._database.execute("ANALYZE call")
        await self._database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", campaign_id)
        await self._database.execute("SELECT pg_notify('ringoff_due', '')")
        return campaign_id

    async def _until(self, condition: str, campaign_id: UUID, count: int, seconds: float) -> None:
        give_up_at = time.monotonic() + seconds + _PATIENCE_S
        query = f"SELECT count(*) FROM call WHERE campaign_id = $1 AND {condition}"
        while (reached := await self._database.fetchval(query, campaign_id)) < count:
            if time.monotonic() > give_up_at:
                raise UnexpectedAnswer(f"{reached} of {count} calls: {condition}")
            await asyncio.sleep(_POLL_S)


def numbers(prefix: str, turn: int, count: int) -> dict[str, datetime]:
    """Called numbers that are due now; those of another turn are others."""
    now = datetime.now(UTC)
    return {f"{prefix}{turn:03}{n:07}": now for n in range(count)}


class _Bare:
    """A process of its own for each run."""

    def __init__(self, work_dir: Path, carrier: Carrier) -> None:
        self._capture_path = work_dir / "bare.jsonl"
        self._carrier = carrier

    async def step(self, cps: float, seconds: float) -> Step:
        count = int(cps * seconds)
        wire, said = await asyncio.to_thread(self._run, cps, count, 0.0, _ENDS)
        return Step(cps, count, wire.rate(seconds / 3), wire, said["processor_s"])

    async def hold(self, count: int) -> Held:
        wire, said = await asyncio.to_thread(self._run, _HOLD_CPS, count, 1.0, _WAITS)
        return Held(count, wire, said["peak_bytes"] - said["before_bytes"])

    def _run(self, cps: float, count: int, hold_s: float, prefix: str) -> tuple[Wire, Any]:
        arguments = [str(self._carrier.port), str(cps), str(count), str(hold_s), prefix]
        with Capture(self._capture_path, self._carrier.port):
            done = subprocess.run(
                [sys.executable, "-m", "bench.bare_sippy", *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=count / cps + hold_s + self._carrier.talk_s + 3 * _PATIENCE_S,
            )
        return Wire.read(self._capture_path), json.loads(done.stdout)
