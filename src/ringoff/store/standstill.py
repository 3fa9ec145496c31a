"""Ends sessions of ours whose process stands still in the middle of a statement: PostgreSQL has no time limit for that.

Between parsing a statement and the arguments of its first use, within a COPY, and while an answer is not taken, a
session is not idle, and a statement's time limit counts only once its client says something. A process that is stopped
there would keep its locks for as long as it is stopped, and an order would wait for them. So other processes look.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from ringoff.domain.errors import DatabaseUnavailable
from ringoff.ports import Clock
from ringoff.store.connection import Connection
from ringoff.store.primary import Primary
from ringoff.store.sql_loader import load

log = structlog.get_logger()

_SQL = load("postgres")
_WAITING_FOR_CLIENTS, _END_WAITING = _SQL["waiting_for_clients"], _SQL["end_waiting"]
LOOK_EVERY_S: Final = 1.0
CONNECTION_TROUBLE: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DatabaseUnavailable,
)
OF_REQUESTS_S: Final = 10.0
"""As long as a session of a request may idle within its transaction."""


@dataclass(frozen=True, slots=True)
class _Seen:
    doing: str
    since_s: float


class Standstills:
    """What one process has seen of the sessions of all."""

    def __init__(self, originate_timeout_s: float) -> None:
        self._of_loops_s = originate_timeout_s
        self._seen: dict[int, _Seen] = {}

    async def look(self, connection: Connection, now_s: float) -> int:
        """End what has stood still since an earlier look for too long; how many. ``now_s`` rises steadily."""
        seen: dict[int, _Seen] = {}
        ended_count = 0
        for pid, name, is_of_loops, doing in await connection.fetch(_WAITING_FOR_CLIENTS):
            before = self._seen.get(pid)
            seen[pid] = before if before is not None and before.doing == doing else _Seen(doing, now_s)
            stood_s = now_s - seen[pid].since_s
            limit_s = self._of_loops_s if is_of_loops else OF_REQUESTS_S
            # Unless it has moved meanwhile.
            if stood_s >= limit_s and await connection.fetchval(_END_WAITING, pid, doing):
                ended_count += 1
                log.warning("a database session whose process stood still was ended", session=name, stood_s=stood_s)
        self._seen = seen
        return ended_count

    async def run(self, primary: Primary, clock: Clock) -> None:
        """Look every second, on a server of our own that somebody else keeps running; until cancelled."""
        while True:
            with suppress(*CONNECTION_TROUBLE):
                session = await primary.connect({})
                try:
                    while True:
                        await self.look(session, clock.monotonic())
                        await clock.sleep(LOOK_EVERY_S)
                finally:
                    session.terminate()
            await clock.sleep(LOOK_EVERY_S)
