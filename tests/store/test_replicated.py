"""The replicated server of the tests is what it says: a commit waits for the standby, and promotion loses nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ringoff.store.embedded import DATABASE
from tests.support.processes import until
from tests.support.replicated import ReplicatedPostgres, loopback_places

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def database() -> Iterator[ReplicatedPostgres]:
    with ReplicatedPostgres(*loopback_places()) as replicated:
        yield replicated


def test_what_was_committed_is_there_after_a_crash_and_after_the_way_back(database: ReplicatedPostgres) -> None:
    first, second = database.primary, database.standby
    first.ask("CREATE TABLE kept (n integer); INSERT INTO kept VALUES (1)", DATABASE)
    first.kill()
    assert first.postmaster_pid is None
    database.promote()
    assert database.primary is second
    assert second.ask("SELECT pg_is_in_recovery()") == "f"
    second.ask("INSERT INTO kept VALUES (2)", DATABASE)
    database.start_again_as_standby()
    second.ask("INSERT INTO kept VALUES (3)", DATABASE)
    second.kill()
    database.promote()
    assert first.ask("SELECT string_agg(n::text, ' ' ORDER BY n) FROM kept", DATABASE) == "1 2 3"


def test_a_commit_waits_for_the_standby(database: ReplicatedPostgres) -> None:
    first = database.primary
    first.ask("CREATE TABLE kept (n integer)", DATABASE)
    database.standby.pause()
    try:
        with ThreadPoolExecutor(max_workers=1) as threads:
            committing = threads.submit(first.ask, "INSERT INTO kept VALUES (1)", DATABASE)
            until(lambda: first.ask(WAITING) == "1", "the commit waits")
            assert not committing.done()
            assert first.ask("SELECT count(*) FROM kept", DATABASE) == "0", "nobody may see it before"
            database.standby.resume()
            committing.result(timeout=30)
    finally:
        database.standby.resume()
    assert first.ask("SELECT count(*) FROM kept", DATABASE) == "1"
