"""Carries out erasures of persons' data at leisure: a batch, a rest as long as the batch took, and so on."""

from typing import Protocol

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.ports import Clock

log = structlog.get_logger()

_REST_SHARE = 1.0
"""Half of the time is work, so that dialling keeps its share of the database."""


class ErasureWork(Protocol):
    """What is done in a batch, without the when; see ``operations.erasures``."""

    async def step(self) -> int | None:
        """Rows that were read; None when there is nothing to do at the moment."""


class Eraser:
    """One loop, ``run``. Any number may run: the erasures of one workspace are in one process's hands at a time."""

    def __init__(self, *, clock: Clock, limits: DispatchLimits, work: ErasureWork) -> None:
        self._clock = clock
        self._limits = limits
        self._work = work

    async def run(self) -> None:
        while True:
            begun = self._clock.monotonic()
            try:
                read_count = await self._work.step()
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("erasing waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)
                continue
            if read_count is None:
                await self._clock.sleep(self._limits.poll_s)
            else:
                await self._clock.sleep((self._clock.monotonic() - begun) * _REST_SHARE)
