"""The primary dies, or falls silent, under full dialling: its standby takes over, and every acknowledgement holds."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx2
import pytest

from ringoff.clock import SystemClock
from tests.acceptance.client import COMPATIBLE, TERMINATED, Client, numbers
from tests.acceptance.test_crashes import assert_rung_once_an_attempt, assert_silent_after
from tests.support.processes import ServerProcess, until
from tests.support.replicated import Node, ReplicatedPostgres, loopback_places

CALLS_EACH = 250
_clock = SystemClock()


@pytest.fixture
def replicated() -> Iterator[ReplicatedPostgres]:
    with ReplicatedPostgres(*loopback_places()) as database:
        yield database


def order(server: ServerProcess, campaign_id: str) -> tuple[httpx2.Response | None, int]:
    """The answer, or None when there was none, and when it had come."""
    try:
        answer = server.http.patch(f"{COMPATIBLE}/campaign/terminate", json={"campaign_id": campaign_id})
    except httpx2.TransportError:
        return None, _clock.monotonic_ns()
    return answer, _clock.monotonic_ns()


def order_until_acknowledged(server: ServerProcess, campaign_id: str) -> int:
    """As a client does that means it: again, as long as nobody says yes or no. When the 200 had come."""
    acknowledged_ns: list[int] = []

    def is_over() -> bool:
        answer, at_ns = order(server, campaign_id)
        if answer is None or answer.status_code == 503:
            return False
        # An unanswered one before may have been in force already; then nothing is left to end.
        assert answer.status_code == 400 or answer.json() == TERMINATED, answer.text
        acknowledged_ns.append(at_ns)
        return True

    until(is_over, "the order is answered", 60, poll_s=0.01)
    return acknowledged_ns[0]


def dials_from(server: ServerProcess, since_ns: int) -> int:
    return sum(1 for line in server.wire() if line.monotonic_ns > since_ns)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("fall", [Node.kill, Node.pause], ids=["killed", "silent"])
def test_the_standby_takes_over_under_full_dialling(
    replicated: ReplicatedPostgres, start_server: Callable[..., ServerProcess], fall: Callable[[Node], None]
) -> None:
    server = start_server(database_url=replicated.dsn, simulated_mix="answered=1", lease_s="2")
    server.dispatcher()
    client = Client(server)
    client.set_pace(cps_max=60, channels_max=10_000)
    campaign_ids = [client.campaign(numbers(CALLS_EACH * n, CALLS_EACH)) for n in range(6)]
    covered = {campaign_id: {call["id"] for call in client.history(campaign_id)} for campaign_id in campaign_ids}
    goes_on, *ended = campaign_ids
    Random(7).shuffle(ended)
    server.wait_for_rings(100)

    acknowledged = {ended[0]: client.terminate(campaign_id=ended[0])}
    old = replicated.primary
    fall(old)
    fell_ns = _clock.monotonic_ns()
    with ThreadPoolExecutor(max_workers=2) as clients:
        orders = {each: clients.submit(order_until_acknowledged, server, each) for each in ended[1:3]}
        answer, _at = order(server, ended[3])
        assert answer is not None
        assert answer.status_code == 503, "nobody could have kept this"
        assert int(answer.headers["Retry-After"]) > 0
        replicated.promote()
        promoted_ns = _clock.monotonic_ns()
        until(lambda: dials_from(server, promoted_ns) > 0, "dialling goes on", 90, poll_s=0.02)
        acknowledged |= {each: given.result() for each, given in orders.items()}
    resumed_ns = next(line.monotonic_ns for line in server.wire() if line.monotonic_ns > promoted_ns)
    print(f"\nfrom the fall to the promotion {(promoted_ns - fell_ns) / 1e9:.1f} s")
    print(f"from the promotion to the first dial {(resumed_ns - promoted_ns) / 1e9:.1f} s")
    if fall is Node.pause:
        old.resume()  # it calls itself primary still, and must find nobody who follows it
    acknowledged[ended[3]] = order_until_acknowledged(server, ended[3])
    acknowledged[ended[4]] = order_until_acknowledged(server, ended[4])
    client.wait_until_over(goes_on, *ended, within_s=120)

    wire = server.wire()
    assert_rung_once_an_attempt(wire, rings_max=1)
    for campaign_id, acknowledged_ns in acknowledged.items():
        assert_silent_after(wire, covered[campaign_id], acknowledged_ns)
    rung = {str(line.call_id) for line in wire}
    for campaign_id in ended:
        lost = [c for c in client.history(campaign_id) if c["status"] != "cancelled" and c["id"] not in rung]
        assert not [c for c in lost if c["status"] != "error"], "ended without having been dialled"
    doctor = server.command("doctor")
    assert "every rule over the stored calls holds" in doctor.stdout, doctor.stdout
