"""The last look at the database after a run, written as JSON lines for the checker."""

import json
from pathlib import Path

import asyncpg

# Few columns by name, and whole rows where there are few rows: a new column of the schema changes nothing here.
_QUERIES = {
    "call": """
        SELECT json_build_object(
            'call_id', c.call_id, 'campaign_id', c.campaign_id, 'kind', k.kind, 'agent_id', k.agent_id,
            'campaign_name', k.name, 'epoch', c.epoch, 'callee_name', t.callee_name, 'called_number', c.called_number,
            'status', c.status, 'sub_status', c.sub_status, 'termination_id', c.termination_id,
            'retry_barred', c.retry_barred, 'ended_at', c.ended_at
        )::text
        FROM call c
        JOIN campaign k ON k.campaign_id = c.campaign_id
        LEFT JOIN contact t
            ON k.kind = 'individual' AND t.campaign_id = c.campaign_id AND t.contact_id = c.contact_id
    """,
    "dial_attempt": """
        SELECT json_build_object(
            'attempt_id', attempt_id, 'call_id', call_id, 'state', state, 'prepared_at', prepared_at
        )::text
        FROM dial_attempt
    """,
    "termination": "SELECT to_json(t)::text FROM termination t",
}


async def dump(dsn: str, path: Path) -> None:
    """One consistent picture, row by row: a long run is larger than memory should be."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            with path.open("w", encoding="utf-8") as file:
                for table, query in _QUERIES.items():
                    async for (row,) in connection.cursor(query, prefetch=2_000):
                        file.write(f'{{"table": {json.dumps(table)}, "row": {row}}}\n')
    finally:
        await connection.close()
