"""Tasks that nobody waits for, but that end with their owner."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class Errands:
    """Keeps a reference to each task; what fails is logged, ``stop`` cancels the rest and waits for it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, errand: Coroutine[Any, Any, None]) -> None:
        _ = self._keep(errand)

    def start_endless(self, errand: Coroutine[Any, Any, None]) -> Callable[[], object]:
        """Returns what ends it."""
        return self._keep(errand).cancel

    def _keep(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the Asterisk driver broke", exc_info=error)
