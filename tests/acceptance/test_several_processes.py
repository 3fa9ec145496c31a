"""A server and a dispatcher on one database: one pace, one set of channels, and a process that stood still."""

import asyncio
from collections.abc import Callable
from functools import partial

import asyncpg
import pytest

from tests.acceptance.client import Client, numbers
from tests.acceptance.test_crashes import assert_rung_once_an_attempt, assert_silent_after
from tests.support.processes import ServerProcess, paused, until

_SECOND_NS = 1_000_000_000


def look(server: ServerProcess, statement: str) -> list[asyncpg.Record]:
    """What the database says behind the API."""

    async def fetch() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(server.dsn)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(fetch())


def owner_count(server: ServerProcess) -> int:
    return int(look(server, "SELECT count(DISTINCT owner_id) AS owners FROM dial_attempt")[0]["owners"])


@pytest.mark.slow
def test_the_pace_of_a_trunk_is_one_for_all_processes(start_server: Callable[..., ServerProcess]) -> None:
    cps_max, call_count = 20, 140
    server = start_server(simulated_mix="answered=1")
    server.dispatcher()
    client = Client(server)
    client.set_pace(cps_max=cps_max, channels_max=10_000)
    campaign_id = client.campaign(numbers(0, call_count))
    client.wait_until_over(campaign_id)

    wire = server.wire()
    assert_rung_once_an_attempt(wire, rings_max=1)
    assert len(wire) == call_count
    assert owner_count(server) == 2, "both processes dialled"
    # A window that holds one call too many starts with some call: the next cps_max calls are within its second.
    moments = sorted(line.monotonic_ns for line in wire)
    spans = [later - earlier for earlier, later in zip(moments, moments[cps_max:], strict=False)]
    assert min(spans) >= _SECOND_NS, f"{cps_max + 1} calls in {min(spans) / 1e9:.3f} s"


@pytest.mark.slow
def test_the_channels_of_a_trunk_are_shared_by_all_processes(start_server: Callable[..., ServerProcess]) -> None:
    channels_max, call_count = 7, 250
    server = start_server(simulated_mix="answered=1,busy=1,no_answer=1")
    server.dispatcher()
    client = Client(server)
    # A free channel goes to the process whose call has ended, so whoever takes all of them first may keep them. A slow
    # pace gives a few at a time.
    client.set_pace(cps_max=20, channels_max=channels_max)
    campaign_id = client.campaign(numbers(0, call_count))
    until(lambda: owner_count(server) == 2, "both processes dial")
    client.set_pace(cps_max=500, channels_max=channels_max)
    client.wait_until_over(campaign_id)

    assert_rung_once_an_attempt(server.wire(), rings_max=1)
    attempts = look(server, "SELECT originated_at, released_at FROM dial_attempt")
    assert len(attempts) == call_count
    changes = [(attempt["originated_at"], 1) for attempt in attempts]
    changes += [(attempt["released_at"], -1) for attempt in attempts]
    live = most = 0
    for _at, change in sorted(changes):
        live += change
        most = max(most, live)
    assert most == channels_max, "all channels are used, and no more"


@pytest.mark.slow
def test_a_process_that_stood_still_does_not_dial_late(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(lease_s="2", simulated_mix="answered=1,busy=1")
    dispatcher = server.dispatcher()
    client = Client(server)
    client.set_pace(cps_max=400, channels_max=10_000)
    acknowledged: dict[str, int] = {}
    for place in range(3):
        campaign_id = client.campaign(numbers(10_000 * place, 2_000), retry_count=2)
        server.wait_for_rings(150 + 50 * place)
        with paused(dispatcher):
            acknowledged[campaign_id] = client.terminate(campaign_id=campaign_id)
            # What the stopped process holds ends when its leases have run out and another process has looked.
            until(partial(_has_no_live_attempt, server, campaign_id), "the leases ran out", poll_s=0.2)

    client.wait_until_over(*acknowledged)
    assert dispatcher.exit_code is None, "the process goes on after its pause"
    wire = server.wire()
    assert_rung_once_an_attempt(wire)
    for campaign_id, acknowledged_ns in acknowledged.items():
        calls = client.history(campaign_id)
        assert_silent_after(wire, {call["id"] for call in calls}, acknowledged_ns)
        assert len(calls) == 2_000
    closed = look(server, "SELECT count(*) AS closed FROM dial_attempt WHERE disposition = 'indeterminate'")
    assert closed[0]["closed"] > 0, "the stopped process had nothing in its hands"
    assert server.command("doctor").returncode == 0


def _has_no_live_attempt(server: ServerProcess, campaign_id: str) -> bool:
    states = look(server, f"SELECT DISTINCT state FROM dial_attempt WHERE campaign_id = '{campaign_id}'")
    return {row["state"] for row in states} <= {"released", "indeterminate"}
