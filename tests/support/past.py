"""A past that a test makes up: calls of earlier months, where they would lie if they had been registered then."""

from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from ringoff.clock import SystemClock
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.retention import RetentionReport
from ringoff.operations.retention import Retention
from ringoff.store.postgres import PostgresStore
from tests.support.plans import EARLIER_PARTITIONS
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World

KEEP_DAYS = 20
NUMBER = "+12025550101"

# One call with its contact and one attempt that is over, as they would be if they had been registered at $5.
ADD_CALL = """
    WITH ids AS (
        SELECT (substr(ordered_uuid_floor($5)::text, 1, 24) || substr(md5(random()::text), 1, 12))::uuid AS call_id,
            ordered_id_floor($5) + nextval('contact_ids') % 4294967296 AS contact_id
    ), added_contact AS (
        INSERT INTO contact (workspace_id, campaign_id, contact_id, called_number, callee_name, custom_args)
        SELECT $1, $2, contact_id, $3, 'somebody', '{}' FROM ids
    ), added_attempt AS (
        INSERT INTO dial_attempt (
            workspace_id, call_id, campaign_id, trunk_id, owner_id, state, lease_until, calling_number, prepared_at,
            originated_at, released_at, disposition
        )
        SELECT $1, call_id, $2, $1, $1, 'released', $5, '+12025550100', $5, $5, $5, 'busy' FROM ids
    )
    INSERT INTO call (
        workspace_id, call_id, campaign_id, contact_id, epoch, called_number, status, created_at, last_attempt_at,
        ended_at, next_attempt_at
    )
    SELECT $1, call_id, $2, contact_id, 0, $3, $4, $5, $5,
        CASE WHEN $4 IN ('completed', 'failed', 'error', 'cancelled') THEN $6::timestamptz END,
        CASE WHEN $4 IN ('registered', 'retry') THEN now() END
    FROM ids
    RETURNING call_id
"""
END_BY_AN_ORDER = """
    WITH given AS (
        INSERT INTO termination (workspace_id, level, selector) VALUES ($1, 'campaign', '{}') RETURNING termination_id
    )
    UPDATE call SET sub_status = 'USER_TERMINATED', termination_id = g.termination_id FROM given g WHERE call_id = $2
"""
# In place of the contact that it was made with.
NAME_CONTACT_OF = """
    WITH own AS (DELETE FROM contact t USING call c WHERE c.call_id = $1 AND t.contact_id = c.contact_id)
    UPDATE call SET contact_id = (SELECT contact_id FROM call WHERE call_id = $2), epoch = 1 WHERE call_id = $1
"""


class QuickClock(VirtualClock):
    """Whoever sleeps is woken at once."""

    async def sleep(self, seconds: float) -> None:
        self.skip(seconds)


class Past:
    """A campaign with calls of earlier months."""

    def __init__(self, store: PostgresStore, world: World, campaign_id: CampaignId) -> None:
        self.store = store
        self.world = world
        self.campaign_id = campaign_id

    @classmethod
    async def make(cls, store: PostgresStore, world: World, *, is_started: bool = False) -> Self:
        """An empty campaign, as old as the calls that it will get."""
        async with store.transaction() as tx:
            await tx.connection.execute(EARLIER_PARTITIONS)
        campaign_id = await (world.campaign([]) if is_started else world.draft([]))
        async with store.transaction() as tx:
            await tx.connection.execute(
                "UPDATE campaign SET created_at = now() - interval '95 days', is_tallied = NOT $2"
                " WHERE campaign_id = $1",
                campaign_id,
                is_started,
            )
        return cls(store, world, campaign_id)

    async def call(
        self, status: str, age_days: float, ended_days_ago: float | None = None, number: str = NUMBER
    ) -> UUID:
        registered_at = SystemClock().now() - timedelta(days=age_days)
        ended_at = registered_at if ended_days_ago is None else SystemClock().now() - timedelta(days=ended_days_ago)
        of = (self.world.workspace_id, self.campaign_id)
        async with self.store.transaction() as tx:
            call_id: UUID = await tx.connection.fetchval(ADD_CALL, *of, number, status, registered_at, ended_at)
        return call_id

    async def call_ended_by_an_order(
        self, age_days: float, ended_days_ago: float | None = None, number: str = NUMBER
    ) -> UUID:
        call_id = await self.call("cancelled", age_days, ended_days_ago, number)
        async with self.store.transaction() as tx:
            await tx.connection.execute(END_BY_AN_ORDER, self.world.workspace_id, call_id)
        return call_id

    async def later_call(self, call_id: UUID, status: str, age_days: float) -> UUID:
        """One more call for the contact of ``call_id``, as a restart would have registered it then."""
        later_id = await self.call(status, age_days)
        async with self.store.transaction() as tx:
            await tx.connection.execute(NAME_CONTACT_OF, later_id, call_id)
        return later_id

    async def restart(self) -> int:
        """New calls for those whose last call an order has ended; how many."""
        of = (self.world.workspace_id, self.campaign_id)
        async with self.store.transaction() as tx:
            return await tx.campaigns.register_terminated(*of, 2, SystemClock().now())

    async def retain(self, keep_days: int = KEEP_DAYS, **options: Any) -> RetentionReport:
        is_dry_run = options.pop("is_dry_run", False)
        report = await Retention(self.store, QuickClock(), keep_days, **options).run(is_dry_run=is_dry_run)
        assert report is not None
        return report

    async def left(self) -> set[UUID]:
        return set(await self.world.statuses())

    async def rows(self, table: str) -> int:
        return await self.world.count(f"SELECT count(*) FROM {table}")
