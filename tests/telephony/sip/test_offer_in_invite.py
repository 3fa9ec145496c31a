"""Trunks that want an offer in the INVITE: the agent's follows in a new INVITE within the answered call."""

import asyncio
import re
from pathlib import Path

import pytest

from ringoff.domain.events import Answered, Released
from tests.support.sipp import WHY_NOT, is_installed, running_sipp
from tests.telephony.conformance import Listener, is_in_order, request_for
from tests.telephony.sip.test_driver import agent_at, running_driver, trunk_to

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not is_installed(), reason=WHY_NOT)]


@pytest.mark.parametrize(("number", "invites"), [("+8501", 2), ("+8701", 3)], ids=["at once", "after a challenge"])
async def test_the_agents_offer_follows_in_a_new_invite(tmp_path: Path, number: str, invites: int) -> None:
    async with (
        running_sipp(tmp_path / "carrier", codec=8) as peer,
        running_sipp(tmp_path / "agent") as agent,
        running_driver() as driver,
    ):
        trunk = trunk_to(peer.port, offer_in_invite=True)
        request = request_for(trunk, number, agent_at(agent.port))
        await driver.originate(request)
        listener = Listener(driver)
        await listener.until(Answered)
        async with asyncio.timeout(10):
            while "ACK sip:" not in agent.messages:  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.02)
        await driver.release(request.attempt_id)
        released = await listener.until(Released)
        assert isinstance(released, Released)
        assert (released.was_answered, released.agent_failed) == (True, False)
        for side in (peer, agent):
            counted = await side.finished()
            assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)
        offers = re.findall(r"\n(INVITE sip:.*?)\n-----", peer.messages, re.DOTALL)
        assert len(offers) == invites
        assert "a=inactive" in offers[0]
        assert "o=- 1 1 IN" in offers[0]
        for offer in offers[1:]:
            assert "o=- 1 2 IN" in offer
            assert "m=audio 40000 RTP/AVP 0" in offer
        invited = re.findall(r"\n(INVITE sip:.*?)\n-----", agent.messages, re.DOTALL)
        assert "v=0" not in invited[0]
        acknowledged = re.findall(r"\n(ACK sip:.*?)\n-----", agent.messages, re.DOTALL)
        assert "m=audio 40000 RTP/AVP 8" in acknowledged[0]


@pytest.mark.parametrize(
    ("number", "agent_user"),
    [("+8601", "+1"), ("+1001", "+3"), ("+1001", "+9"), ("+1001", "+84")],
    ids=["the callee refuses its offer", "refuses", "silent", "has no common codec"],
)
async def test_without_a_common_session_the_callee_is_released(tmp_path: Path, number: str, agent_user: str) -> None:
    async with (
        running_sipp(tmp_path / "carrier") as peer,
        running_sipp(tmp_path / "agent") as agent,
        running_driver() as driver,
    ):
        trunk = trunk_to(peer.port, offer_in_invite=True, agent_answer_timeout_s=1)
        await driver.originate(request_for(trunk, number, agent_at(agent.port, agent_user)))
        listener = Listener(driver)
        released = await listener.until(Released)
        assert isinstance(released, Released)
        assert (released.was_answered, released.agent_failed) == (True, True)
        assert is_in_order(listener.seen)
        counted = await peer.finished()
        assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)
        if agent_user == "+1":
            assert (await agent.finished())["FailedCall"] == 0


async def test_released_while_the_agent_rings_nobody_is_left(tmp_path: Path) -> None:
    async with (
        running_sipp(tmp_path / "carrier") as peer,
        running_sipp(tmp_path / "agent") as agent,
        running_driver() as driver,
    ):
        request = request_for(trunk_to(peer.port, offer_in_invite=True), "+1001", agent_at(agent.port, "+7"))
        await driver.originate(request)
        async with asyncio.timeout(10):
            while "180 Ringing" not in agent.messages:  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.02)
        await driver.release(request.attempt_id)
        released = await Listener(driver).until(Released)
        assert isinstance(released, Released)
        assert (released.was_answered, released.agent_failed) == (True, False)
        for side in (peer, agent):
            counted = await side.finished()
            assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)
