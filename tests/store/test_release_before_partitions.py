"""A process of the release before that comes back after the contract changes nothing: its rows would be other rows."""

import asyncpg
import pytest

from ringoff.store.schema import APPLICATION_NAME

pytestmark = pytest.mark.anyio

STATEMENTS = (
    "INSERT INTO dial_attempt SELECT * FROM dial_attempt WHERE false",
    "UPDATE termination SET reason = NULL",
    "UPDATE call SET retry_barred = retry_barred WHERE ctid = '(0,1)'",
    "DELETE FROM call WHERE ctid = '(0,1)'",
    "DELETE FROM outbox_event WHERE ctid = '(0,1)'",
    "DELETE FROM webhook_delivery WHERE ctid = '(0,1)'",
)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("name", ["ringoff", "ringoff - 10.0.0.7:40012"])
async def test_a_session_of_release_0_2_0_is_refused(database_dsn: str, name: str, statement: str) -> None:
    """PgBouncer's ``application_name_add_host`` adds where the session comes from."""
    connection = await asyncpg.connect(database_dsn, server_settings={"application_name": name})
    try:
        with pytest.raises(asyncpg.RaiseError, match="later version"):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("name", [APPLICATION_NAME, f"{APPLICATION_NAME} - 10.0.0.7:40012", "psql"])
async def test_other_sessions_are_not(database_dsn: str, name: str, statement: str) -> None:
    connection = await asyncpg.connect(database_dsn, server_settings={"application_name": name})
    try:
        assert (await connection.execute(statement)).endswith(" 0")
    finally:
        await connection.close()
