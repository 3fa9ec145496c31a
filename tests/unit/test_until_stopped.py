"""What runs beside the server begins again when it fails, and ends when the process does."""

import asyncio

import pytest

from ringoff.process import until_stopped
from tests.support.virtual_clock import VirtualClock

pytestmark = pytest.mark.anyio


async def test_it_begins_again_and_ends_when_told() -> None:
    begun: list[int] = []
    works, stopping = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise RuntimeError("unexpected")
        works.set()
        await asyncio.Event().wait()

    clock = VirtualClock()
    running = asyncio.create_task(until_stopped(work, stopping, clock))
    async with asyncio.timeout(10):
        await clock.advance(5)
        assert works.is_set()
        assert begun == [0, 1, 2]
        stopping.set()
        await running
