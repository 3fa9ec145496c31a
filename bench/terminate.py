"""The kill switch through HTTP: a million pending calls against a thousand, a hundred numbers, and the bulk UPDATE."""

import asyncio
import random
import time
from contextlib import suppress
from uuid import UUID

import asyncpg

from bench.figures import Samples, Say, Verdict
from bench.rows import Tenant, add_campaign, add_pending_calls, first_tenant, settle_down
from bench.server import Connection, KeptConnection, running_server
from bench.sizes import Run, Sizes

WARM_UP_ORDERS = 20


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Orders of both sizes take turns on one connection, so that whatever else the machine does meets both alike."""
    sizes, data_dir = run.sizes, run.work_dir / "terminate"
    # A sweep of one row a batch: between two orders the campaign is put back, and its rows must still be pending.
    with running_server(data_dir, sweep_batch_max="1") as server, server.http() as http:
        async with server.database() as database:
            tenant = await first_tenant(database)
            large = await add_campaign(database, tenant, "large", "ongoing")
            small = await add_campaign(database, tenant, "small", "ongoing")
            await add_pending_calls(database, tenant, small, sizes.small_rows)
            await add_pending_calls(database, tenant, large, sizes.rows)
            await settle_down(database)
            large_orders, small_orders = await take_turns(database, http, (large, small), sizes.orders)
            say(f"campaign of {sizes.rows:,} pending calls: {large_orders}")
            say(f"campaign of {sizes.small_rows:,} pending calls: {small_orders}")
            by_numbers = await _orders_by_numbers(database, http, tenant, large, sizes)
            say(f"{sizes.numbers} numbers among {sizes.rows:,} pending calls, all campaigns: {by_numbers}")
    # The same rows again, with every default: the order, what is swept behind it, and what a row by row end would cost.
    with running_server(data_dir) as server, server.http() as http:
        async with server.database() as database:
            update_s, row_count = await bulk_update(database, tenant, large)
            say(f"bulk UPDATE of the same rows ({row_count:,} pending; rolled back, no commit): {update_s:.2f} s")
            await settle_down(database)
            order_s = http.terminate(campaign_id=str(large))
            settled_s = await settled_after(database)
            say(
                f"the order for real, first of a fresh process, all settings default: {order_s * 1000:.2f} ms;"
                f" its {row_count:,} rows were settled behind it in {settled_s:.1f} s"
            )
    large_ms, small_ms = large_orders.median_ms, small_orders.median_ms
    return [
        Verdict(f"terminate {sizes.rows:,} pending: median < 5 ms", f"{large_ms:.2f} ms", large_ms < 5),
        Verdict(
            f"at most 1.5 x that of {sizes.small_rows:,} pending",
            f"{large_ms / small_ms:.2f} x ({small_ms:.2f} ms)",
            large_ms <= 1.5 * small_ms,
        ),
        Verdict(
            "at least 500 x cheaper than the bulk UPDATE",
            f"{update_s * 1000 / large_ms:,.0f} x ({update_s:.2f} s)",
            update_s * 1000 >= 500 * large_ms,
        ),
        Verdict(
            f"{sizes.numbers} numbers among {sizes.rows:,} pending: < 25 ms",
            f"{by_numbers.median_ms:.2f} ms median, {by_numbers.percentile_ms(0.99):.2f} ms p99",
            by_numbers.median_ms < 25,
        ),
    ]


async def take_turns(
    database: Connection, http: KeptConnection, campaigns: tuple[UUID, UUID], count: int
) -> tuple[Samples, Samples]:
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(WARM_UP_ORDERS + count):
        for campaign_id, values in zip(campaigns, took, strict=True):
            values.append(http.terminate(campaign_id=str(campaign_id)))
            await put_back(database, campaign_id)
    first, second = took
    return Samples.of_seconds(first[WARM_UP_ORDERS:]), Samples.of_seconds(second[WARM_UP_ORDERS:])


async def put_back(database: Connection, campaign_id: UUID) -> None:
    """As if the order had never been given, but for the few rows that the sweeper may have reached."""
    while True:
        # The sweeper is at work on the same rows, and takes them in its own order.
        with suppress(asyncpg.DeadlockDetectedError):
            await _put_back(database, campaign_id)
            return


async def _put_back(database: Connection, campaign_id: UUID) -> None:
    async with database.transaction():
        fences = await database.fetch(
            "DELETE FROM campaign_fence WHERE campaign_id = $1 RETURNING termination_id", campaign_id
        )
        await database.execute(
            "UPDATE campaign SET epoch = 0, status = 'ongoing' WHERE campaign_id = $1 AND epoch = 1", campaign_id
        )
        fences += await database.fetch("DELETE FROM number_fence RETURNING termination_id")
        orders = [fence["termination_id"] for fence in fences]
        await database.execute("DELETE FROM termination WHERE termination_id = ANY($1::uuid[])", orders)


async def _orders_by_numbers(
    database: Connection, http: KeptConnection, tenant: Tenant, campaign_id: UUID, sizes: Sizes
) -> Samples:
    """Numbers from all over the list, fresh ones each time: these rows are cancelled for good."""
    rows = await database.fetch(
        "SELECT called_number FROM call WHERE campaign_id = $1 AND status = 'registered' AND workspace_id = $2",
        campaign_id,
        tenant.workspace_id,
    )
    http.close()
    count = sizes.numbers * sizes.number_orders
    numbers = random.Random(1).sample([row["called_number"] for row in rows], count)
    return Samples.of_seconds(
        [
            http.terminate(mobile_numbers=numbers[start : start + sizes.numbers])
            for start in range(0, count, sizes.numbers)
        ]
    )


async def bulk_update(database: Connection, tenant: Tenant, campaign_id: UUID) -> tuple[float, int]:
    """The way without a fence, without events, and not even committed: the least that it can cost."""
    transaction = database.transaction()
    await transaction.start()
    began = time.perf_counter()
    status = await database.execute(
        "UPDATE call SET status = 'cancelled', sub_status = 'USER_TERMINATED', termination_id = gen_random_uuid(),"
        " next_attempt_at = NULL, ended_at = clock_timestamp()"
        " WHERE workspace_id = $1 AND campaign_id = $2 AND status IN ('registered', 'retry')",
        tenant.workspace_id,
        campaign_id,
        timeout=600,
    )
    took_s = time.perf_counter() - began
    await transaction.rollback()
    return took_s, int(status.rsplit(" ", 1)[1])


async def settled_after(database: Connection) -> float:
    began = time.perf_counter()
    # Whatever kind of fence it was: the receipt settles with the last row.
    while await database.fetchval("SELECT EXISTS (SELECT FROM termination WHERE state = 'settling')"):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return time.perf_counter() - began
