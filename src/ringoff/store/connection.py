"""The type of the one database connection that a transaction's stores share."""

from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

# In quotes, because asyncpg's classes are generic for type checkers only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

__all__ = ["Connection", "PoolConnectionProxy", "asyncpg"]
