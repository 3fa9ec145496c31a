"""Where one packet in twenty is lost each way, calls end as they would have, and none stays up."""

import asyncio
import socket
from pathlib import Path

import pytest

from ringoff.domain.events import Answered, Released
from ringoff.domain.identifiers import AttemptId
from ringoff.domain.release_cause import Disposition, classify
from tests.support.lossy_relay import LossyRelay
from tests.support.sipp import WHY_NOT, free_port, is_installed, running_sipp, why_failed
from tests.telephony.conformance import request_for
from tests.telephony.sip.test_driver import running_driver, trunk_to

pytestmark = pytest.mark.anyio

_CALLS = 500
_PAUSE_S = 0.02
# sipp hangs up the first, we the second, the third is busy: see sipp_scenario.
_EXPECTED = {"+2": Disposition.ANSWERED, "+1": Disposition.ANSWERED, "+3": Disposition.BUSY}
_LOSS_SHARE = 0.05


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.skipif(not is_installed(), reason=WHY_NOT)
async def test_a_lossy_line_changes_no_outcome(tmp_path: Path) -> None:
    port, relay_port = free_port(), free_port()
    outcomes: dict[AttemptId, Disposition] = {}
    async with (
        # Long enough for the last retransmission of a call whose 200 to our BYE was lost.
        running_sipp(tmp_path, port=port, route=f"sip:127.0.0.1:{relay_port};lr", timeout_s=180) as peer,
        LossyRelay(listen_port=relay_port, target_port=port, loss_share=_LOSS_SHARE, seed=20_260) as relay,
        running_driver() as driver,
        asyncio.timeout(150),
    ):
        trunk = trunk_to(relay_port)

        async def listen() -> None:
            while len(outcomes) < _CALLS:
                for event in await driver.events(500):
                    if isinstance(event, Answered) and expected[event.attempt_id][0] == "+1":
                        await driver.release(event.attempt_id)
                    elif isinstance(event, Released):
                        outcomes[event.attempt_id] = classify(event.cause, was_answered=event.was_answered)

        expected: dict[AttemptId, tuple[str, Disposition]] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen())
            for serial in range(_CALLS):
                prefix = list(_EXPECTED)[serial % len(_EXPECTED)]
                request = request_for(trunk, f"{prefix}{serial:04}")
                expected[request.attempt_id] = (prefix, _EXPECTED[prefix])
                await driver.originate(request)
                await asyncio.sleep(_PAUSE_S)
        right = sum(outcomes[attempt_id] is disposition for attempt_id, (_, disposition) in expected.items())
        counted = await peer.finished()
        print(f"{right} of {_CALLS} outcomes right; {relay.words()}; sipp: {counted}\n{why_failed(tmp_path)}")
        assert right >= 0.99 * _CALLS
        for direction in (relay.forward, relay.back):
            assert direction.dropped_count > 0.03 * direction.offered_count
            assert direction.repeated_count > 0
        assert await driver.live() == frozenset()
        assert peer.up_count() == 0


async def test_the_relay_loses_the_same_packets_again() -> None:
    passed = []
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
            target.bind(("127.0.0.1", 0))
            target.setblocking(False)
            relay = LossyRelay(listen_port=free_port(), target_port=target.getsockname()[1], loss_share=0.3, seed=7)
            passed.append([relay.forward.passes(bytes([number])) for number in range(100)])
            assert 10 < relay.forward.dropped_count < 50
    assert passed[0] == passed[1]


async def test_the_relay_goes_both_ways() -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        for each in (target, client):
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        async with (
            LossyRelay(listen_port=free_port(), target_port=target.getsockname()[1], loss_share=0, seed=1) as relay,
            asyncio.timeout(20),
        ):
            client.sendto(b"there", ("127.0.0.1", relay.listen_port))
            packet, sender = await loop.sock_recvfrom(target, 100)
            target.sendto(packet + b" and back", sender)
            assert await loop.sock_recvfrom(client, 100) == (b"there and back", ("127.0.0.1", relay.listen_port))
