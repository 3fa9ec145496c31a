"""Reads how the database keeps its commits; ``domain/durability`` judges it."""

from ringoff.domain.durability import Durability, Standby
from ringoff.store.connection import Connection
from ringoff.store.hosts import hosts_of
from ringoff.store.sql_loader import load

_SQL = load("durability")
_SETTINGS, _STANDBYS = _SQL["settings"], _SQL["standbys"]


async def read_durability(connection: Connection, dsn: str) -> Durability:
    """As this session sees it; ``dsn`` is the URL that it came by."""
    rows = {row["name"]: row for row in await connection.fetch(_SETTINGS)}
    standbys = await connection.fetch(_STANDBYS)
    return Durability(
        settings={name: row["setting"] for name, row in rows.items()},
        commit_given=rows["synchronous_commit"]["reset_val"],
        standbys=[Standby(row["name"], row["sync_state"]) for row in standbys],
        has_several_hosts=bool(hosts_of(dsn)),
    )
