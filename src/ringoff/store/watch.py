"""Watches the primary from aside: whether it answers, confirms, was replaced, and whether sessions on it stand still.

A connection to a host that fell off the net says nothing, for many minutes. So one connection of its own commits a mark
every second; when that takes long, the hosts are asked anew, and connections that lead to nobody are cut, whatever
waits on them. Work that was cut is unknown, as after a crash; its loops begin again on the primary that answers.
"""

import asyncio
from typing import Any

import asyncpg
import structlog

from ringoff.domain.errors import DatabaseUnavailable
from ringoff.ports import Clock
from ringoff.store.primary import CONNECTION_TROUBLE, Primary, Session
from ringoff.store.sql_loader import load
from ringoff.store.standstill import LOOK_EVERY_S, Standstills

log = structlog.get_logger()

_MARK = load("postgres")["mark"]
_SILENT_S = 2.0
"""After which a mark that has not been committed makes us look around."""
_UNCONFIRMED_S = 5.0
"""After which commits are taken to wait for a synchronous standby that is away."""


class PrimaryWatch:
    """One loop; runs until it is cancelled."""

    def __init__(self, primary: Primary, clock: Clock, standstills: Standstills) -> None:
        self._primary = primary
        self._clock = clock
        self._standstills = standstills

    async def run(self) -> None:
        while True:
            try:
                session = await self._primary.connect({})
            except CONNECTION_TROUBLE as error:
                await self._look_around(error)
            else:
                try:
                    await self._follow(session)
                except CONNECTION_TROUBLE as error:
                    log.warning("the connection that watches the database was lost", reason=str(error))
                finally:
                    session.terminate()
            await self._clock.sleep(LOOK_EVERY_S)

    async def _follow(self, session: Session) -> None:
        while True:
            # Whoever connected last may have found a new primary by itself; what waits on the old one waits for nobody.
            self._tell_cut(self._primary.cut(self._primary.latest), "another primary is followed")
            await self._mark(session)
            await self._look_for_standstills(session)
            await self._clock.sleep(LOOK_EVERY_S)

    async def _mark(self, session: Session) -> None:
        """Returns when one commit has been confirmed, however long that takes."""
        asked_at = asyncio.get_running_loop().time()
        mark = asyncio.ensure_future(session.fetchval(_MARK))
        began_at = self._clock.monotonic()
        try:
            while not (await asyncio.wait({mark}, timeout=_SILENT_S))[0]:
                await self._look_around()
                if not mark.done() and self._clock.monotonic() - began_at >= _UNCONFIRMED_S:
                    self._tell_unconfirmed(is_unconfirmed=True)
            self._primary.saw(await mark, asked_at)
        finally:
            await _given_up(mark, session)
        self._tell_unconfirmed(is_unconfirmed=False)

    async def _look_for_standstills(self, session: Session) -> None:
        look = asyncio.ensure_future(self._standstills.look(session, self._clock.monotonic()))
        try:
            if not (await asyncio.wait({look}, timeout=_SILENT_S))[0]:
                raise DatabaseUnavailable(f"it did not say within {_SILENT_S:g} s who waits for whom")
            await look
        finally:
            await _given_up(look, session)

    def _tell_unconfirmed(self, *, is_unconfirmed: bool) -> None:
        if is_unconfirmed != self._primary.is_unconfirmed:
            self._primary.is_unconfirmed = is_unconfirmed
            if is_unconfirmed:
                log.error("commits wait for a synchronous standby that does not answer: nothing is acknowledged")
            else:
                log.warning("commits are confirmed again")

    async def _look_around(self, failure: Exception | None = None) -> None:
        """Cut what leads to nobody, or to a primary that has been replaced."""
        keep = None
        if failure is None:
            try:
                # One that lives on beside the one that has replaced it may always be the first to answer.
                probe = await self._primary.connect({}, hears_all=True)
            except CONNECTION_TROUBLE as error:
                failure = error
            else:
                keep = probe.incarnation
                probe.terminate()
        if isinstance(failure, asyncpg.PostgresError):
            return  # somebody answers, if only to refuse
        self._tell_cut(self._primary.cut(keep), str(failure))

    def _tell_cut(self, cut_count: int, reason: str) -> None:
        if cut_count:
            log.warning("connections to a server that is gone were cut", connections=cut_count, reason=reason)


async def _given_up(question: "asyncio.Future[Any]", session: Session) -> None:
    if not question.done():
        # Before the task is cancelled: the driver would ask the server to cancel, too.
        session.terminate()
        await asyncio.gather(question, return_exceptions=True)
