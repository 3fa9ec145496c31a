"""The gateway that an attempt begins with, and those that follow."""

import random
import re
import socket
from pathlib import Path

import pytest

from ringoff.domain.events import Released
from ringoff.telephony.sip.config import Gateway, config_of
from ringoff.telephony.sip.gateway_order import gateway_order
from tests.support.sipp import WHY_NOT, is_installed, running_sipp
from tests.telephony.conformance import Listener, request_for
from tests.telephony.sip.test_driver import running_driver, trunk_to

pytestmark = pytest.mark.anyio
with_sipp = pytest.mark.skipif(not is_installed(), reason=WHY_NOT)


def gateways(*weights: int) -> list[Gateway]:
    return [Gateway(f"{place}.example", 5060, None, None, weight) for place, weight in enumerate(weights)]


def test_the_first_is_drawn_by_weight_and_the_others_follow_as_listed() -> None:
    chance, known = random.Random(3), gateways(1, 3, 6)
    orders = [gateway_order(known, (), chance) for _ in range(10_000)]
    for gateway, weight in zip(known, (1, 3, 6), strict=True):
        share = sum(order[0] is gateway for order in orders) / len(orders)
        assert share == pytest.approx(weight / 10, abs=0.02)
    for order in orders:
        assert order[1:] == [gateway for gateway in known if gateway is not order[0]]
    again = random.Random(3)
    assert [gateway_order(known, (), again) for _ in range(100)] == orders[:100]


def test_a_gateway_that_is_down_is_not_drawn_and_comes_last() -> None:
    known = gateways(100, 1, 1)
    for seed in range(50):
        order = gateway_order(known, {known[0]}, random.Random(seed))
        assert order[2] is known[0]


def test_when_all_are_down_one_is_tried_all_the_same() -> None:
    known = gateways(1, 1)
    firsts = {gateway_order(known, set(known), random.Random(seed))[0].host for seed in range(50)}
    assert firsts == {"0.example", "1.example"}


@with_sipp
async def test_attempts_are_shared_by_weight(tmp_path: Path) -> None:
    async with (
        running_sipp(tmp_path / "one") as one,
        running_sipp(tmp_path / "two") as two,
        running_driver(random.Random(11)) as driver,
    ):
        trunk = trunk_to(one.port, two.port, weights=(1, 4))
        expected = random.Random(11)
        firsts = [gateway_order(config_of(trunk).gateways, (), expected)[0].port for _ in range(40)]
        listener = Listener(driver)
        for serial in range(40):
            await driver.originate(request_for(trunk, f"+3{serial:03}"))
            await listener.until(Released, times=serial + 1)
        for peer in (one, two):
            await peer.finished()
            seen = set(re.findall(r"^INVITE sip:(\S+?)@", peer.messages, re.MULTILINE))
            assert len(seen) == firsts.count(peer.port)
        assert 0 < firsts.count(one.port) < 20


@with_sipp
async def test_a_gateway_known_to_be_down_is_not_begun_with(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.setblocking(False)
        async with running_sipp(tmp_path) as peer, running_driver() as driver:
            trunk = trunk_to(silent.getsockname()[1], peer.port)
            await driver.use_trunks([trunk])
            used = driver._trunks[trunk.trunk_id]
            used.down.add(used.config.gateways[0])
            await driver.originate(request_for(trunk, "+3001"))
            released = await Listener(driver).until(Released)
            assert isinstance(released, Released)
            assert released.cause.sip_status == 486
            with pytest.raises(BlockingIOError):
                silent.recv(65_536)
