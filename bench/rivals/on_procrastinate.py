"""procrastinate, in .venv-rivals: a queue of its own schema, its worker, and the two ways of cancelling that it has."""

import asyncio
import time
from collections.abc import Callable, Iterator

import psycopg
from procrastinate import App, PsycopgConnector

from bench.rivals.contract import JOB_S, JOBS_AT_ONCE, QUEUE, Cancelled, run

_DEFERRED_BY_API = 3
_CONNECTIONS = {"one at a time": 1, "ten at a time": 10}
_UPDATE = "bulk UPDATE"


class Procrastinate:
    """See ``contract.Rival``. Ways: ``one at a time``, ``ten at a time`` (documented), ``bulk UPDATE`` (by hand)."""

    library = "procrastinate"

    async def fill(self, dsn: str, rows: int) -> None:
        app = _app(dsn, 1)
        async with app.open_async(), await psycopg.AsyncConnection.connect(dsn, autocommit=True) as database:
            if not await app.check_connection_async():
                await app.schema_manager.apply_schema_async()
            await database.execute("TRUNCATE procrastinate_jobs RESTART IDENTITY CASCADE")
            await _insert(database, rows - _DEFERRED_BY_API)
            ring = app.configure_task(QUEUE, queue=QUEUE)
            for n in range(_DEFERRED_BY_API):
                await ring.defer_async(called_number=f"+91999999000{n}")
            await _require_likeness(database, rows)
            await database.execute("VACUUM (ANALYZE)")
            await database.execute("CHECKPOINT")

    async def work(self, dsn: str, started: Callable[[], None]) -> None:
        async def ring(called_number: str) -> None:  # noqa: ARG001 - the job's own argument
            started()
            await asyncio.sleep(JOB_S)

        app = _app(dsn, 4)
        app.task(name=QUEUE, queue=QUEUE)(ring)
        async with app.open_async():
            await app.run_worker_async(queues=[QUEUE], concurrency=JOBS_AT_ONCE, install_signal_handlers=False)

    async def cancel(self, dsn: str, way: str, seconds: float) -> Cancelled:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as database:
            if way == _UPDATE:
                return await _update(database)
            # Whoever cancels jobs one by one has their ids already: finding them is not counted.
            found = await database.execute("SELECT id FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
            ids = [row[0] for row in await found.fetchall()]
            app = _app(dsn, _CONNECTIONS[way])
            async with app.open_async():
                waiting = iter(ids)
                began_ns = time.monotonic_ns()
                until_ns = began_ns + int(seconds * 1e9)
                asked = await asyncio.gather(*(_one_by_one(app, waiting, until_ns) for _ in range(_CONNECTIONS[way])))
                ended_ns = time.monotonic_ns()
            return Cancelled(began_ns, ended_ns, sum(asked), len(ids), await _left(database))


def _app(dsn: str, connections: int) -> App:
    return App(connector=PsycopgConnector(conninfo=dsn, min_size=connections, max_size=connections))


async def _insert(database: "psycopg.AsyncConnection[tuple[int]]", rows: int) -> None:
    """The rows and events that deferring leaves behind; the triggers would do the same, a million times slower."""
    async with database.transaction():
        await database.execute("ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER")
        await database.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
            " SELECT %s, %s, jsonb_build_object('called_number', '+91' || lpad(n::text, 10, '0'))"
            " FROM generate_series(1, %s::int) AS n",
            (QUEUE, QUEUE, rows),
        )
        await database.execute(
            "INSERT INTO procrastinate_events (job_id, type) SELECT id, 'deferred' FROM procrastinate_jobs ORDER BY id"
        )
        await database.execute("ALTER TABLE procrastinate_jobs ENABLE TRIGGER USER")


async def _require_likeness(database: "psycopg.AsyncConnection[tuple[int]]", rows: int) -> None:
    """What was inserted is what deferring makes: the last rows are of both kinds."""
    found = await database.execute(
        "SELECT count(DISTINCT to_jsonb(j) - '{id,args}'::text[]) FROM procrastinate_jobs j WHERE id > %s",
        (rows - 2 * _DEFERRED_BY_API,),
    )
    assert await found.fetchone() == (1,), "rows filled by SQL differ from deferred ones"
    found = await database.execute("SELECT count(*), count(DISTINCT type) FROM procrastinate_events")
    assert await found.fetchone() == (rows, 1), "events filled by SQL differ from those of deferred jobs"


async def _one_by_one(app: App, ids: Iterator[int], until_ns: int) -> int:
    asked = 0
    for job_id in ids:
        await app.job_manager.cancel_job_by_id_async(job_id)
        asked += 1
        if time.monotonic_ns() > until_ns:
            break
    return asked


async def _update(database: "psycopg.AsyncConnection[tuple[int]]") -> Cancelled:
    """What it does to one job, to all of them: its trigger writes the event of each."""
    began_ns = time.monotonic_ns()
    done = await database.execute(
        "UPDATE procrastinate_jobs SET status = 'cancelled' WHERE queue_name = %s AND status = 'todo'", (QUEUE,)
    )
    ended_ns = time.monotonic_ns()
    return Cancelled(began_ns, ended_ns, done.rowcount, done.rowcount, await _left(database))


async def _left(database: "psycopg.AsyncConnection[tuple[int]]") -> int:
    found = await database.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")
    row = await found.fetchone()
    return row[0] if row else 0


if __name__ == "__main__":
    run(Procrastinate())
