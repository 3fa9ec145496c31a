"""Plans of PostgreSQL, with the names of the tables and indexes that a partition belongs to instead of its own.

What reads empty partitions alone is left out of them: it reads nothing, in whatever way.
"""

from typing import Any

import msgspec

from ringoff.store.connection import Connection
from ringoff.store.postgres import PostgresStore

ROOTS = """
    SELECT c.relname, pg_partition_root(c.oid)::regclass::text AS root,
        c.relkind = 'r' AND pg_relation_size(c.oid) = 0 AS is_empty
    FROM pg_class c
    WHERE c.relispartition
"""
LEAVES = """
    SELECT format('ALTER TABLE %I SET (autovacuum_enabled = off)', c.relname)
    FROM pg_class c
    WHERE c.relkind = 'r' AND (c.relname = $1 OR (c.relispartition AND pg_partition_root(c.oid)::regclass::text = $1))
"""
# A month for each of the three before this one, as if nothing had been dropped yet.
EARLIER_PARTITIONS = """
    SELECT make_partition(t.name, p.at, next_period(p.at))
    FROM partitioned_tables() t
    CROSS JOIN LATERAL (
        SELECT period_floor(now() - make_interval(months => n)) AS at FROM generate_series(1, 3) AS n
    ) p
"""


async def without_autovacuum(connection: Connection, table: str) -> None:
    """Nobody else looks at the table, or at its partitions, meanwhile."""
    for row in await connection.fetch(LEAVES, table):
        await connection.execute(row[0])


async def plan(
    store: PostgresStore, statement: str, *arguments: object, of_a_request: bool = False, steer: str | None = None
) -> list[dict[str, Any]]:
    """Every node of the plan, flattened. Requests plan each time and may read a table; orders and loops may not.

    Of orders and loops also those of the plan that their sessions keep, which knows no argument.
    """
    if of_a_request:
        async with store.transaction() as tx:
            if steer is not None:
                await tx.connection.execute(steer)
            return await flattened(tx.connection, f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
    async with store.dispatch_transaction() as tx:
        if steer is not None:
            await tx.connection.execute(steer)
        nodes = await flattened(tx.connection, f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
    return nodes + await kept_plan(store, statement, ", ".join("NULL" for _ in arguments), steer)


async def kept_plan(
    store: PostgresStore, statement: str, arguments: str, steer: str | None = None
) -> list[dict[str, Any]]:
    """The plan that a session keeps after a few runs, made without knowing the arguments."""
    async with store.dispatch_transaction() as tx:
        await tx.connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        if steer is not None:
            await tx.connection.execute(steer)
        # Nothing lies between two nulls, and every partition has to be shown.
        await tx.connection.execute("SET LOCAL enable_partition_pruning = off")
        await tx.connection.execute(f"PREPARE kept AS {statement}")
        nodes = await flattened(tx.connection, f"EXPLAIN (FORMAT JSON) EXECUTE kept{arguments and f'({arguments})'}")
        await tx.connection.execute("DEALLOCATE kept")
    return nodes


async def flattened(connection: Connection, explain: str, *arguments: object) -> list[dict[str, Any]]:
    """Every node of what an EXPLAIN (FORMAT JSON) answers."""
    nodes: list[dict[str, Any]] = []

    def walk(node: dict[str, Any]) -> None:
        nodes.append(node)
        for child in node.get("Plans", []):
            walk(child)

    walk(await tree(connection, explain, *arguments))
    return nodes


async def tree(connection: Connection, explain: str, *arguments: object) -> dict[str, Any]:
    """The top node of what an EXPLAIN (FORMAT JSON) answers."""
    top: dict[str, Any] = msgspec.json.decode(await connection.fetchval(explain, *arguments))[0]["Plan"]
    rows = await connection.fetch(ROOTS)
    roots = {row["relname"]: row["root"] for row in rows}
    empty = {row["relname"] for row in rows if row["is_empty"]}

    def reads(node: dict[str, Any]) -> set[str]:
        own = {node["Relation Name"]} if "Relation Name" in node else set()
        return own.union(*(reads(child) for child in node.get("Plans", [])))

    def tidy(node: dict[str, Any]) -> None:
        below = node.get("Plans", [])
        node["Plans"] = [child for child in below if len(below) == 1 or not reads(child) or reads(child) - empty]
        for child in node["Plans"]:
            tidy(child)
        for key in ("Relation Name", "Index Name"):
            if key in node:
                node[key] = roots.get(node[key], node[key])

    tidy(top)
    return top


def reads_whole(nodes: list[dict[str, Any]], table: str) -> bool:
    """Whether the table, or one of its partitions, is read from end to end."""
    return any(node["Node Type"] == "Seq Scan" and node.get("Relation Name") == table for node in nodes)


def indexes(nodes: list[dict[str, Any]]) -> set[str]:
    """The names that the indexes of a plan have at their table."""
    return {node["Index Name"] for node in nodes if "Index Name" in node}
