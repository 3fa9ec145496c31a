"""A database that is dumped and restored into a cluster of its own, as after the loss of a machine."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from ringoff.store.embedded import BINARIES, EmbeddedPostgres
from tests.support.database import FAST_SETTINGS

# A cluster that is just made has used about a thousand ids once a dump is in it.
_IDS_OF_AN_OLD_CLUSTER = 20_000
_USE_UP_IDS = f"""
    DO $$ BEGIN
        FOR n IN 1..{_IDS_OF_AN_OLD_CLUSTER} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP;
    END $$
"""


async def grow_old(dsn: str) -> None:
    """Bring the cluster's transaction ids far above those of a new one."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_USE_UP_IDS)
    finally:
        await connection.close()


async def run_client(program: str, *arguments: str) -> str:
    """One of PostgreSQL's own programs; what it complained about is in the failure."""
    process = await asyncio.create_subprocess_exec(
        BINARIES / program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, f"{program}: {complained.decode()}"
    return said.decode()


@asynccontextmanager
async def another_cluster() -> AsyncIterator[EmbeddedPostgres]:
    """Running, with an empty database."""
    data_dir = Path(tempfile.mkdtemp(prefix="ringoff-restored-"))
    postgres = EmbeddedPostgres(data_dir, settings=FAST_SETTINGS)
    try:
        await postgres.start()
        yield postgres
    finally:
        await postgres.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


@asynccontextmanager
async def restored(dsn: str) -> AsyncIterator[str]:
    """The DSN of a copy in another cluster, made by pg_dump and pg_restore."""
    with tempfile.TemporaryDirectory(prefix="ringoff-dump-") as directory:
        dump = str(Path(directory) / "ringoff.dump")
        await run_client("pg_dump", "--format=custom", f"--file={dump}", dsn)
        async with another_cluster() as postgres:
            await run_client("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={postgres.dsn}", dump)
            yield postgres.dsn
