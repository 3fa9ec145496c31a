"""The type of the one database connection that a transaction's stores share."""

from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

# In quotes, because asyncpg's classes are generic for type checkers only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

EMBEDDED_CLUSTER_NAME = "ringoff_embedded"
"""What the server that Ringoff runs itself calls itself."""

__all__ = ["EMBEDDED_CLUSTER_NAME", "Connection", "PoolConnectionProxy", "asyncpg", "is_lost", "row_count"]


def row_count(status: str) -> int:
    """The count at the end of a command status such as ``UPDATE 3``."""
    return int(status.rsplit(" ", 1)[1])


def is_lost(connection: Connection) -> bool:
    """A lost connection is closed, or has been taken from its holder by the pool, which makes it refuse to answer."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True
