"""Since when nothing was dropped: what is older may be incomplete, and nothing is concluded from it."""

from datetime import UTC, datetime
from typing import Final

from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("kept")
_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before any call was registered."""


async def kept_from(connection: Connection) -> datetime:
    """Whatever was registered, or has ended, since then is there."""
    return await _asked(connection, "kept_from")


async def hold_calls(connection: Connection) -> datetime:
    """From the answer to the end of the transaction every call that has ended since then, or is open, is there."""
    await connection.execute(_SQL["hold_rest"])
    await connection.execute(_SQL["hold_calls"])
    return await _asked(connection, "calls_kept_from")


async def try_hold_rest(connection: Connection) -> bool:
    """False while somebody holds the calls; until the end of the transaction nobody begins to."""
    return bool(await connection.fetchval(_SQL["try_hold_rest"]))


async def _asked(connection: Connection, name: str) -> datetime:
    if not await connection.fetchval(_SQL["has_table"]):
        return _ALWAYS
    at: datetime = await connection.fetchval(_SQL[name], _ALWAYS)
    return at
