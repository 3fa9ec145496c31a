"""The guard that every test database carries can say no."""

import asyncpg
import pytest

from ringoff.store.postgres import PostgresStore
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            "UPDATE call SET status = 'cancelled', next_attempt_at = NULL, ended_at = now()",
            None,
        ),
        (
            "UPDATE call SET status = 'registered', next_attempt_at = now(), ended_at = NULL WHERE status = 'failed'",
            "call: no move from failed to registered",
        ),
        ("UPDATE campaign SET status = 'draft'", "campaign: no move from ongoing to draft"),
    ],
)
async def test_only_moves_of_the_tables_are_let_through(
    store: PostgresStore, statement: str, named: str | None
) -> None:
    world = await World.make(store)
    await world.campaign(["+12025550111"])
    if named is None:
        async with store.transaction() as tx:
            await tx.connection.execute(statement)
        return
    async with store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE call SET status = 'failed', next_attempt_at = NULL, ended_at = now(), last_attempt_at = now()"
        )
    with pytest.raises(asyncpg.RaiseError, match=named):
        async with store.transaction() as tx:
            await tx.connection.execute(statement)
