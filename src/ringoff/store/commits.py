"""Transactions that surely committed, here and on the synchronous standby, or surely raised."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

import asyncpg

from ringoff.domain.errors import DatabaseUnavailable
from ringoff.store.connection import Connection, is_lost
from ringoff.store.pool import Pool
from ringoff.store.primary import Primary, Session
from ringoff.store.sql_loader import load
from ringoff.store.transaction import PostgresTransaction
from ringoff.store.translation import transaction_pooling, translated, translated_connect

_SQL = load("postgres")
_HAS_WRITTEN, _BACKEND_PID, _MARKED_COMMIT = _SQL["has_written"], _SQL["backend_pid"], _SQL["marked_commit"]

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True, slots=True)
class Commit:
    """What a pool's transactions ask of their commit."""

    is_marked: bool = False
    """Written even if nothing else was: whoever answers by what it read needs that confirmed, too."""
    limit_s: float | None = None
    """How long a commit may wait for its confirmation before it is given up as unknown."""
    quiet_s: float = 0.0
    """No answer before a new primary is this old: until then a permit of the old one may be on its way to the wire."""


@asynccontextmanager
async def acquired(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool, given back at the end."""
    with translated_connect():
        connection = await pool.acquire()
    try:
        yield connection
    finally:
        await pool.release(connection)


@asynccontextmanager
async def transaction(
    pool: Pool, primary: Primary, commit: Commit, begin: str = BEGIN
) -> AsyncIterator[PostgresTransaction]:
    """BEGIN and COMMIT are sent by hand because PostgreSQL answers the COMMIT of a failed transaction with a polite
    ROLLBACK, which a driver takes for success. An acknowledgement must never rest on that."""
    async with acquired(pool) as connection:
        with translated(connection):
            try:
                await pool.plan_anew(connection)
                await connection.execute(begin)
                await _require_own_session(connection)
                yield PostgresTransaction(connection)
                await _commit(connection, primary, commit)
            except asyncio.CancelledError:
                # Given up, perhaps because the database does not answer: asking it to roll back could wait for ever.
                connection.terminate()
                raise
            except BaseException:
                await _roll_back(connection)
                raise
    left_s = primary.quiet_left_s(commit.quiet_s)
    if left_s > 0:
        await asyncio.sleep(left_s)


async def _require_own_session(connection: Connection) -> None:
    """Behind a pooler each transaction looks whether its session is the one that was set up."""
    session = cast("Session", connection)
    if session.is_pooled and await connection.fetchval(_BACKEND_PID) != session.backend_pid:
        raise transaction_pooling()


async def _commit(connection: Connection, primary: Primary, commit: Commit) -> None:
    """Raises unless it is certain that it was done, here and on the synchronous standby if there is to be one."""
    if primary.is_unconfirmed and (commit.is_marked or await connection.fetchval(_HAS_WRITTEN)):
        # It would wait with all its locks, and its fate be unknown.
        raise DatabaseUnavailable("the synchronous standby does not confirm commits; nothing was changed")
    warnings: list[str] = []

    def hear(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
        # Any: COMMIT has nothing to warn of but that it did not wait for the standby.
        # By severity, because the words are in the server's language.
        if message.severity_en == "WARNING":
            warnings.append(message.message)

    connection.add_log_listener(hear)
    try:
        async with asyncio.timeout(commit.limit_s):
            ended = await connection.execute(_MARKED_COMMIT if commit.is_marked else "COMMIT")
    except asyncpg.InFailedSQLTransactionError:
        ended = "ROLLBACK"
        await _roll_back(connection)
    except TimeoutError as error:
        connection.terminate()
        raise DatabaseUnavailable(
            f"a commit was not confirmed within {commit.limit_s:g} s; its fate is open"
        ) from error
    finally:
        with suppress(asyncpg.InterfaceError):  # of a session that its pool has taken back
            if connection.is_closed():
                connection.terminate()  # which forgets who listens
            connection.remove_log_listener(hear)
    if warnings:
        connection.terminate()
        raise DatabaseUnavailable(f"a commit was not confirmed; its fate is open: {warnings[0]}")
    if ended != "COMMIT":
        raise DatabaseUnavailable("the transaction was rolled back: a statement in it had failed")


async def _roll_back(connection: Connection) -> None:
    """Without hiding the error that led here: a connection that cannot even roll back is cut, which rolls back."""
    if is_lost(connection):
        return
    try:
        await connection.execute("ROLLBACK")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        if not is_lost(connection):
            connection.terminate()
