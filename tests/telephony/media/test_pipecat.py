"""The example agent that is built with Pipecat, against the gateway: it says back what the callee says."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringoff.clock import SystemClock
from ringoff.telephony.media.gateway import HeardMark, MediaGateway, PressedDigit, StreamEnd
from ringoff.telephony.media.twilio_messages import StreamStart
from tests.support.agents import EXAMPLES
from tests.support.asterisk import free_ports

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
TONE = bytes([0x20, 0xA0] * 80)
UP_WITHIN_S = 60.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def python() -> str:
    """A Python that has Pipecat: it is no dependency of ours."""
    python = os.environ.get("RINGOFF_PIPECAT_PYTHON", sys.executable)
    if not Path(python).exists():
        pytest.skip(f"there is no {python}")
    found = subprocess.run([python, "-c", "import pipecat, fastapi, uvicorn"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip('Pipecat is not installed: pip install "pipecat-ai[websocket]" uvicorn somewhere, and name its '
                    "Python in RINGOFF_PIPECAT_PYTHON")  # fmt: skip
    return python


class SpeakingLeg:
    """A callee that speaks a tone until something of it has come back."""

    def __init__(self) -> None:
        self.came_back = asyncio.Event()

    async def play(self, audio: bytes) -> None:
        if any(byte not in (0x7F, 0xFF) for byte in audio):
            self.came_back.set()

    async def mark(self, number: int) -> None: ...
    async def flush(self) -> None: ...
    async def receive(self) -> bytes | HeardMark | PressedDigit | None:
        if self.came_back.is_set():
            return None
        await asyncio.sleep(0.02)
        return TONE


async def test_a_pipecat_agent_hears_and_speaks(python: str) -> None:
    port = free_ports(1)[0]
    agent = await asyncio.create_subprocess_exec(
        python, str(EXAMPLES / "pipecat_agent.py"), "--port", str(port), stderr=subprocess.DEVNULL
    )
    gateway = MediaGateway(SystemClock())
    await gateway.start()
    try:
        async with asyncio.timeout(UP_WITHIN_S):
            # Another process comes up when it does.
            while (websocket := await gateway.connect(f"ws://127.0.0.1:{port}/")) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            leg = SpeakingLeg()
            end = await gateway.carry(leg, websocket, StreamStart("CA-1", "MZ-1", {"callee_name": "Asha"}))
        assert leg.came_back.is_set()
        assert end is StreamEnd.CALLEE
    finally:
        await gateway.stop()
        agent.terminate()
        await agent.wait()
