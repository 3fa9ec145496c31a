"""Answering machine detection in a real Asterisk: off unless a trunk asks for it, and never a call that hangs in it."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.carrier import AnswerHandling, HandlingKind
from ringoff.domain.events import Answered
from ringoff.telephony.asterisk.ari import AriRefused
from ringoff.telephony.asterisk.call import AsteriskCall
from ringoff.telephony.asterisk.handover import Handover
from ringoff.telephony.asterisk.machine import MachineDetection
from tests.telephony.asterisk.conftest import Stage, trunk_of

pytestmark = pytest.mark.anyio
SILENCE, VOICE = 0xFF, 0x00
HUMAN = ((200, VOICE), (1500, SILENCE))
MACHINE = ((3000, VOICE),)
# What is played ends the call: one that was handed over ends by itself.
RECORDING = AnswerHandling(HandlingKind.PLAY, "number:1")


def with_detection(stage: Stage, **changes: str) -> Stage:
    """The same, on a trunk that looks for machines."""
    config = {**stage.trunk.config, "amd_context": "detect", **changes}
    return replace(stage, trunk=replace(stage.trunk, config=config))


def note_hand_overs(stage: Stage) -> list[str]:
    """Fills with the channels that get as far as their agent."""
    noted: list[str] = []
    hand_over = stage.driver._detection._hand_over

    async def note(call: AsteriskCall) -> None:
        noted.append(call.channel_id)
        await hand_over(call)

    stage.driver._detection._hand_over = note
    return noted


@pytest.mark.parametrize(
    ("heard", "on_machine", "is_machine", "goes_on"),
    [
        (HUMAN, "hangup", False, True),
        (MACHINE, "hangup", True, False),
        (MACHINE, "continue", True, True),
    ],
    ids=["human", "machine", "machine that is talked to"],
)
async def test_who_has_answered(
    stage: Stage, heard: tuple[tuple[int, int], ...], on_machine: str, is_machine: bool, goes_on: bool
) -> None:
    stage = with_detection(stage, amd_on_machine=on_machine)
    await stage.driver.use_trunks([stage.trunk])
    request = stage.request("+15550001", RECORDING)
    await stage.driver.originate(request)
    await stage.listener.kinds(request.attempt_id, Answered)
    handed_over = note_hand_overs(stage)
    speaking = asyncio.create_task(stage.peer.rtp.speak(*heard))
    released = await stage.listener.released(request.attempt_id)
    speaking.cancel()
    assert released.was_answered
    assert released.voicemail_detected is is_machine
    assert not released.agent_failed
    assert handed_over == [str(request.attempt_id)] * goes_on


async def test_a_silent_line_is_handed_over(stage: Stage) -> None:
    """Nothing at all is heard, not even silence: Asterisk is not sure, and the agent may be."""
    stage = with_detection(stage)
    await stage.driver.use_trunks([stage.trunk])
    handed_over = note_hand_overs(stage)
    request = stage.request("+15550001", RECORDING)
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    assert not released.voicemail_detected
    assert not released.agent_failed
    assert handed_over == [str(request.attempt_id)]


async def test_a_callee_who_hangs_up_meanwhile_was_answered(stage: Stage) -> None:
    stage = with_detection(stage)
    await stage.driver.use_trunks([stage.trunk])
    request = stage.request("+25550001")
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert not released.agent_failed


@pytest.mark.parametrize("context", ["not-there", "never-back"])
async def test_a_context_that_brings_nobody_back_is_a_failure_of_ours(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, context: str
) -> None:
    monkeypatch.setattr("ringoff.telephony.asterisk.machine.DETECTION_S_MAX", 1.0)
    stage = with_detection(stage, amd_context=context)
    await stage.driver.use_trunks([stage.trunk])
    request = stage.request("+15550001")
    await stage.driver.originate(request)
    released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert released.agent_failed


async def test_an_order_ends_a_call_that_is_being_looked_at(stage: Stage) -> None:
    stage = with_detection(stage, amd_context="never-back")
    await stage.driver.use_trunks([stage.trunk])
    request = stage.request("+15550001")
    await stage.driver.originate(request)
    await stage.listener.kinds(request.attempt_id, Answered)
    await stage.driver.release(request.attempt_id)
    released = await stage.listener.released(request.attempt_id)
    assert released.was_answered
    assert not released.agent_failed


class GoneChannel:
    """An ARI whose channel goes between two requests."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def request(self, *_: Any, **__: Any) -> None:
        raise AriRefused(404, "Channel not found")

    async def delete(self, path: str) -> None:
        self.deleted.append(path)


@pytest.mark.parametrize("is_release_wanted", [True, False])
async def test_a_detection_that_finds_no_channel(is_release_wanted: bool) -> None:
    """After an order to hang up it is the end that was asked for, and no failure of an agent."""
    trunk, ari = trunk_of("http://127.0.0.1:8088", 5060, amd_context="detect"), GoneChannel()
    request = Stage.request(cast(Any, SimpleNamespace(trunk=trunk)), "+15550001")
    call = AsteriskCall(request, cast(Any, SimpleNamespace(app="app", ari=ari)), trunk.config)
    call.is_release_wanted = is_release_wanted
    handover = Handover(cast(Any, None))
    await MachineDetection(SystemClock(), hand_over=handover.run, hang_up=handover.hang_up).run(call)
    assert ari.deleted == [f"/channels/{call.channel_id}"]
    assert call.agent_failed is not is_release_wanted


def test_without_a_context_nothing_is_looked_for() -> None:
    assert trunk_of("http://127.0.0.1:8088", 5060).config["amd_context"] == ""
