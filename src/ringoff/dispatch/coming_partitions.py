"""Makes the partitions of coming periods before anything lies in their place, and tries again when it could not."""

from typing import Final

import structlog

from ringoff.domain.errors import SerializationConflict
from ringoff.ports import Store

log = structlog.get_logger()

AHEAD_DAYS: Final = 21
"""Long enough for somebody to see in the log that they are late, weeks before it matters to anything."""
LOCK_WAIT_MS: Final = 200
"""Orders and permits queue behind whoever waits for the default partition: no longer than this."""


async def make_coming_partitions(store: Store) -> int:
    """How many were made. Each in a transaction of its own, so that none waits for a second lock behind a first."""
    try:
        async with store.dispatch_transaction() as tx:
            await tx.partitions.let_go_of_bounds()
    except SerializationConflict as conflict:
        log.warning("a half-done migration keeps a bound", reason=conflict.message)
    async with store.dispatch_transaction() as tx:
        missing = await tx.partitions.missing(AHEAD_DAYS)
    made_count = 0
    for period in missing:
        try:
            async with store.dispatch_transaction() as tx:
                made_count += await tx.partitions.make(period, LOCK_WAIT_MS)
        except SerializationConflict as conflict:
            log.warning("a partition could not be made yet", table=period.of_table, reason=conflict.message)
    async with store.dispatch_transaction() as tx:
        await tx.partitions.advance_ids()
    if made_count:
        log.info("partitions were made for what is to come", partitions=made_count)
    return made_count
