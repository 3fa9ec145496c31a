"""Lets go of what is old once an hour, where a setting says how long things are kept."""

from typing import Any, Protocol

import structlog

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.ports import Clock

log = structlog.get_logger()

_EVERY_S = 3_600.0


class RetentionWork(Protocol):
    """One run, without the when; see ``operations.retention``."""

    async def run(self) -> Any: ...


class Retainer:
    """One loop, ``run``. Any number may run: a second one at the same time does nothing."""

    def __init__(self, *, clock: Clock, limits: DispatchLimits, work: RetentionWork) -> None:
        self._clock = clock
        self._limits = limits
        self._work = work

    async def run(self) -> None:
        while True:
            try:
                await self._work.run()
            except (DatabaseUnavailable, SerializationConflict) as error:
                log.warning("retention waits for the database", reason=error.message)
                await self._clock.sleep(self._limits.backoff_s)
                continue
            await self._clock.sleep(_EVERY_S)
