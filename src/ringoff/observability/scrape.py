"""One scrape: a small look at the database, bounded in time and shared by those who scrape together, then the text."""

import asyncio
from typing import Final

import structlog

from ringoff.domain.errors import DatabaseUnavailable, SerializationConflict
from ringoff.domain.readings import Reading
from ringoff.observability.metrics import Metrics
from ringoff.ports import Clock, Store

log = structlog.get_logger()

_KEEP_S: Final = 1.0
"""Anybody may scrape: the database is looked at no more often than this."""
_LOOK_MAX_S: Final = 2.0
"""A scrape without the database is worth more than one that the scraper gives up."""


class Scrape:
    """What answers ``/metrics``. ``text`` may be asked for by any number at a time."""

    def __init__(self, *, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None

    async def text(self) -> bytes:
        """The text exposition format; never raises for what the database does."""
        async with self._looking:
            if self._looked_at is None or self._clock.monotonic() - self._looked_at >= _KEEP_S:
                self._metrics.read(await self._look(), self._store.pool_use())
                self._looked_at = self._clock.monotonic()
        return self._metrics.render()

    async def _look(self) -> Reading | None:
        try:
            async with asyncio.timeout(_LOOK_MAX_S), self._store.dispatch_transaction() as tx:
                return await tx.readings.read()
        except (DatabaseUnavailable, SerializationConflict, TimeoutError) as error:
            log.warning("a scrape could not read the database", reason=str(error) or "no answer in time")
            return None
