"""pgqueuer, in .venv-rivals: a queue of its own schema, its worker, and the three ways of cancelling that it has."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from pgqueuer import AsyncpgDriver, Job, Queries, QueueManager
from pgqueuer.models import Context

from bench.rivals.contract import JOB_S, JOBS_AT_ONCE, QUEUE, Cancelled, run

_DEFERRED_BY_API = 3
_IDS_A_CALL = 900
"""The call sends the ids of its jobs in one notification, and PostgreSQL refuses one of 8,000 bytes."""
_LIST, _ENTRYPOINT, _ALL = "mark_job_as_cancelled", "clear_queue of the entrypoint", "clear_queue of everything"


class PgQueuer:
    """See ``contract.Rival``. Ways: ``_LIST`` (documented for cancelling), ``_ENTRYPOINT`` and ``_ALL`` (deletions)."""

    library = "pgqueuer"

    async def fill(self, dsn: str, rows: int) -> None:
        database = await asyncpg.connect(dsn)
        queries = Queries(AsyncpgDriver(database))
        if not await queries.schema_is_installed():
            await queries.install()
        await database.execute("TRUNCATE pgqueuer, pgqueuer_log RESTART IDENTITY")
        await _insert(database, rows - _DEFERRED_BY_API)
        for n in range(_DEFERRED_BY_API):
            await queries.enqueue(QUEUE, b'{"called_number": "+91999999000%d"}' % n, priority=0)
        await _require_likeness(database, rows)
        await database.execute("VACUUM (ANALYZE)")
        await database.execute("CHECKPOINT")
        await database.close()

    async def work(self, dsn: str, started: Callable[[], None]) -> None:
        async def ring(job: Job, context: Context) -> None:  # noqa: ARG001 - the job itself
            started()
            with context.cancellation:
                await asyncio.sleep(JOB_S)

        queues = QueueManager(Queries(AsyncpgDriver(await asyncpg.connect(dsn))))
        queues.entrypoint(QUEUE)(ring)
        await queues.run(batch_size=JOBS_AT_ONCE // 2, max_concurrent_tasks=JOBS_AT_ONCE)

    async def cancel(self, dsn: str, way: str, seconds: float) -> Cancelled:  # noqa: ARG002 - no way of one call a job
        database = await asyncpg.connect(dsn)
        queries = Queries(AsyncpgDriver(database))
        # Whoever cancels jobs by their ids has them already: finding them is not counted.
        found = await database.fetch("SELECT id FROM pgqueuer WHERE status = 'queued' ORDER BY id")
        ids = [row["id"] for row in found]
        began_ns = time.monotonic_ns()
        if way == _LIST:
            await _mark(queries, ids)
        else:
            await queries.clear_queue(QUEUE if way == _ENTRYPOINT else None)
        ended_ns = time.monotonic_ns()
        left = await database.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'")
        await database.close()
        return Cancelled(began_ns, ended_ns, len(ids), len(ids), left)


async def _insert(database: Any, rows: int) -> None:
    """The rows and log entries that enqueueing leaves behind."""
    await database.execute(
        "WITH added AS (INSERT INTO pgqueuer (priority, entrypoint, payload, status)"
        " SELECT 0, $1, convert_to('{\"called_number\": \"+91' || lpad(n::text, 10, '0') || '\"}', 'UTF8'), 'queued'"
        " FROM generate_series(1, $2::int) AS n RETURNING id, status, entrypoint, priority)"
        " INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)"
        " SELECT id, status, entrypoint, priority FROM added",
        QUEUE,
        rows,
    )


async def _require_likeness(database: Any, rows: int) -> None:
    """What was inserted is what enqueueing makes: the last rows are of both kinds."""
    of_both_kinds = rows - 2 * _DEFERRED_BY_API
    kinds = await database.fetchval(
        "SELECT count(DISTINCT to_jsonb(q) - '{id,payload,created,updated,heartbeat,execute_after}'::text[])"
        " FROM pgqueuer q WHERE id > $1",
        of_both_kinds,
    )
    log_kinds = await database.fetchval(
        "SELECT count(DISTINCT to_jsonb(l) - '{id,job_id,created}'::text[]) FROM pgqueuer_log l WHERE job_id > $1",
        of_both_kinds,
    )
    assert (kinds, log_kinds) == (1, 1), "rows filled by SQL differ from enqueued ones"
    counts = await database.fetchrow("SELECT (SELECT count(*) FROM pgqueuer), (SELECT count(*) FROM pgqueuer_log)")
    assert tuple(counts) == (rows, rows), "not as many rows as asked for"


async def _mark(queries: Queries, ids: Sequence[int]) -> None:
    for start in range(0, len(ids), _IDS_A_CALL):
        await queries.mark_job_as_cancelled(list(ids[start : start + _IDS_A_CALL]))


if __name__ == "__main__":
    run(PgQueuer())
