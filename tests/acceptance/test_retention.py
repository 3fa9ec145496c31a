"""kill -9 in the middle of dropping months and of erasing a person: what is begun goes on, and nothing open is lost."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from ringoff.clock import SystemClock
from tests.acceptance.client import Client
from tests.support.plans import EARLIER_PARTITIONS
from tests.support.processes import BackgroundProcess, ServerProcess, until

ADA = "+919000000001"
OLD_CALLS = 30_000
KILLS_MAX = 12
NOT_BEGUN = ("ordered 0", "waiting 0", "erasing 0")
_clock = SystemClock()

# Every hundredth is still open, and every tenth is Ada's.
FILL = """
    WITH ids AS MATERIALIZED (
        SELECT n, k.workspace_id, k.campaign_id, now() - make_interval(days => 65 + n % 25) AS at,
            CASE WHEN n % 10 = 0 THEN $2 ELSE '+9190000' || lpad((n + 10)::text, 5, '0') END AS called_number,
            ordered_id_floor(now() - make_interval(days => 65 + n % 25)) + n AS contact_id
        FROM generate_series(1, $1) n
        CROSS JOIN LATERAL (SELECT * FROM campaign WHERE kind = 'list' LIMIT 1) k
    ), added_contact AS (
        INSERT INTO contact (workspace_id, campaign_id, contact_id, called_number, callee_name, custom_args)
        SELECT workspace_id, campaign_id, contact_id, called_number, 'Ada Lovelace', '{"balance": "17"}' FROM ids
    )
    INSERT INTO call (
        workspace_id, call_id, campaign_id, contact_id, epoch, called_number, status, created_at, last_attempt_at,
        ended_at, next_attempt_at
    )
    SELECT workspace_id,
        (substr(ordered_uuid_floor(at)::text, 1, 24) || substr(md5(n::text), 1, 12))::uuid, campaign_id, contact_id, 0,
        called_number, CASE WHEN n % 100 = 1 THEN 'retry' ELSE 'completed' END, at, at,
        CASE WHEN n % 100 <> 1 THEN at END, CASE WHEN n % 100 = 1 THEN now() + interval '1 day' END
    FROM ids
"""


def ask(server: ServerProcess, statement: str, *arguments: Any) -> Any:
    """One value from behind the API."""

    async def fetch() -> Any:
        connection = await asyncpg.connect(server.dsn)
        try:
            # All rows: a statement that is read for its first row is not carried out any further.
            rows = await connection.fetch(statement, *arguments)
            return rows[0][0] if rows else None
        finally:
            await connection.close()

    return asyncio.run(fetch())


def fill(server: ServerProcess) -> None:
    """A campaign of long ago."""
    client = Client(server)
    client.upload(b"Mobile Number,Name\n+919000099999,Somebody\n")
    ask(server, EARLIER_PARTITIONS)
    ask(server, FILL, OLD_CALLS, ADA)
    ask(server, "UPDATE campaign SET created_at = now() - interval '95 days', is_tallied = false WHERE kind = 'list'")


def dropped_count(server: ServerProcess) -> int:
    return int(ask(server, "SELECT count(*) FROM dropped_period"))


@pytest.mark.slow
def test_retention_is_killed_again_and_again(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    fill(server)
    open_before = set(ask(server, "SELECT array_agg(call_id) FROM call WHERE status IN ('registered', 'retry')"))
    looked = server.command("retention", "--keep-days", "30", "--dry-run", "--json")
    assert looked.returncode == 0, looked.stderr
    planned = [period for period in json.loads(looked.stdout)["periods"] if period["waits_for"] is None]
    assert len(planned) >= 5
    for _kill in range(KILLS_MAX):
        before = dropped_count(server)
        run = BackgroundProcess(["retention", "--keep-days", "30"], server.settings, server.root / "retention.log")
        until(
            lambda run=run, before=before: run.exit_code is not None or dropped_count(server) > before,  # type: ignore[misc]
            "a month that was dropped, or the end",
        )
        run.kill9()
        if dropped_count(server) == before:
            break
    done = server.command("retention", "--keep-days", "30", "--json")
    assert done.returncode == 0, done.stderr
    assert [period for period in json.loads(done.stdout)["periods"] if period["waits_for"] is None] == []
    assert dropped_count(server) == len(planned)
    still_open = ask(server, "SELECT array_agg(call_id) FROM call WHERE status IN ('registered', 'retry')")
    assert set(still_open) == open_before, "no open call is lost, and none came twice"
    assert ask(server, "SELECT count(*) FROM call") == len(open_before)
    assert ask(server, "SELECT count(*) FROM call_effective v JOIN contact t USING (campaign_id, contact_id)")
    checked = server.command("doctor")
    assert "ok   invariants" in checked.stdout, checked.stdout


@pytest.mark.slow
def test_an_erasure_goes_on_after_the_server_was_killed(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    fill(server)
    here = {"RINGOFF_URL": server.url, "RINGOFF_API_KEY": server.key}
    given = server.command("erase", ADA, "--yes", "--no-wait", "--json", **here)
    assert given.returncode == 0, given.stderr
    [ordered] = json.loads(given.stdout)
    state = "SELECT state || ' ' || call_count FROM erasure"
    until(lambda: ask(server, state) not in NOT_BEGUN, "the erasure has erased something", poll_s=0.01)
    server.kill9()
    left = ask(server, "SELECT count(*) FROM call WHERE called_number = $1", ADA)
    server.start()
    until(lambda: ask(server, state).startswith("done"), "the erasure is done", within_s=60)
    ended = OLD_CALLS // 10
    read = server.http.get(f"/api/v1/erasures/{ordered['erasure_id']}").json()
    assert (read["counts"]["calls"], read["counts"]["contacts"], read["percent"]) == (ended, ended, 100)
    assert left <= ended
    for table in ("call", "contact", "termination", "erasure", "outbox_event"):
        assert ask(server, f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%' || $1 || '%'", ADA[1:]) == 0, table
    assert ask(server, "SELECT count(*) FROM call WHERE called_number = 'erased'") == ended
    suppressed = server.http.get("/api/v1/suppressions").json()["suppressions"]
    assert [row["mobile_number"] for row in suppressed] == [ADA]
    print(f"{left} calls were left when the server was killed")
