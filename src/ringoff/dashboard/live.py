"""What open pages show now: each figure is read and rendered once a tick, and the same bytes go to every tab.

A tab that is slow misses ticks and gets the newest: a payload is a state, never a change.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from ringoff.domain.errors import RingoffError, TooLarge
from ringoff.ports import Clock

EVERY_S: Final = 1.0
"""A tick: however much happens, no tab is told more often."""
STREAMS_MAX: Final = 1_000
STREAMS_OF_GROUP_MAX: Final = 300
"""Of one workspace: no tenant can take the tabs of all others."""
RENDER_S: Final = 5.0
"""How long one topic may take; it is tried again with the next tick, and the others have their turn."""
_AT_ONCE_MAX: Final = 4
NO_MORE: Final = b""
"""In the place of an event: the stream ends here."""

Render = Callable[[], Awaitable[str]]
log = structlog.get_logger()


@dataclass(slots=True)
class _Topic:
    render: Render
    tabs: set["asyncio.Queue[bytes]"] = field(default_factory=set)
    newest: bytes = b""


class Broadcaster:
    """One loop, ``run``, reads what at least one open tab shows."""

    def __init__(self, clock: Clock, every_s: float = EVERY_S, render_s: float = RENDER_S) -> None:
        self._clock = clock
        self._every_s = every_s
        self._render_s = render_s
        self._topics: dict[Hashable, _Topic] = {}
        self._count_by_group: Counter[Hashable] = Counter()
        self._is_closed = False

    def close(self) -> None:
        """End every stream: each of its tabs is given ``NO_MORE``, and connects again, to a process that goes on."""
        self._is_closed = True
        for topic in self._topics.values():
            for tab in topic.tabs:
                _put(tab, NO_MORE)

    @asynccontextmanager
    async def subscribed(
        self, key: Hashable, render: Render, group: Hashable = None
    ) -> AsyncIterator["asyncio.Queue[bytes]"]:
        """The newest events of a topic, for as long as the context lasts. ``TooLarge`` when too many tabs are open."""
        self.require_room(group)
        topic = self._topics.setdefault(key, _Topic(render))
        tab: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        topic.tabs.add(tab)
        self._count_by_group[group] += 1
        if self._is_closed:
            tab.put_nowait(NO_MORE)
        elif topic.newest:
            tab.put_nowait(topic.newest)
        try:
            yield tab
        finally:
            self._count_by_group[group] -= 1
            self._count_by_group += Counter()  # forgets groups that have no tab any more
            topic.tabs.discard(tab)
            if not topic.tabs and self._topics.get(key) is topic:
                del self._topics[key]

    def require_room(self, group: Hashable = None) -> None:
        """``TooLarge`` when too many tabs are open: for before an answer is begun, when that can still be said."""
        if self._count_by_group[group] >= STREAMS_OF_GROUP_MAX:
            raise TooLarge(f"at most {STREAMS_OF_GROUP_MAX} pages of a workspace can be kept live at once")
        if self._count_by_group.total() >= STREAMS_MAX:
            raise TooLarge(f"at most {STREAMS_MAX} pages can be kept live at once")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._every_s)
            await self.tick()

    async def tick(self) -> None:
        """Read and tell whatever some tab shows. What has not changed is not told again."""
        free = asyncio.Semaphore(_AT_ONCE_MAX)
        async with asyncio.TaskGroup() as tasks:
            for key, topic in list(self._topics.items()):
                tasks.create_task(self._tell(key, topic, free))

    async def _tell(self, key: Hashable, topic: _Topic, free: asyncio.Semaphore) -> None:
        async with free:
            try:
                async with asyncio.timeout(self._render_s):
                    payload = event(await topic.render())
            except TimeoutError:
                payload = event(f"the figures took longer than {self._render_s:g} s", name="trouble")
            except RingoffError as error:
                payload = event(error.message, name="trouble")
            except Exception:
                log.exception("a live page could not be rendered", topic=str(key))
                return
        if payload == topic.newest or self._is_closed:
            return
        topic.newest = payload
        for tab in topic.tabs:
            _put(tab, payload)


def _put(tab: "asyncio.Queue[bytes]", payload: bytes) -> None:
    if tab.full():
        tab.get_nowait()
    tab.put_nowait(payload)


def event(content: str, name: str | None = None) -> bytes:
    """One event of a stream (WHATWG HTML, server-sent events). Without a name, a page swaps it in."""
    lines = [] if name is None else [f"event: {name}"]
    lines += [f"data: {line}" for line in content.splitlines() or [""]]
    return ("\n".join(lines) + "\n\n").encode()
