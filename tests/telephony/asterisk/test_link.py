"""When Asterisk is away: events that were missed, processes that fight for an application, and a silent connection."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.attempt_records import OriginateRefused, OriginateRequest, OriginateUnknown
from ringoff.domain.events import Answered, Rang, Released
from ringoff.domain.release_cause import Disposition, classify
from ringoff.telephony.asterisk.ari import AriUnreachable
from ringoff.telephony.asterisk.call import AsteriskCall
from ringoff.telephony.asterisk.driver import AsteriskDriver
from ringoff.telephony.asterisk.link import AsteriskLink
from tests.telephony.asterisk.conftest import WAIT_S, Listener, Stage

pytestmark = pytest.mark.anyio


def link_of(stage: Stage) -> AsteriskLink:
    (link, _), *_ = stage.driver._links.values()
    return link


async def place_handed_over(stage: Stage, monkeypatch: pytest.MonkeyPatch, request: OriginateRequest) -> None:
    """Until it is answered and in our application: on its way there, a lost connection makes Asterisk hang it up."""
    is_there, run = asyncio.Event(), stage.driver._handover.run

    async def run_seen(call: AsteriskCall) -> None:
        is_there.set()
        await run(call)

    with monkeypatch.context() as patched:
        patched.setattr(stage.driver._handover, "run", run_seen)
        await stage.driver.originate(request)
        await stage.listener.kinds(request.attempt_id, Answered)
        async with asyncio.timeout(WAIT_S):
            await is_there.wait()


async def lose_connection(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The events break off and cannot be had again until the returned event is set."""
    link, may_return = link_of(stage), asyncio.Event()
    open_events = link.ari.open_events

    async def open_later(app: str) -> Any:
        await may_return.wait()
        return await open_events(app)

    monkeypatch.setattr(link.ari, "open_events", open_later)
    assert link.websocket is not None
    await link.websocket.close()
    await stage.listener.until(lambda: not stage.listener.reports[-1].is_up)
    return may_return


async def test_what_ended_unheard_is_released_after_all(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ringing, talking = stage.request("+75550001"), stage.request("+15550002")
    await stage.driver.originate(ringing)
    await place_handed_over(stage, monkeypatch, talking)
    await stage.listener.kinds(ringing.attempt_id, Rang)
    may_return = await lose_connection(stage, monkeypatch)
    with pytest.raises(OriginateRefused) as refused:
        await stage.driver.originate(stage.request("+15550003"))
    assert refused.value.outcome.disposition is Disposition.CONGESTION
    # The callee hangs up, and an order releases the other: both work without events.
    callee = next(call for call in stage.peer.calls.values() if call.digit == "1")
    stage.peer.hang_up(callee)
    await stage.driver.release(ringing.attempt_id)
    async with asyncio.timeout(WAIT_S):
        await next(call for call in stage.peer.calls.values() if call.digit == "7").over.wait()
    may_return.set()
    assert not (await stage.listener.released(ringing.attempt_id)).was_answered
    assert (await stage.listener.released(talking.attempt_id)).was_answered
    await stage.listener.until(lambda: stage.listener.reports[-1].is_up)


async def test_what_is_answered_unheard_is_hung_up_by_asterisk(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would talk to the callee; and what became of the call is said to be unknown."""
    request = stage.request("+15550001")
    await stage.driver.originate(request)
    may_return = await lose_connection(stage, monkeypatch)
    async with asyncio.timeout(WAIT_S):
        while not stage.peer.calls:
            await stage.peer.arrived.wait()
        await next(iter(stage.peer.calls.values())).over.wait()
    may_return.set()
    released = await stage.listener.released(request.attempt_id)
    assert classify(released.cause, was_answered=released.was_answered) in (
        Disposition.INDETERMINATE,
        Disposition.ANSWERED,
    )


async def test_whoever_is_replaced_stays_away(stage: Stage) -> None:
    """Somebody else has opened the very application of this process."""
    other = AsteriskDriver(SystemClock())
    other._process = stage.driver._process
    await other.start()
    listener = Listener(other)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listener.run())
        await other.use_trunks([stage.trunk])
        await listener.until(lambda: bool(listener.reports))
        await stage.listener.until(lambda: not stage.listener.reports[-1].is_up)
        assert "another process" in stage.listener.reports[-1].text
        await other.stop()


async def test_a_connection_without_events_is_opened_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asterisk cleans up after an old connection when the new one is there: the pulse does not come back."""
    link = link_of(stage)
    request = link.ari.request

    async def pulse_is_lost(method: str, path: str, **more: Any) -> Any:
        return None if path.startswith("/events/user") else await request(method, path, **more)

    monkeypatch.setattr("ringoff.telephony.asterisk.link.PULSE_ANSWER_S", 0.1)
    monkeypatch.setattr(link.ari, "request", pulse_is_lost)
    await stage.listener.until(lambda: not stage.listener.reports[-1].is_up)
    monkeypatch.undo()
    await stage.listener.until(lambda: stage.listener.reports[-1].is_up)
    assert "events have stopped" in stage.listener.reports[-2].text


async def test_a_call_of_unknown_fate_does_not_ring_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asterisk took the request, its answer was lost: what rings is nobody's and is cancelled; no end is reported."""
    link = link_of(stage)
    post = link.ari.post_until

    async def lose_answer(path: str, body: Mapping[str, Any], send_until: float) -> Any:
        await post(path, body, send_until)
        raise AriUnreachable("the answer was lost", has_left=True)

    monkeypatch.setattr(link.ari, "post_until", lose_answer)
    request = stage.request("+75550001")
    with pytest.raises(OriginateUnknown):
        await stage.driver.originate(request)
    await over_without_answer(stage)
    assert not any(isinstance(event, Answered | Released) for seen in stage.listener.seen.values() for event in seen)


async def test_an_originate_that_is_given_up_does_not_ring_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    link, is_sent = link_of(stage), asyncio.Event()
    post = link.ari.post_until

    async def answer_never(path: str, body: Mapping[str, Any], send_until: float) -> Any:
        await post(path, body, send_until)
        is_sent.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(link.ari, "post_until", answer_never)
    sending = asyncio.create_task(stage.driver.originate(stage.request("+75550001")))
    async with asyncio.timeout(WAIT_S):
        await is_sent.wait()
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    await over_without_answer(stage)
    assert not any(isinstance(event, Answered | Released) for seen in stage.listener.seen.values() for event in seen)


async def test_a_release_that_comes_before_asterisk_knows_the_call(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = link_of(stage)
    post = link.ari.post_until
    request = stage.request("+75550001")

    async def release_first(path: str, body: Mapping[str, Any], send_until: float) -> Any:
        await stage.driver.release(request.attempt_id)
        return await post(path, body, send_until)

    monkeypatch.setattr(link.ari, "post_until", release_first)
    await stage.driver.originate(request)
    assert not (await stage.listener.released(request.attempt_id)).was_answered


async def over_without_answer(stage: Stage) -> None:
    """The channel is gone from Asterisk; the peer was cancelled, or was never reached."""
    async with asyncio.timeout(WAIT_S):
        while await stage.driver.live():  # noqa: ASYNC110 - Asterisk tells nobody of a call that is nobody's
            await asyncio.sleep(0.02)
    assert not any(call.is_answered for call in stage.peer.calls.values())
