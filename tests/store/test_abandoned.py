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


@pytest.mark.parametrize("pool", ["dispatch_transaction", "order_transaction"])
async def test_a_wait_for_a_lock_that_is_given_up_ends_in_the_database(store: PostgresStore, pool: str) -> None:
    """Long before the time limit of a statement (30 s): what it had locked before stands in the way of others."""
    async with store.transaction() as holder:
        await holder.connection.execute("SELECT pg_advisory_xact_lock(1)")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), getattr(store, pool)() as tx:
                await tx.connection.execute("SELECT pg_advisory_xact_lock_shared(1) /* nobody waits for this */")
        async with asyncio.timeout(15):
            while await holder.connection.fetchval(_RUNNING):
                await holder.connection.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.05)")
