"""Named gates: a race test holds a task at a point of the product's code, and lets it go."""

import asyncio
from collections import defaultdict


class Gates:
    """Passed to the product as its ``gate``. A name that nobody holds lets everybody through."""

    def __init__(self) -> None:
        self._held: dict[str, asyncio.Event] = {}
        self._reached: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def __call__(self, name: str) -> None:
        held = self._held.get(name)
        if held is not None:
            self._reached[name].set()
            await held.wait()

    def hold(self, name: str) -> None:
        self._held[name] = asyncio.Event()
        self._reached[name].clear()

    def release(self, name: str) -> None:
        self._held.pop(name).set()

    async def reached(self, name: str) -> None:
        """Until a task stands at the gate."""
        async with asyncio.timeout(20):
            await self._reached[name].wait()
