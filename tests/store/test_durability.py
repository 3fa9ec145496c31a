"""What a primary and its standby say of themselves, in each state that an operator may leave them in."""

from collections.abc import Iterator

import pytest

from ringoff.domain.durability import judge
from ringoff.store.durability import read_durability
from ringoff.store.postgres import connect_once
from tests.support.replicated import ReplicatedPostgres, loopback_places


@pytest.fixture
def replicated() -> Iterator[ReplicatedPostgres]:
    with ReplicatedPostgres(*loopback_places(), is_durable=True) as database:
        yield database


async def verdict(database: ReplicatedPostgres, dsn: str | None = None) -> tuple[bool, str]:
    connection = await connect_once(dsn or database.dsn)
    try:
        return judge(await read_durability(connection, dsn or database.dsn))
    finally:
        await connection.close()


async def test_a_synchronous_standby_is_seen_lost_and_missed(replicated: ReplicatedPostgres) -> None:
    assert await verdict(replicated) == (
        True,
        "what is acknowledged is on disk here and confirmed by a synchronous standby: node2",
    )
    primary = replicated.primary
    primary.ask("ALTER DATABASE ringoff SET synchronous_commit = 'local'")
    assert (await verdict(replicated))[1].endswith("synchronous_commit = local is raised to on by our sessions")
    replicated.standby.stop()
    is_good, words = await verdict(replicated)
    assert not is_good
    assert "nothing is acknowledged or dialled until it is back" in words
    primary.configure(waits_for="")
    is_good, words = await verdict(replicated)
    assert not is_good
    assert "the database URL names several hosts, but synchronous_standby_names is empty" in words
    assert (await verdict(replicated, replicated.dsn_of(primary)))[0], "one server, and it is said so"


async def test_a_role_that_may_not_look_says_so(replicated: ReplicatedPostgres) -> None:
    replicated.primary.ask("CREATE ROLE plain LOGIN")
    is_good, words = await verdict(replicated, replicated.dsn.replace("postgres@", "plain@"))
    assert is_good
    assert "a member of pg_monitor may see" in words
