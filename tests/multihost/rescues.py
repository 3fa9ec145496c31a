"""Whether anything left for the carrier after its attempt was rescued: the one rule that the chaos run has not."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import asyncpg

from tests.multihost.installation import Installation
from tests.support.wire_log import read_wire_log

_RESCUED = """
    SELECT attempt_id::text AS attempt_id, released_at
    FROM dial_attempt
    WHERE disposition = 'indeterminate' AND cause_text LIKE 'lease expired%'
"""


async def sent_after_rescue(installation: Installation) -> list[str]:
    """One line for each request. The database and all processes share the machine's clock here."""
    connection = await asyncpg.connect(installation.dsn)
    try:
        rows = await connection.fetch(_RESCUED)
    finally:
        await connection.close()
    rescued_at = {row["attempt_id"]: row["released_at"] for row in rows}
    return [late for role in installation.roles for late in late_lines(role.wire_log_path, rescued_at)]


def late_lines(wire_log_path: Path, rescued_at: Mapping[str, datetime]) -> Iterator[str]:
    """What this process sent too late."""
    for line in read_wire_log(wire_log_path):
        at = rescued_at.get(str(line.attempt_id))
        if at is not None and line.wall > at:
            late_ms = (line.wall - at).total_seconds() * 1_000
            yield f"attempt {line.attempt_id} left {late_ms:.1f} ms after its rescue ({wire_log_path.name})"
