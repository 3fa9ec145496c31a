"""Ends sessions of ours whose process stands still in the middle of a statement: PostgreSQL has no time limit for that.

Between parsing a statement and the arguments of its first use, within a COPY, and while an answer is not taken, a
session is not idle, and a statement's time limit counts only once its client says something. A process that is stopped
there would keep its locks for as long as it is stopped, and an order would wait for them. So other processes look.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from ringoff.ports import Clock
from ringoff.store.connection import Connection
from ringoff.store.primary import CONNECTION_TROUBLE, Primary
from ringoff.store.sql_loader import load

log = structlog.get_logger()

_END_STANDING_STILL = load("postgres")["end_standing_still"]
LOOK_EVERY_S: Final = 1.0
OF_REQUESTS_S: Final = 10.0
"""As long as a session of a request may idle within its transaction."""


@dataclass(frozen=True, slots=True)
class _Seen:
    doing: str
    since_s: float
    limit_s: float


class Standstills:
    """What one process has seen of the sessions of all."""

    def __init__(self, originate_timeout_s: float) -> None:
        self._of_loops_s = originate_timeout_s
        self._seen: dict[int, _Seen] = {}

    async def look(self, connection: Connection, now_s: float) -> int:
        """End what has stood still since an earlier look for too long; how many. ``now_s`` rises steadily."""
        before = self._seen
        due = {pid: seen.doing for pid, seen in before.items() if now_s - seen.since_s >= seen.limit_s}
        self._seen, ended_count = {}, 0
        for row in await connection.fetch(_END_STANDING_STILL, list(due), list(due.values())):
            seen = before.get(row["pid"])
            if seen is None or seen.doing != row["doing"]:
                seen = _Seen(row["doing"], now_s, self._of_loops_s if row["is_of_loops"] else OF_REQUESTS_S)
            self._seen[row["pid"]] = seen
            if row["is_ended"]:
                ended_count += 1
                log.warning(
                    "a database session whose process stood still was ended",
                    session=row["session"],
                    stood_s=round(now_s - seen.since_s, 1),
                )
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
