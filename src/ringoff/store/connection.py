"""The type of the one database connection that a transaction's stores share."""

from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

# In quotes, because asyncpg's classes are generic for type checkers only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

__all__ = ["Connection", "PoolConnectionProxy", "asyncpg", "row_count"]


def row_count(status: str) -> int:
    """The count at the end of a command status such as ``UPDATE 3``."""
    return int(status.rsplit(" ", 1)[1])
