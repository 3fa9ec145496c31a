"""Actors that stand still at every named gate and at every commit, and move one at a time, when the test says so.

Who waits for a lock is read from PostgreSQL's own table of locks, by the backend of the actor's open transaction. So
a schedule is a list of choices, and the same choices give the same run.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar, copy_context
from types import TracebackType
from typing import Any, Self

from ringoff.store.connection import Connection
from ringoff.store.postgres import PostgresStore, connect_once
from ringoff.store.transaction import PostgresTransaction

COMMIT = "commit"
"""The gate before the COMMIT of a transaction that has no ``….before_commit`` of its own."""

_TIMEOUT_S = 30.0
_LOOP_TURNS = 10
"""Turns of the event loop in which a task that waits for nothing outside gets to its next gate or its end."""

# Relation and extension locks are PostgreSQL's own business and pass by themselves.
_WAITING = """
    SELECT array_agg(pid) FROM pg_locks
    WHERE NOT granted AND locktype IN ('advisory', 'transactionid', 'tuple') AND pid = ANY($1)
"""

# Told to end, and counted until they have.
_ENDED = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ANY($1)"

_acting: "ContextVar[Actor | None]" = ContextVar("acting", default=None)


class Actor:
    """One task of a race with all tasks that it starts; it moves only when it is stepped."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.backend: int | None = None
        """The server process of its open transaction."""
        self.last_gate = ""
        self.task: asyncio.Task[None]
        self._log = log
        self._standing: deque[tuple[str, asyncio.Event]] = deque()

    @property
    def stands_at(self) -> str | None:
        return self._standing[0][0] if self._standing else None

    @property
    def is_over(self) -> bool:
        return self.task.done()

    @property
    def is_running(self) -> bool:
        return not self._standing and not self.task.done()

    async def stand(self, gate: str) -> None:
        self.last_gate = gate
        go = asyncio.Event()
        place = (gate, go)
        self._standing.append(place)
        try:
            await go.wait()
        finally:
            if place in self._standing:
                self._standing.remove(place)

    def let_go(self) -> None:
        gate, go = self._standing.popleft()
        self._log.append(f"{self.name}: {gate}")
        go.set()


class Stepper:
    """The ``gate`` of every product object in a race, and the one that moves the actors. Use as a context."""

    def __init__(self, observer: Connection) -> None:
        self.actors: list[Actor] = []
        self.log: list[str] = []
        """Every step that was made: who was let go from where."""
        self._observer = observer

    @classmethod
    @asynccontextmanager
    async def on(cls, dsn: str) -> AsyncIterator[Self]:
        observer = await connect_once(dsn)
        try:
            async with cls(observer) as stepper:
                yield stepper
        finally:
            await observer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.clear()

    async def __call__(self, name: str) -> None:
        """What the product awaits. Tasks that are nobody's actor pass."""
        actor = _acting.get()
        if actor is not None:
            await actor.stand(name)

    async def start(self, name: str, work: Coroutine[Any, Any, None]) -> Actor:
        """A new actor, standing at ``start``."""
        actor = Actor(name, self.log)

        async def play() -> None:
            _acting.set(actor)
            try:
                await actor.stand("start")
            except asyncio.CancelledError:
                work.close()
                raise
            await work

        actor.task = asyncio.create_task(play(), name=name, context=copy_context())
        self.actors.append(actor)
        await self._quiet()
        return actor

    @property
    def ready(self) -> Sequence[Actor]:
        """Who may be stepped: the others are over or wait for a lock."""
        return [actor for actor in self.actors if actor.stands_at is not None]

    @property
    def unfinished(self) -> Sequence[Actor]:
        return [actor for actor in self.actors if not actor.is_over]

    async def step(self, actor: Actor) -> None:
        """Let it go to its next gate, its end, or a lock that somebody holds; who that lets through goes on, too."""
        actor.let_go()
        await self._quiet()
        for each in self.actors:
            if each.is_over and not each.task.cancelled() and (error := each.task.exception()):
                raise error

    async def wait_for_deadlock(self) -> None:
        """All wait for each other: until the database has ended one of them."""
        async with asyncio.timeout(_TIMEOUT_S):
            while not self.ready and self.unfinished:
                await self._waiting_backends([])
        await self._quiet()

    async def crash(self, *actors: Actor) -> None:
        """Their process dies where it stands: nothing of it runs on, and the server finds its connections gone."""
        backends = [actor.backend for actor in actors if actor.backend is not None]
        for actor in actors:
            self.log.append(f"{actor.name}: dies at {actor.stands_at or 'a lock'}")
            actor.task.cancel()
        await asyncio.gather(*(actor.task for actor in actors), return_exceptions=True)
        async with asyncio.timeout(_TIMEOUT_S):
            while await self._observer.fetchval(_ENDED, backends):
                pass
        self.actors = [actor for actor in self.actors if actor not in actors]
        await self._quiet()

    async def clear(self) -> None:
        """End all actors, wherever they stand."""
        await self.crash(*self.unfinished)
        self.actors.clear()

    async def _quiet(self) -> None:
        """Until everybody stands at a gate, is over, or waits for a lock."""
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                for _ in range(_LOOP_TURNS):
                    await asyncio.sleep(0)
                running = [(actor, actor.backend) for actor in self.actors if actor.is_running]
                if not running:
                    return
                waiting = await self._waiting_backends([backend for _, backend in running if backend is not None])
                if all(actor.is_running and backend in waiting for actor, backend in running):
                    return

    async def _waiting_backends(self, backends: Sequence[int]) -> frozenset[int]:
        return frozenset(await self._observer.fetchval(_WAITING, backends) or ())


class SteppedStore(PostgresStore):
    """The real store; the transactions of an actor say which backend is theirs, and stand still before they commit."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with _stepped(super().transaction()) as tx:
            yield tx

    @asynccontextmanager
    async def order_transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with _stepped(super().order_transaction()) as tx:
            yield tx

    @asynccontextmanager
    async def dispatch_transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with _stepped(super().dispatch_transaction()) as tx:
            yield tx


@asynccontextmanager
async def _stepped(opened: AbstractAsyncContextManager[PostgresTransaction]) -> AsyncIterator[PostgresTransaction]:
    actor = _acting.get()
    async with opened as tx:
        if actor is None:
            yield tx
            return
        actor.backend = tx.connection.get_server_pid()
        try:
            yield tx
            if not actor.last_gate.endswith(".before_commit"):
                await actor.stand(COMMIT)
        finally:
            actor.backend = None
