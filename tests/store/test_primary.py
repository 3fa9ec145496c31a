"""Among the hosts of a URL the latest primary is found, whatever the others do."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from ringoff.domain.errors import DatabaseUnavailable, InvalidInput
from ringoff.store.embedded import EmbeddedPostgres
from ringoff.store.hosts import Host, hosts_of
from ringoff.store.primary import Primary
from tests.support.replicated import ReplicatedPostgres, loopback_places

FIVE_TIMES = range(5)


@pytest.fixture
def replicated() -> Iterator[ReplicatedPostgres]:
    with ReplicatedPostgres(*loopback_places()) as database:
        yield database


@pytest.fixture
async def embedded() -> AsyncIterator[EmbeddedPostgres]:
    directory = Path(tempfile.mkdtemp(prefix="ringoff-primary-"))
    postgres = EmbeddedPostgres(directory, settings={"shared_buffers": "16MB"})
    await postgres.start()
    yield postgres
    await postgres.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u:p@one:1,two:2/d", (Host("one", 1), Host("two", 2))),
        ("postgresql://one,two/d", (Host("one", 5432), Host("two", 5432))),
        ("postgresql://u:p,w@one,two:2/d?sslmode=require", (Host("one", 5432), Host("two", 2))),
        ("postgresql://[::1]:1,[fe80::2]/d", (Host("::1", 1), Host("fe80::2", 5432))),
        ("postgresql:///d?host=one,two&port=1,2", (Host("one", 1), Host("two", 2))),
        ("postgresql:///d?host=/run/a,/run/b&port=7", (Host("/run/a", 7), Host("/run/b", 7))),
        ("postgresql://one/d", ()),
        ("postgresql:///d", ()),
        ("postgresql:///d?host=/run/a", ()),
        ("postgresql://one,two/d?target_session_attrs=read-write", (Host("one", 5432), Host("two", 5432))),
    ],
)
def test_the_hosts_of_a_url(dsn: str, hosts: tuple[Host, ...]) -> None:
    assert hosts_of(dsn) == hosts


@pytest.mark.parametrize(
    ("dsn", "rule"),
    [
        ("postgresql://one:x,two/d", "a port must be a number"),
        ("postgresql://one,two:70000/d", "a port must be a number"),
        ("postgresql:///d?host=one,two&port=1,2,3", "2 hosts and 3 ports"),
        ("postgresql://one,two/d?target_session_attrs=standby", "asks for a server that cannot write"),
        ("postgresql://one/d?target_session_attrs=prefer-standby", "asks for a server that cannot write"),
    ],
)
def test_a_url_that_cannot_be_meant(dsn: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule) as refused:
        hosts_of(dsn)
    assert refused.value.field == "database_url"


async def test_the_primary_is_found_wherever_it_is(replicated: ReplicatedPostgres) -> None:
    primary = Primary(replicated.dsn)
    before = await primary.connect({})
    replicated.primary.kill()
    with pytest.raises(DatabaseUnavailable, match="is a standby, not a primary"):
        await primary.connect({})
    replicated.promote()
    after = await primary.connect({"statement_timeout": "1234"})
    assert await after.fetchval("SHOW statement_timeout") == "1234ms"
    assert before.incarnation.is_before(after.incarnation)
    assert not after.is_pooled
    after.terminate()


async def test_a_host_that_does_not_answer_is_in_nobodys_way(replicated: ReplicatedPostgres) -> None:
    """It stands first in the URL and takes connections, but never says a word."""
    replicated.primary.pause()
    replicated.promote()
    session = await Primary(replicated.dsn).connect({})
    assert session.incarnation.timeline == 2
    session.terminate()


async def test_of_two_primaries_it_is_the_later_one(replicated: ReplicatedPostgres) -> None:
    replicated.promote()
    for _try in FIVE_TIMES:
        session = await Primary(replicated.dsn).connect({})
        assert session.incarnation.timeline == 2
        session.terminate()


async def test_a_primary_that_was_replaced_is_refused_even_if_nobody_else_answers(
    replicated: ReplicatedPostgres,
) -> None:
    replicated.promote()
    primary = Primary(replicated.dsn)
    (await primary.connect({})).terminate()
    replicated.primary.kill()
    with pytest.raises(DatabaseUnavailable, match="timeline 2 has replaced it"):
        await primary.connect({})


async def test_a_server_that_lost_all_its_sessions_in_a_crash_is_another_one(embedded: EmbeddedPostgres) -> None:
    """A backend that is killed takes all others and their locks along, while the postmaster lives on."""
    primary = Primary(embedded.dsn)
    before, other = await primary.connect({}), await primary.connect({})
    assert before.incarnation == other.incarnation
    os.kill(other.backend_pid, signal.SIGKILL)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        while True:
            await before.fetchval("SELECT pg_sleep(0.01)")
    async with asyncio.timeout(60):
        while True:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, DatabaseUnavailable):
                after = await primary.connect({})
                break
            await asyncio.sleep(0.01)
    assert await after.fetchval("SELECT pg_postmaster_start_time()::text") in after.incarnation.started_at
    assert after.incarnation.timeline == before.incarnation.timeline
    assert after.incarnation != before.incarnation, "whoever acknowledges waits until no permit of before can be used"
    after.terminate()


async def test_a_role_cannot_lower_what_an_acknowledgement_rests_on(replicated: ReplicatedPostgres) -> None:
    for setting, ours in (("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")):
        replicated.primary.ask(f"ALTER ROLE postgres SET synchronous_commit = '{setting}'")
        session = await Primary(replicated.dsn).connect({})
        assert await session.fetchval("SHOW synchronous_commit") == ours
        session.terminate()


async def test_nor_does_a_server_that_reads_its_settings_again(replicated: ReplicatedPostgres) -> None:
    primary = replicated.primary
    session = await Primary(replicated.dsn).connect({})
    other = await asyncpg.connect(replicated.dsn_of(primary))
    assert await other.fetchval("SHOW synchronous_commit") == "on"
    primary.settings["synchronous_commit"] = "off"
    primary.configure(waits_for="FIRST 1 (node2)")
    async with asyncio.timeout(20):
        while await other.fetchval("SHOW synchronous_commit") == "on":
            await other.fetchval("SELECT count(pg_sleep(0.02))")
    assert await session.fetchval("SHOW synchronous_commit") == "on"
    await other.close()
    session.terminate()
