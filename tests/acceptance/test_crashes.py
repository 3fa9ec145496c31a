"""kill -9 of the server and of the database: nothing rung twice, nothing lost, nothing after an acknowledgement."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import asyncpg
import pytest

from ringoff.clock import SystemClock
from ringoff.telephony.wire_log import WireLine
from tests.acceptance.client import Client, numbers
from tests.support.processes import ServerProcess, until

RETRY_COUNT = 2
TERMINAL = {"completed", "failed", "error", "cancelled"}

_clock = SystemClock()


def assert_rung_once_an_attempt(wire: Sequence[WireLine], rings_max: int = 1 + RETRY_COUNT) -> None:
    attempts = Counter(line.attempt_id for line in wire)
    assert not [attempt_id for attempt_id, count in attempts.items() if count > 1], "an attempt was rung twice"
    calls = Counter(line.call_id for line in wire)
    assert max(calls.values()) <= rings_max, "a call was rung more often than its retries allow"


def assert_silent_after(wire: Sequence[WireLine], call_ids: set[str], acknowledged_ns: int) -> None:
    late = [line for line in wire if str(line.call_id) in call_ids and line.monotonic_ns >= acknowledged_ns]
    assert not late, f"{len(late)} covered calls were dialled after the 200"


def receipts_not_settled(server: ServerProcess) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(server.dsn)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM termination WHERE state <> 'settled'"))
        finally:
            await connection.close()

    return asyncio.run(count())


@pytest.mark.slow
def test_the_server_is_killed_again_and_again(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(lease_s="2", simulated_mix="answered=1,busy=1")
    client = Client(server)
    client.set_pace(cps_max=400, channels_max=10_000)
    # In the order in which they come up, so that each order and each crash meets a campaign in the middle.
    sizes = {"ended before": 600, "ended after": 1_000, "goes on": 900}
    campaigns = {
        name: client.campaign(numbers(10_000 * place, size), retry_count=RETRY_COUNT)
        for place, (name, size) in enumerate(sizes.items())
    }
    ids = {name: {call["id"] for call in client.history(campaign)} for name, campaign in campaigns.items()}
    acknowledged: dict[str, int] = {}
    killed_at: list[int] = []

    def crash_after(ring_count: int) -> None:
        server.wait_for_rings(ring_count)
        server.kill9()
        killed_at.append(_clock.monotonic_ns())
        server.start()

    server.wait_for_rings(200)
    acknowledged["ended before"] = client.terminate(campaign_id=campaigns["ended before"])
    crash_after(1)
    crash_after(200)
    server.wait_for_rings(1)
    acknowledged["ended after"] = client.terminate(campaign_id=campaigns["ended after"])
    crash_after(200)

    client.wait_until_over(*campaigns.values())
    wire = server.wire()
    assert_rung_once_an_attempt(wire)
    for name, acknowledged_ns in acknowledged.items():
        assert_silent_after(wire, ids[name], acknowledged_ns)
    for name, campaign_id in campaigns.items():
        statuses = client.statuses(campaign_id)
        assert statuses.keys() <= TERMINAL
        assert statuses.total() == sizes[name], "a call was lost"
        assert bool(statuses["cancelled"]) == (name in acknowledged)
    _assert_unknown_is_never_rung_again(client.history(), wire, killed_at)
    until(lambda: receipts_not_settled(server) == 0, "every receipt is settled")
    assert server.command("doctor").returncode == 0


def _assert_unknown_is_never_rung_again(
    calls: Sequence[dict[str, object]], wire: Sequence[WireLine], killed_at: Sequence[int]
) -> None:
    """A call whose attempt a crash cut off is an error, and its last ring was before some crash."""
    errors = {str(call["id"]) for call in calls if call["status"] == "error"}
    assert errors, "no crash met an attempt on the wire"
    last_ring = {str(line.call_id): line.monotonic_ns for line in wire}
    assert all(last_ring.get(call_id, 0) < max(killed_at) for call_id in errors)


@pytest.mark.slow
def test_the_database_is_killed_while_fences_settle_and_calls_ring(start_server: Callable[..., ServerProcess]) -> None:
    covered_count, dialled_count = 100_000, 1_200
    server = start_server(sweep_batch_max="2000", simulated_mix="answered=1,busy=1", lease_s="5")
    client = Client(server)
    client.set_pace(cps_max=200, channels_max=10_000)
    covered = client.campaign(numbers(0, covered_count), retry_count=RETRY_COUNT)
    dialled = client.campaign(numbers(1_000_000, dialled_count), retry_count=RETRY_COUNT)
    covered_numbers = set(numbers(0, covered_count))

    def covered_lines() -> list[WireLine]:
        return [line for line in server.wire() if line.called_number in covered_numbers]

    until(lambda: len(covered_lines()) >= 50, "the campaign to end is dialled")
    acknowledged_ns = client.terminate(campaign_id=covered)
    for _crash in range(2):
        assert receipts_not_settled(server) == 1, "the sweeper was faster than the crash"
        server.wait_for_rings(20)
        server.kill9_postgres()
        until(lambda: server.http.get("/readyz").status_code == 200, "ready again", poll_s=0.2)

    client.wait_until_over(dialled, covered)
    until(lambda: receipts_not_settled(server) == 0, "the receipt is settled")
    wire = server.wire()
    assert_rung_once_an_attempt(wire)
    late = [line for line in covered_lines() if line.monotonic_ns >= acknowledged_ns]
    assert not late, f"{len(late)} covered calls were dialled after the 200"
    rung = {line.called_number for line in covered_lines()}
    assert client.status_count(covered, "cancelled") >= covered_count - len(rung)
    totals = {status: client.status_count(covered, status) for status in TERMINAL}
    assert sum(totals.values()) == covered_count, "a call was lost"
    assert totals["error"] <= len(rung)
    statuses = client.statuses(dialled)
    assert (statuses.total(), statuses["cancelled"]) == (dialled_count, 0)
    doctor = server.command("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert server.process.exit_code is None, "the server came back by itself, without a restart of its process"
