"""Puts campaigns with pending calls into a database by SQL, so that a million of them cost seconds, not minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bench.server import Connection
from ringoff.domain.call_config import CallConfig, to_json

# Neighbours in a file are no neighbours in a number index, as in real lists: a stride that shares no factor with 10.
NUMBER_STRIDE = 7_919
_SLICE = 500_000


@dataclass(frozen=True, slots=True)
class Tenant:
    """The workspace, agent and trunk that the first start has made."""

    workspace_id: UUID
    agent_id: UUID
    trunk_id: UUID


async def first_tenant(database: Connection) -> Tenant:
    row = await database.fetchrow(
        "SELECT a.workspace_id, a.agent_id, t.trunk_id FROM agent a JOIN trunk t ON t.workspace_id = a.workspace_id"
    )
    assert row is not None, "the first start makes them"
    return Tenant(row["workspace_id"], row["agent_id"], row["trunk_id"])


async def add_campaign(database: Connection, tenant: Tenant, name: str, status: str) -> UUID:
    """An empty campaign."""
    campaign_id: UUID = await database.fetchval(
        "INSERT INTO campaign (workspace_id, agent_id, kind, name, status, trunk_id, calling_numbers, call_config,"
        " start_at, end_at) VALUES ($1, $2, 'list', $3, $4, $5, '{+12025550100}', $6, now(), now() + $7)"
        " RETURNING campaign_id",
        tenant.workspace_id,
        tenant.agent_id,
        name,
        status,
        tenant.trunk_id,
        to_json(CallConfig()),
        timedelta(days=30),
    )
    return campaign_id


async def add_pending_calls(
    database: Connection,
    tenant: Tenant,
    campaign_id: UUID,
    count: int,
    due_in: timedelta = timedelta(days=1),
    tail: str = "0001",
) -> None:
    """Registered calls to different numbers, each with its contact; to the simulated carrier, the tail is the end."""
    await database.execute(
        "INSERT INTO contact (workspace_id, campaign_id, called_number, callee_name, custom_args, line_no)"
        " SELECT $1, $2, '+91' || lpad((n::bigint * $4 % 1000000)::text, 6, '0') || $5, 'Person ' || n,"
        " jsonb_build_object('callee_name', 'Person ' || n, 'company', 'Acme ' || n), n + 1"
        " FROM generate_series(1, $3::int) AS n",
        tenant.workspace_id,
        campaign_id,
        count,
        NUMBER_STRIDE,
        tail,
        timeout=600,
    )
    await database.execute(
        "INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)"
        " SELECT t.workspace_id, t.campaign_id, t.contact_id, 0, t.called_number, now() + $3"
        " FROM contact t WHERE t.workspace_id = $1 AND t.campaign_id = $2 ORDER BY t.contact_id",
        tenant.workspace_id,
        campaign_id,
        due_in,
        timeout=600,
    )
    await _registered(database, tenant, campaign_id, count)


async def add_due_calls(
    database: Connection, tenant: Tenant, campaign_id: UUID, due_at: Mapping[str, datetime]
) -> None:
    """Registered calls with their contacts, each number with its own instant."""
    numbers, instants = list(due_at), list(due_at.values())
    await database.execute(
        "INSERT INTO contact (workspace_id, campaign_id, called_number, callee_name, custom_args, line_no)"
        " SELECT $1, $2, n, 'Person', jsonb_build_object('callee_name', 'Person'), l + 1"
        " FROM unnest($3::text[]) WITH ORDINALITY AS t (n, l)",
        tenant.workspace_id,
        campaign_id,
        numbers,
    )
    await database.execute(
        "INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)"
        " SELECT c.workspace_id, c.campaign_id, c.contact_id, 0, c.called_number, t.at"
        " FROM contact c JOIN unnest($3::text[], $4::timestamptz[]) AS t (n, at) ON t.n = c.called_number"
        " WHERE c.workspace_id = $1 AND c.campaign_id = $2",
        tenant.workspace_id,
        campaign_id,
        numbers,
        instants,
    )
    await _registered(database, tenant, campaign_id, len(numbers))


async def add_bare_calls(
    database: Connection, tenant: Tenant, campaign_id: UUID, count: int, due_in: timedelta = timedelta(days=1)
) -> None:
    """As above but without contacts, which neither an order nor the sweeper reads: for many millions."""
    for first in range(1, count + 1, _SLICE):
        await database.execute(
            "INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)"
            " SELECT $1, $2, n, 0, '+91' || lpad((n::bigint * $5 % 10000000000)::text, 10, '0'), now() + $6"
            " FROM generate_series($3::bigint, $4::bigint) AS n",
            tenant.workspace_id,
            campaign_id,
            first,
            min(first + _SLICE - 1, count),
            NUMBER_STRIDE,
            due_in,
            timeout=600,
        )


async def _registered(database: Connection, tenant: Tenant, campaign_id: UUID, count: int) -> None:
    """The campaign's own counts, as an upload leaves them."""
    await database.execute(
        "WITH k AS (UPDATE campaign SET total_count = $3, is_tallied = true"
        " WHERE workspace_id = $1 AND campaign_id = $2 RETURNING epoch)"
        " INSERT INTO tally_step (workspace_id, campaign_id, epoch, registered_count)"
        " SELECT $1, $2, k.epoch, $3 FROM k",
        tenant.workspace_id,
        campaign_id,
        count,
    )


async def subscribe(database: Connection, tenant: Tenant) -> None:
    """So that every ended call has its event, as for a user who listens."""
    await database.execute(
        "INSERT INTO event_subscription (workspace_id, event_type) VALUES ($1, 'call_completed')", tenant.workspace_id
    )


async def settle_down(database: Connection) -> None:
    """What a database has long done when the rows are a minute old: statistics, visibility, a checkpoint."""
    await database.execute("VACUUM (ANALYZE) call", timeout=600)
    await database.execute("VACUUM (ANALYZE) contact", timeout=600)
    await database.execute("CHECKPOINT", timeout=600)
