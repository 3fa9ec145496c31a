"""Sizes chosen to embarrass us: very many campaigns, very many calls of a number, very many orders at once."""

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from bench.figures import Samples, Say, Verdict
from bench.rows import Tenant, add_bare_calls, add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import (
    Connection,
    KeptConnection,
    RunningServer,
    UnexpectedAnswer,
    has_lines,
    running_server,
    wait_for,
)
from bench.sizes import Run, Sizes
from bench.terminate import put_back, settled_after

_ROUNDS = 7
_CALLS_OF_A_CAMPAIGN = 20
_CLIENTS_AT_ONCE = 64
_CLIENTS_OF_A_BURST = 16
_FIRST_DIAL_S = 30.0


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Each part on a server of its own, except those that only read what another has made."""
    agent = await _agent_of_many_campaigns(run, say)
    numbers, refused = await _numbers_of_many_calls(run, say)
    burst = await _burst_of_numbers(run, say)
    sizes = run.sizes
    return [
        Verdict(
            f"agent with {sizes.agent_campaigns:,} campaigns: under 100 ms",
            f"{agent.median_ms:.1f} ms median, {agent.values_ms[-1]:.1f} ms worst of {len(agent.values_ms)}",
            agent.median_ms < 100,
        ),
        Verdict(
            f"{sizes.numbers} numbers x {sizes.calls_of_each_number:,} calls: under 250 ms to the acknowledgement",
            f"{numbers.median_ms:.1f} ms median, {numbers.values_ms[-1]:.1f} ms worst of {len(numbers.values_ms)}",
            numbers.median_ms < 250,
        ),
        Verdict(
            f"{_CLIENTS_AT_ONCE} clients terminate one campaign at once: one 200, the others 400",
            refused.words,
            refused.is_right,
        ),
        Verdict(
            f"{sizes.number_burst_per_s:,} terminations/s of single numbers while dialling: none dialled after its 200",
            burst.words,
            burst.late_count == 0,
        ),
    ]


async def _agent_of_many_campaigns(run: Run, say: Say) -> Samples:
    sizes = run.sizes
    with running_server(run.work_dir / "agent", sweep_batch_max="1") as server, server.http() as http:
        async with server.database() as database:
            tenant = await first_tenant(database)
            for place in range(sizes.agent_campaigns):
                campaign_id = await add_campaign(database, tenant, f"campaign {place}", "ongoing")
                await add_bare_calls(database, tenant, campaign_id, _CALLS_OF_A_CAMPAIGN)
            took = []
            for _ in range(_ROUNDS):
                await settle_down(database)
                await database.execute("VACUUM (ANALYZE) campaign, campaign_fence")
                took.append(http.terminate(agent_id=str(tenant.agent_id)))
                http.close()
                await _put_all_back(database)
    samples = Samples.of_seconds(took)
    say(f"agent with {sizes.agent_campaigns:,} campaigns of {_CALLS_OF_A_CAMPAIGN} pending calls: {samples}")
    return samples


async def _put_all_back(database: Connection) -> None:
    for row in await database.fetch("SELECT campaign_id FROM campaign WHERE epoch > 0"):
        await put_back(database, row["campaign_id"])


@dataclass
class Answers:
    """What many clients were told who asked for the same thing at the same moment."""

    statuses: list[int] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return sorted(self.statuses) == [200] + [400] * (len(self.statuses) - 1)

    @property
    def words(self) -> str:
        counts = ", ".join(f"{self.statuses.count(status)} x {status}" for status in sorted(set(self.statuses)))
        return f"{counts}; the last answer after {max(self.took_s) * 1000:.0f} ms"


async def _numbers_of_many_calls(run: Run, say: Say) -> tuple[Samples, Answers]:
    sizes = run.sizes
    with running_server(run.work_dir / "numbers", sweep_batch_max="1") as server, server.http() as http:
        async with server.database() as database:
            tenant = await first_tenant(database)
            campaign_id = await add_campaign(database, tenant, "very many calls", "ongoing")
            await _add_calls_of_few_numbers(database, tenant, campaign_id, sizes)
            numbers = [_number(place) for place in range(sizes.numbers)]
            took = []
            for _ in range(_ROUNDS):
                await settle_down(database)
                took.append(http.terminate(mobile_numbers=numbers))
                http.close()
                await put_back(database, campaign_id)
            answers = _all_at_once(server, campaign_id)
            # Here, where the sweeper is slow: one with defaults would settle the rows before they could be put back.
            await put_back(database, campaign_id)
    samples = Samples.of_seconds(took)
    with running_server(run.work_dir / "numbers") as server, server.http() as http:
        async with server.database() as database:
            http.terminate(mobile_numbers=numbers)
            settled_s = await settled_after(database)
    call_count = sizes.numbers * sizes.calls_of_each_number
    say(f"{sizes.numbers} numbers with {sizes.calls_of_each_number:,} pending calls each: {samples}")
    say(f"the {call_count:,} calls were settled behind it in {settled_s:.1f} s, {call_count / settled_s:,.0f}/s")
    say(f"{_CLIENTS_AT_ONCE} clients at once on that campaign: {answers.words}")
    return samples, answers


def _number(place: int) -> str:
    return f"+9199000{place:05}"


async def _add_calls_of_few_numbers(database: Connection, tenant: Tenant, campaign_id: UUID, sizes: Sizes) -> None:
    await database.execute(
        "INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)"
        " SELECT $1, $2, n, 0, '+9199000' || lpad((n % $4)::text, 5, '0'), now() + interval '1 day'"
        " FROM generate_series(1::bigint, $3::bigint) AS n",
        tenant.workspace_id,
        campaign_id,
        sizes.numbers * sizes.calls_of_each_number,
        sizes.numbers,
        timeout=600,
    )


def _all_at_once(server: RunningServer, campaign_id: UUID) -> Answers:
    answers, start = Answers(), threading.Barrier(_CLIENTS_AT_ONCE)

    def ask() -> None:
        http = KeptConnection(server.url)
        start.wait()
        began = time.perf_counter()
        status = http.status("PATCH", campaign_id=str(campaign_id))
        answers.took_s.append(time.perf_counter() - began)
        answers.statuses.append(status)
        http.close()

    _run_threads([threading.Thread(target=ask) for _ in range(_CLIENTS_AT_ONCE)])
    return answers


def _run_threads(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@dataclass(frozen=True)
class Burst:
    """What came of very many orders on single numbers of the campaign that is being dialled."""

    given: float
    """Orders answered a second, whatever the answer."""
    orders: Samples
    refused_count: int
    late_count: int
    dials_before: float
    dials_beside: float

    @property
    def words(self) -> str:
        return (
            f"{self.late_count} of {len(self.orders.values_ms):,}; {self.given:,.0f} orders/s reached, p50"
            f" {self.orders.median_ms:.0f} ms, p99 {self.orders.percentile_ms(0.99):.0f} ms; dialling"
            f" {self.dials_beside:,.0f}/s, {self.dials_before:,.0f}/s before"
        )


async def _burst_of_numbers(run: Run, say: Say) -> Burst:
    """Numbers from the far end of the list, which dialling has not reached yet, at a pace that the clients keep."""
    sizes, wire_log = run.sizes, run.work_dir / "wire-burst.log"
    settings = {"simulated_speed": "1e9", "simulated_wire_log": str(wire_log), "log_level": "warning"}
    with running_server(run.work_dir / "burst", **settings) as server:
        async with server.database() as database:
            tenant = await first_tenant(database)
            await database.execute("UPDATE trunk SET cps_max = $1, channels_max = 100000", sizes.paced_cps)
            dialled = await add_campaign(database, tenant, "dialled", "draft")
            await add_pending_calls(database, tenant, dialled, sizes.rows)
            await database.execute("UPDATE call SET next_attempt_at = now() WHERE campaign_id = $1", dialled)
            await settle_down(database)
            count = int(sizes.number_burst_s * sizes.number_burst_per_s)
            rows = await database.fetch(
                "SELECT called_number FROM call WHERE campaign_id = $1 ORDER BY contact_id DESC LIMIT $2",
                dialled,
                count,
            )
            await database.execute("UPDATE campaign SET status = 'ongoing' WHERE campaign_id = $1", dialled)
            await database.execute("SELECT pg_notify('ringoff_due', '')")
            if not wait_for(has_lines(wire_log), _FIRST_DIAL_S, 0.02):
                raise UnexpectedAnswer("nothing was dialled")
            await asyncio.sleep(sizes.warm_up_s)
            marks = [time.monotonic_ns()]
            await asyncio.sleep(sizes.window_s)
            marks.append(time.monotonic_ns())
            given = await asyncio.to_thread(
                _give_at_a_pace, server, [row["called_number"] for row in rows], sizes.number_burst_per_s
            )
            marks.append(time.monotonic_ns())
            await asyncio.sleep(sizes.warm_up_s)
    burst = _judge(wire_log, given, marks)
    say(f"single numbers of the campaign being dialled, wanted {sizes.number_burst_per_s:,}/s: {burst.words}")
    say(f"refused because they were on the wire already: {burst.refused_count:,}")
    return burst


@dataclass
class _Given:
    acknowledged_ns: dict[str, int] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)
    refused_count: int = 0


def _give_at_a_pace(server: RunningServer, numbers: Sequence[str], per_s: int) -> _Given:
    given, began = _Given(), time.perf_counter()
    places = iter(range(len(numbers)))

    def work() -> None:
        http = KeptConnection(server.url)
        for place in places:
            if (wait_s := began + place / per_s - time.perf_counter()) > 0:
                time.sleep(wait_s)
            asked = time.perf_counter()
            status = http.status("PATCH", mobile_numbers=[numbers[place]])
            given.took_s.append(time.perf_counter() - asked)
            if status == 200:
                given.acknowledged_ns[numbers[place]] = time.monotonic_ns()
            else:
                given.refused_count += 1
        http.close()

    _run_threads([threading.Thread(target=work) for _ in range(_CLIENTS_OF_A_BURST)])
    return given


def _judge(wire_log: Path, given: _Given, marks: Sequence[int]) -> Burst:
    """CLOCK_MONOTONIC is the wire log's clock, too."""
    never = 2**63
    with wire_log.open("rb") as lines:
        dials = [json.loads(line) for line in lines if line.endswith(b"\n")]
    instants = [dial["monotonic_ns"] for dial in dials]
    began, ordered, over = marks
    return Burst(
        given=len(given.took_s) / ((over - ordered) / 1e9),
        orders=Samples.of_seconds(given.took_s),
        refused_count=given.refused_count,
        late_count=sum(
            dial["monotonic_ns"] > given.acknowledged_ns.get(dial["called_number"], never) for dial in dials
        ),
        dials_before=sum(began <= at < ordered for at in instants) / ((ordered - began) / 1e9),
        dials_beside=sum(ordered <= at < over for at in instants) / ((over - ordered) / 1e9),
    )
