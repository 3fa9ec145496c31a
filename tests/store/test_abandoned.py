"""A statement that nobody waits for any more: the database ends it, and does not work on for its whole time limit."""

import asyncio

import pytest

from ringoff.store.postgres import PostgresStore

_RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE query LIKE '%nobody waits for this%' AND state = 'active' AND pid <> pg_backend_pid()
"""


async def test_a_read_that_is_given_up_ends_in_the_database(store: PostgresStore) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), store.snapshot() as tx:
            await tx.connection.execute("SELECT pg_sleep(600) /* nobody waits for this */")
    async with asyncio.timeout(30), store.transaction() as tx:
        while await tx.connection.fetchval(_RUNNING):
            # The view is a snapshot of the transaction.
            await tx.connection.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.05)")
