"""Where a driver's error becomes one of ours: everything that a lost database can say is ``DatabaseUnavailable``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from ringoff.domain.errors import DatabaseUnavailable, InvalidInput, SerializationConflict
from ringoff.store.connection import Connection, is_lost

TRANSACTION_POOLING: Final = (
    "the database URL leads to a pooler that gives each transaction another server session; Ringoff needs sessions of"
    " its own (pool_mode = session): it listens for notifications, and the time limits that bound how long a dead"
    " dispatcher may hold up a termination are settings of its session"
)

# Whole classes of SQLSTATE: 08 connection, 53 resources, 57 operator intervention (shutdown, restart, timeout).
_SERVER_TROUBLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_CANNOT_CONNECT = (*_SERVER_TROUBLE, asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
# A statement that was prepared is not there, or one that was not is: another server session answers than before.
_OTHER_SESSION = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)


def transaction_pooling() -> InvalidInput:
    """The refusal of a pooler that shares server sessions between transactions."""
    return InvalidInput(TRANSACTION_POOLING, field="database_url")


@contextmanager
def translated_connect() -> Iterator[None]:
    """Around connecting, and around waiting for a free connection."""
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise InvalidInput(f"the database URL is not usable: {error}", field="database_url") from error
    except _OTHER_SESSION as error:
        raise transaction_pooling() from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, *_CANNOT_CONNECT) as error:
        raise DatabaseUnavailable(f"the database cannot be reached: {str(error) or type(error).__name__}") from error


@contextmanager
def translated(connection: Connection) -> Iterator[None]:
    """Around statements, and around the caller's own work between them."""
    try:
        yield
    except asyncpg.InvalidCachedStatementError as error:
        # Migrated under us; the driver has forgotten its old plans and types by now.
        raise SerializationConflict(f"the schema has changed meanwhile: {error}") from error
    except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as error:
        raise SerializationConflict(f"the database ended the transaction: {error}") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        # After a fail-over this session still talks to what has become a standby; the next one finds the primary.
        connection.terminate()
        raise DatabaseUnavailable("the database has become read-only") from error
    except _SERVER_TROUBLE as error:
        raise DatabaseUnavailable(f"the database is not available: {error}") from error
    except _OTHER_SESSION as error:
        raise transaction_pooling() from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # The first two can also come from the caller's own work inside the transaction; then the connection is alive.
        # The third is what a session says that was told to end between two statements.
        if isinstance(error, asyncpg.InternalClientError) or is_lost(connection):
            raise DatabaseUnavailable("the connection to the database was lost") from error
        raise
