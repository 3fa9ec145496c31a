"""Ten million pending calls in one campaign against a thousand: the order, a bulk UPDATE beside it, and the sweep."""

from bench.figures import Samples, Say, Verdict
from bench.rows import add_bare_calls, add_campaign, first_tenant, settle_down, subscribe
from bench.server import TERMINATE, running_server
from bench.sizes import Run
from bench.terminate import WARM_UP_ORDERS, bulk_update, settled_after, take_turns


async def measure(run: Run, say: Say) -> list[Verdict]:
    """As the part ``terminate``, but with what the server itself says that each order took."""
    sizes, data_dir = run.sizes, run.work_dir / "huge"
    with running_server(data_dir, sweep_batch_max="1", log_format="json") as server, server.http() as http:
        async with server.database() as database:
            tenant = await first_tenant(database)
            large = await add_campaign(database, tenant, "large", "ongoing")
            small = await add_campaign(database, tenant, "small", "ongoing")
            await add_bare_calls(database, tenant, small, sizes.small_rows)
            await add_bare_calls(database, tenant, large, sizes.huge_rows)
            await settle_down(database)
            size = await database.fetchval("SELECT pg_size_pretty(pg_database_size(current_database()))")
            say(f"{sizes.huge_rows:,} pending calls in one campaign; the database has {size}")
            end_to_end = await take_turns(database, http, (large, small), sizes.orders)
        took_s = server.took_s(TERMINATE)[2 * WARM_UP_ORDERS :]
    large_orders, small_orders = Samples.of_seconds(took_s[0::2]), Samples.of_seconds(took_s[1::2])
    say(f"campaign of {sizes.huge_rows:,}, in the server: {large_orders}; end to end: {end_to_end[0]}")
    say(f"campaign of {sizes.small_rows:,}, in the server: {small_orders}; end to end: {end_to_end[1]}")
    with running_server(data_dir) as server, server.http() as http:
        async with server.database() as database:
            await subscribe(database, tenant)
            update_s, row_count = await bulk_update(database, tenant, large)
            say(f"bulk UPDATE of the same rows ({row_count:,} pending; rolled back, no commit): {update_s:.1f} s")
            await settle_down(database)
            order_s = http.terminate(campaign_id=str(large))
            settled_s = await settled_after(database)
            event_count = await database.fetchval("SELECT count(*) FROM outbox_event WHERE call_id IS NOT NULL")
            say(
                f"the order for real, first of a fresh process, all settings default: {order_s * 1000:.2f} ms; its"
                f" {row_count:,} rows were settled behind it with {event_count:,} events in {settled_s:.0f} s,"
                f" {row_count / settled_s:,.0f} calls/s"
            )
    large_ms, small_ms = large_orders.median_ms, small_orders.median_ms
    return [
        Verdict(
            f"{sizes.huge_rows:,} pending: at most 1.5 x the order for {sizes.small_rows:,}, in the server",
            f"{large_ms / small_ms:.2f} x ({large_ms:.2f} ms; {small_ms:.2f} ms)",
            large_ms <= 1.5 * small_ms,
        ),
        Verdict(
            f"{sizes.huge_rows:,} pending: p99 under 25 ms, in the server",
            f"{large_orders.percentile_ms(0.99):.2f} ms; a bulk UPDATE {update_s:.0f} s,"
            f" {update_s * 1000 / large_ms:,.0f} x the median",
            large_orders.percentile_ms(0.99) < 25,
        ),
    ]
