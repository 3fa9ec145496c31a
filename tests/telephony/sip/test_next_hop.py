"""Names in Contact and Record-Route: looked up off the loop, for the dialog that they belong to."""

import asyncio
from pathlib import Path

import pytest

from ringoff.domain.events import Answered, Released
from ringoff.telephony.sip.next_hop import NamedHop, NextHops, named_hop
from tests.support.sipp import WHY_NOT, is_installed, running_sipp
from tests.telephony.conformance import Listener, request_for
from tests.telephony.sip.test_driver import agent_at, running_driver, trunk_to

pytestmark = pytest.mark.anyio
with_sipp = pytest.mark.skipif(not is_installed(), reason=WHY_NOT)
SOURCE = ("127.0.0.9", 5099)


def answer(*headers: str, status: str = "200 OK", cseq: str = "1 INVITE") -> bytes:
    lines = [f"SIP/2.0 {status}", "Call-ID: one@here", f"CSeq: {cseq}", *headers, "", "v=0\r\nm=x sip:a@body.example"]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("packet", "hop"),
    [
        (answer("Contact: <sip:a@PBX.example:5070;transport=UDP>"), ("pbx.example", 5070)),
        (answer("m: sip:pbx.example"), ("pbx.example", 5060)),
        (answer("Contact:\r\n <sip:a@pbx.example>;q=1"), ("pbx.example", 5060)),
        (answer("Contact: <sip:a@10.0.0.1:5070>"), None),
        (answer("Contact: <sip:a@x.example>", "Record-Route: <sip:10.0.0.1;lr>"), None),
        (
            answer("Contact: <sip:a@10.0.0.1>", "Record-Route: <sip:1.example;lr>, <sip:2.example:7;lr>"),
            ("2.example", 7),
        ),
        (answer("Record-Route: <sip:1.example;lr>", "Record-Route: <sip:2.example;lr>"), ("2.example", 5060)),
        (answer("Contact: <sip:a@x.example>", status="302 Moved"), None),
        (answer("Contact: <sip:a@x.example>", cseq="2 BYE"), None),
        (answer(), None),
        (b"INVITE sip:a@b SIP/2.0\r\nContact: <sip:a@x.example>\r\n\r\n", None),
    ],
)
def test_the_next_hop_of_an_answer(packet: bytes, hop: tuple[str, int] | None) -> None:
    assert named_hop(packet) == (NamedHop("one@here", *hop) if hop else None)


async def test_packets_of_a_call_wait_for_its_name_in_their_order() -> None:
    may_answer = asyncio.Event()
    asked = []

    async def look_up(host: str) -> str | None:
        asked.append(host)
        await may_answer.wait()
        return "127.0.0.2" if host == "pbx.example" else None

    hops = NextHops(lambda call_id: call_id == "one@here", look_up)
    delivered: list[str] = []
    done = asyncio.Event()
    packet = answer("Contact: <sip:a@pbx.example:7>")
    assert not hops.holds(packet.replace(b"one@here", b"stranger"), SOURCE, lambda: delivered.append("stranger"))
    assert hops.holds(packet, SOURCE, lambda: delivered.append("answer"))
    assert hops.holds(b"BYE sip:a SIP/2.0\r\nCall-ID: one@here\r\n\r\n", SOURCE, done.set)
    assert not hops.holds(b"BYE sip:a SIP/2.0\r\nCall-ID: two\r\n\r\n", SOURCE, done.set)
    assert delivered == []
    may_answer.set()
    await done.wait()
    assert (delivered, asked) == (["answer"], ["pbx.example"])
    assert hops.address("one@here", "PBX.example") == ("127.0.0.2", 7)
    assert hops.address("one@here", "other.example") is None
    # Known now: nothing waits, and nobody is asked again.
    assert not hops.holds(packet, SOURCE, done.clear)
    assert asked == ["pbx.example"]
    hops.forget("one@here")
    assert hops.address("one@here", "pbx.example") is None


@pytest.mark.parametrize("uri", ["sip:a@nowhere.example", "sip:a@pbx.example:99999"])
async def test_what_leads_nowhere_goes_back_to_the_sender(uri: str) -> None:
    async def look_up(host: str) -> str | None:
        return "127.0.0.2" if host == "pbx.example" else None

    hops = NextHops(lambda _: True, look_up)
    done = asyncio.Event()
    assert hops.holds(answer(f"Contact: <{uri}>"), SOURCE, done.set)
    await done.wait()
    assert SOURCE in {hops.address("one@here", "nowhere.example"), hops.address("one@here", "pbx.example")}


@with_sipp
@pytest.mark.parametrize("host", ["localhost", "agent.invalid"], ids=["resolves", "does not resolve"])
async def test_an_agent_with_a_name_in_its_contact_gets_its_own_ack_and_bye(tmp_path: Path, host: str) -> None:
    async with (
        running_sipp(tmp_path / "carrier") as peer,
        running_sipp(tmp_path / "agent", contact_host=host) as agent,
        running_driver() as driver,
    ):
        request = request_for(trunk_to(peer.port), "+1001", agent_at(agent.port))
        await driver.originate(request)
        listener = Listener(driver)
        await listener.until(Answered)
        async with asyncio.timeout(10):
            while "ACK sip:" not in agent.messages:  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.02)
        await driver.release(request.attempt_id)
        released = await listener.until(Released)
        assert isinstance(released, Released)
        assert not released.agent_failed
        for side in (peer, agent):
            counted = await side.finished()
            assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)
        assert f"ACK sip:carrier@{host}:{agent.port}" in agent.messages
        assert f"ACK sip:carrier@{host}" not in peer.messages


@with_sipp
async def test_a_name_in_record_route_is_where_ack_and_bye_go(tmp_path: Path) -> None:
    async with (
        running_sipp(tmp_path, contact_host="behind.invalid", route="sip:localhost:{port};lr") as peer,
        running_driver() as driver,
    ):
        request = request_for(trunk_to(peer.port), "+1001")
        await driver.originate(request)
        listener = Listener(driver)
        await listener.until(Answered)
        await driver.release(request.attempt_id)
        await listener.until(Released)
        counted = await peer.finished()
        assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)
        assert f"Route: <sip:localhost:{peer.port};lr>" in peer.messages


@with_sipp
async def test_a_crossed_answer_with_a_name_is_acknowledged_and_ended(tmp_path: Path) -> None:
    async with running_sipp(tmp_path, contact_host="localhost") as peer, running_driver() as driver:
        request = request_for(trunk_to(peer.port), "+0001")
        await driver.originate(request)
        async with asyncio.timeout(10):
            while "180 Ringing" not in peer.messages:  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.02)
        await driver.release(request.attempt_id)
        await Listener(driver).until(Released)
        counted = await peer.finished()
        assert (counted["SuccessfulCall"], counted["FailedCall"]) == (1, 0)
