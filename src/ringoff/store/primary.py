"""The one server that may write: found among the hosts of a URL, remembered, and let go when another has replaced it.

All hosts are asked at once, so that one that has fallen off the net never stands in the way of one that answers.
Two may call themselves primary when the old one was only cut off: each promotion begins a new timeline, and the latest
one that this process has seen is the one that it follows.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakSet

import asyncpg
import structlog
from asyncpg.connect_utils import SessionAttribute

from ringoff.domain.errors import DatabaseUnavailable
from ringoff.store.hosts import Host, hosts_of
from ringoff.store.schema import APPLICATION_NAME
from ringoff.store.sql_loader import load
from ringoff.store.translation import transaction_pooling

if TYPE_CHECKING:
    _Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection

log = structlog.get_logger()

_SQL = load("postgres")
_SET_UP, _CONFIRM_COMMITS = _SQL["set_up"], _SQL["confirm_commits"]
_INCARNATION, _TIMELINE = _SQL["incarnation"], _SQL["timeline"]
_BACKEND_PID = _SQL["backend_pid"]
CONNECTION_TROUBLE: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DatabaseUnavailable,
)
"""Whatever connecting to a primary raises, and asking one that goes away."""
_POOLER_TRIES = 3
# An answer that took longer tells the time of some instant within it.
_TIME_TRIP_MAX_S = 0.5
_CONNECT_TIMEOUT_S = 5.0
# Of several hosts one may be a black hole; whoever waits for it cannot notice that another has been promoted.
_CONNECT_TIMEOUT_OF_SEVERAL_S = 3.0
# A primary that nobody has seen before gives the others this long to say that they are a later one.
_ELECTION_S = 0.3


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One life of one server as the primary: another one has none of the locks that were taken in it."""

    system_id: str
    """The same for a primary and its standbys; empty where the server does not tell."""
    timeline: int
    """Grows with each promotion; 0 where the server does not tell."""
    started_at: str

    def is_before(self, other: "Incarnation") -> bool:
        """Whether ``other`` was promoted out of the same database later."""
        return bool(self.timeline) and self.system_id == other.system_id and self.timeline < other.timeline


class Session(_Connection):
    """A connection to a primary that knows which one."""

    incarnation: Incarnation
    backend_pid: int
    clock_read: tuple[datetime, float]
    """The server's time, and when that was by the loop's."""
    is_pooled: bool
    """Whether something stands between us and PostgreSQL: the process that answers is not the one that was promised."""


class Primary:
    """What this process knows of the database's servers. Its connections are set up alike, and cut together."""

    def __init__(self, dsn: str) -> None:
        """``InvalidInput`` for a URL that cannot be meant."""
        self._dsn = dsn
        self._hosts = hosts_of(dsn)
        self._sessions: WeakSet[Session] = WeakSet()
        self._latest: Incarnation | None = None
        self._seen_at = 0.0
        self._has_raised = False
        self._is_pooled = False
        self._clock_read: tuple[datetime, float] | None = None
        self.is_unconfirmed = False
        """Commits wait for a synchronous standby that does not answer."""

    async def connect(
        self, settings: Mapping[str, str], application_name: str = APPLICATION_NAME, *, hears_all: bool = False
    ) -> Session:
        """A new session with ``settings`` on the latest primary; ``DatabaseUnavailable`` when there is none.

        With ``hears_all`` the one that is followed is not enough: whoever else answers soon may have replaced it.
        Raises what the driver raises where no host could be asked.
        """
        limit_s = _CONNECT_TIMEOUT_OF_SEVERAL_S if self._hosts else _CONNECT_TIMEOUT_S
        if not self._hosts:
            async with asyncio.timeout(limit_s):
                return self._taken(await self._open(None, settings, application_name))
        tasks = [
            asyncio.ensure_future(self._limited(limit_s, host, settings, application_name)) for host in self._hosts
        ]
        chosen = None
        try:
            chosen = await self._elect(tasks, hears_all=hears_all)
        finally:
            for task in tasks:
                task.cancel()
            for session in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(session, Session) and session is not chosen:
                    session.terminate()
        return self._taken(chosen)

    async def _limited(self, limit_s: float, host: Host, settings: Mapping[str, str], name: str) -> Session:
        async with asyncio.timeout(limit_s):
            return await self._open(host, settings, name)

    async def _elect(self, tasks: "Sequence[asyncio.Future[Session]]", *, hears_all: bool) -> Session:
        """The latest of those who answer as a primary. One that we follow already need not wait for the others."""
        pending, found = set(tasks), list[Session]()
        while pending and (hears_all or not any(session.incarnation == self._latest for session in found)):
            done, pending = await asyncio.wait(
                pending, timeout=_ELECTION_S if found else None, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            found += [task.result() for task in done if task.exception() is None]
        if found:
            return max(found, key=lambda session: session.incarnation.timeline)
        errors = [error for task in tasks if (error := task.exception()) is not None]
        # What a server says is more to the point than that another could not be reached.
        raise next((error for error in errors if not isinstance(error, OSError)), errors[0])

    async def _open(self, host: Host | None, settings: Mapping[str, str], application_name: str) -> Session:
        address: dict[str, Any] = {} if host is None else {"host": host.name, "port": host.port}
        session = await asyncpg.connect(
            self._dsn,
            connection_class=Session,
            server_settings={"application_name": application_name},
            target_session_attrs=SessionAttribute.any,
            **address,
        )
        try:
            await self._set_up(session, settings, host)
        except BaseException:
            session.terminate()
            raise
        return session

    async def _set_up(self, session: Session, settings: Mapping[str, str], host: Host | None) -> None:
        asked_at = asyncio.get_running_loop().time()
        row = await session.fetchrow(_INCARNATION)
        assert row is not None, "one row always"
        if row["is_standby"]:
            raise DatabaseUnavailable(f"{host or 'the database'} is a standby, not a primary")
        await session.fetch(_SET_UP, list(settings), list(settings.values()))
        commits = await session.fetchrow(_CONFIRM_COMMITS)
        assert commits is not None, "one row always"
        if commits["is_raised"] and not self._has_raised:
            self._has_raised = True
            log.warning("synchronous_commit was raised to on for our sessions: an acknowledgement rests on it")
        system_id, timeline = await _timeline(session)
        session.incarnation = Incarnation(system_id, timeline, row["started_at"])
        session.backend_pid = row["backend_pid"]
        session.clock_read = row["now"], (asked_at + asyncio.get_running_loop().time()) / 2
        session.is_pooled = session.get_server_pid() != session.backend_pid

    def _taken(self, session: Session) -> Session:
        """Follow it, unless a later one has been seen: then this one has been replaced and does not know."""
        latest, found = self._latest, session.incarnation
        if latest is not None and found.is_before(latest):
            session.terminate()
            raise DatabaseUnavailable(
                f"the server that answers as primary is of timeline {found.timeline}; timeline {latest.timeline} has"
                " replaced it"
            )
        if found != latest:
            if latest is not None:
                log.warning("another primary is followed", timeline=found.timeline, timeline_before=latest.timeline)
            self._latest, self._seen_at = found, asyncio.get_running_loop().time()
        self._is_pooled = self._is_pooled or session.is_pooled
        self._clock_read = session.clock_read
        self._sessions.add(session)
        return session

    async def refuse_transaction_pooling(self) -> None:
        """``InvalidInput`` when a pooler answers that shares its server sessions between transactions.

        Nothing that it says tells so. One session looks whether it stays the same while others hold transactions.
        """
        if not self._is_pooled:
            return
        async with AsyncExitStack() as opened:
            ours = await self._kept(opened)
            for _other in range(_POOLER_TRIES):
                other = await self._kept(opened)
                await other.execute("BEGIN")
                theirs = await other.fetchval(_BACKEND_PID)
                if theirs == ours.backend_pid or await ours.fetchval(_BACKEND_PID) != ours.backend_pid:
                    raise transaction_pooling()

    async def _kept(self, opened: AsyncExitStack) -> Session:
        session = await self.connect({})
        opened.callback(session.terminate)
        return session

    def saw(self, now: datetime, asked_at: float) -> None:
        """The primary has told its time; ``asked_at`` is the loop's when it was asked."""
        heard_at = asyncio.get_running_loop().time()
        if heard_at - asked_at < _TIME_TRIP_MAX_S:
            self._clock_read = now, (asked_at + heard_at) / 2

    def now(self) -> datetime:
        """The primary's time, as it told it last and carried on steadily. Only once connected."""
        assert self._clock_read is not None, "asked before the first connection"
        read, at = self._clock_read
        return read + timedelta(seconds=asyncio.get_running_loop().time() - at)

    def quiet_left_s(self, quiet_s: float) -> float:
        """How much is left of the first ``quiet_s`` seconds in which this process knows the present primary."""
        return self._seen_at + quiet_s - asyncio.get_running_loop().time()

    def cut(self, keep: Incarnation | None) -> int:
        """End every session on another incarnation than ``keep``, whatever waits on it; how many there were."""
        others = [s for s in self._sessions if s.incarnation != keep and not s.is_closed()]
        for session in others:
            session.terminate()
        return len(others)

    @property
    def latest(self) -> Incarnation | None:
        """The one that this process follows; None before it has met one."""
        return self._latest

    @property
    def has_several_hosts(self) -> bool:
        return bool(self._hosts)


async def _timeline(session: Session) -> tuple[str, int]:
    """Nothing of it on a server that does not tell (some managed ones do not)."""
    try:
        row = await session.fetchrow(_TIMELINE)
    except asyncpg.PostgresError:
        return "", 0
    assert row is not None, "one row always"
    return row["system_id"], int(row["timeline"], 16)
