"""Backups as docs/backup.md makes them: restored on another machine, and what then of orders, before and after."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from ringoff.store.embedded import BINARIES, EmbeddedPostgres
from tests.acceptance.client import Client, csv_of
from tests.support.processes import ServerProcess, clean_environment
from tests.support.restored import run_client

# Several starts of a durable PostgreSQL, each after another: seconds here, minutes on a machine that is full.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
JOURNAL = ROOT / "examples" / "order_journal.py"
FIRST, SECOND, THIRD, FOURTH = (f"+1202555016{n}" for n in range(4))
# The page's own lines, so that what it tells to write is what is tried.
PAGE = (ROOT / "docs" / "backup.md").read_text(encoding="utf-8")


@pytest.fixture
def another_machine() -> Iterator[Callable[[], ServerProcess]]:
    """A place for a server that is not started yet, so that a database can be restored into it."""
    with ExitStack() as servers:

        def make() -> ServerProcess:
            server = ServerProcess()
            servers.callback(shutil.rmtree, server.root, ignore_errors=True)
            servers.push(server)
            return server

        yield make


def block(name: str) -> str:
    """The indented lines under a sentence of the page that ends with the name."""
    [found] = re.findall(rf"`{re.escape(name)}`:\n\n((?:    .*\n)+)", PAGE)
    return re.sub(r"^    ", "", found, flags=re.MULTILINE)


async def ask(server: ServerProcess, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def statuses(server: ServerProcess) -> dict[str, str]:
    calls = server.http.get("/api/v1/calls", params={"limit": "1000"}).json()["calls"]
    return {call["mobile_number"]: call["status"] for call in calls}


def journal(server: ServerProcess, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, JOURNAL, *arguments],
        env=clean_environment({"RINGOFF_URL": server.url, "RINGOFF_API_KEY": server.key}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def give_to_postgres(directory: Path, like: Path) -> None:
    """Under root PostgreSQL is another user's; elsewhere it is ours already."""
    if os.geteuid() == 0:
        owner = like.stat()
        for path in (directory, *directory.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
    directory.chmod(0o700)


def keep_the_log(server: ServerProcess, archive: Path) -> None:
    """As the page says; archiving needs a start."""
    archive.mkdir()
    archive.chmod(0o777)
    server.stop()
    with (server.data_dir / "postgres" / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write(block("archive").replace("/var/backups/ringoff/wal", str(archive)))
    server.start()


async def archived(server: ServerProcess) -> None:
    """Until all of the log up to now is in the archive."""
    last = await ask(server, "SELECT pg_walfile_name(pg_switch_wal())")
    connection = await asyncpg.connect(server.dsn)
    try:
        waiting = "SELECT coalesce(last_archived_wal, '') >= $1 FROM pg_stat_archiver"
        while not await connection.fetchval(waiting, last):
            await connection.execute("SELECT pg_sleep(0.05)")
    finally:
        await connection.close()


async def test_a_base_backup_and_its_log_restore_an_instant_and_the_journal_the_orders_after_it(
    start_server: Callable[..., ServerProcess], another_machine: Callable[[], ServerProcess], tmp_path: Path
) -> None:
    server, kept = start_server(), tmp_path / "orders.jsonl"
    archive, base = server.root / "wal", server.root / "base"
    keep_the_log(server, archive)
    Client(server).upload(csv_of([FIRST, SECOND, THIRD, FOURTH]))
    socket = re.findall(r"host=([^&]+)&port=(\d+)", server.dsn)[0]
    where = ("--host", socket[0], "--port", socket[1], "--username", "postgres")
    await run_client("pg_basebackup", *where, "--pgdata", str(base), "--checkpoint=fast", "--wal-method=stream")
    Client(server).terminate(mobile_numbers=[FIRST])
    instant = await ask(server, "SELECT clock_timestamp()::text")
    server.http.post("/api/v1/terminations", json={"mobile_numbers": [SECOND, THIRD], "suppress": True})
    identifier = await ask(server, "SELECT system_identifier FROM pg_control_system()")
    assert "2 orders more" in journal(server, "keep", str(kept))
    assert "0 orders more" in journal(server, "keep", str(kept))
    await archived(server)
    server.stop()

    copy = another_machine()
    cluster = copy.data_dir / "postgres"
    shutil.copytree(base, cluster)
    (cluster / "recovery.signal").touch()
    with (cluster / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        written = block("postgresql.auto.conf").replace("/var/backups/ringoff/wal", str(archive))
        settings.write(re.sub(r"recovery_target_time = '[^']+'", f"recovery_target_time = '{instant}'", written))
    give_to_postgres(cluster, server.data_dir / "postgres")
    copy.start()
    assert await ask(copy, "SELECT system_identifier FROM pg_control_system()") == identifier
    newest = await ask(copy, "SELECT to_char(max(created_at), 'YYYY-MM-DD\"T\"HH24:MI:SS+00:00') FROM termination")
    assert f"newest order {newest}; 0 campaigns are started" in copy.command("doctor").stdout
    # This is what a restore to an earlier time means: an acknowledged order is gone.
    assert statuses(copy) == {FIRST: "cancelled", SECOND: "registered", THIRD: "registered", FOURTH: "registered"}
    assert "given again as" in journal(copy, "give-again", str(kept), "--from", str(instant))
    restored = {FIRST: "cancelled", SECOND: "cancelled", THIRD: "cancelled", FOURTH: "registered"}
    assert statuses(copy) == restored
    journal(copy, "give-again", str(kept), "--from", str(instant))
    assert len(copy.http.get("/api/v1/terminations").json()["terminations"]) == 2, "a second time is no second order"
    assert copy.http.get("/api/v1/suppressions").json()["suppressions"][0]["mobile_number"] in (SECOND, THIRD)
    doctor = copy.command("doctor")
    assert doctor.returncode == 0, doctor.stdout


async def test_a_dump_restores_into_an_empty_data_directory(
    start_server: Callable[..., ServerProcess], another_machine: Callable[[], ServerProcess]
) -> None:
    server = start_server()
    Client(server).upload(csv_of([FIRST, SECOND]))
    Client(server).terminate(mobile_numbers=[FIRST])
    dump = str(server.root / "ringoff.dump")
    await run_client("pg_dump", "--format=custom", f"--file={dump}", server.dsn)
    server.stop()

    copy = another_machine()
    postgres = EmbeddedPostgres(copy.data_dir)
    await postgres.start()
    await run_client("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={postgres.dsn}", dump)
    await postgres.stop()
    before = copy.command("doctor")
    assert "BAD  cluster: the database was restored from a dump" in before.stdout
    copy.start()
    assert "transaction ids were translated" in copy.process.said()
    assert statuses(copy) == {FIRST: "cancelled", SECOND: "registered"}
    Client(copy).terminate(mobile_numbers=[SECOND])
    assert statuses(copy) == {FIRST: "cancelled", SECOND: "cancelled"}
    assert copy.command("doctor").returncode == 0


def test_every_program_that_the_page_names_comes_with_the_embedded_postgresql() -> None:
    named = set(re.findall(r"\bpg_(?:basebackup|dump|restore|verifybackup)\b", PAGE))
    assert {"pg_basebackup", "pg_dump", "pg_restore"} <= named
    for program in named:
        assert (BINARIES / program).exists()
