"""Deliveries of events against PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from ringoff.domain.identifiers import AgentId, WorkspaceId
from ringoff.domain.webhook_records import (
    Delivery,
    DeliveryCursor,
    DeliveryFilter,
    LoggedDelivery,
    OpenSubscription,
    PausedSubscription,
    StatusCallback,
    TryOutcome,
)
from ringoff.store.connection import Connection, row_count
from ringoff.store.sql_loader import load

_SQL = load("webhooks")
_EVENT_ID_MAX: Final = 2**63 - 1


class PostgresWebhooks:
    """Implements ``ports.WebhookStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def set_webhook(
        self,
        workspace_id: WorkspaceId,
        agent_id: AgentId | None,
        event_type: str,
        *,
        callback_url: str,
        headers: Mapping[str, str],
        method: str,
        signing_secret: str,
    ) -> tuple[OpenSubscription, str]:
        row = await self._connection.fetchrow(
            _SQL["set_webhook"], workspace_id, agent_id, event_type, callback_url, headers, method, signing_secret
        )
        assert row is not None, "an upsert always has its row"
        return OpenSubscription(workspace_id, row["subscription_id"]), row["signing_secret"]

    async def keep_callback(
        self,
        workspace_id: WorkspaceId,
        subject_id: UUID,
        callback: StatusCallback,
        *,
        signing_secret: str,
        origins_max: int,
    ) -> bool:
        await self._connection.execute(_SQL["add_origin"], workspace_id, callback.origin, signing_secret, origins_max)
        status = await self._connection.execute(
            _SQL["keep_callback"],
            workspace_id,
            subject_id,
            callback.origin,
            callback.callback_url,
            dict(callback.headers),
        )
        return row_count(status) == 1

    async def open(self) -> Sequence[OpenSubscription]:
        return [OpenSubscription(**dict(row)) for row in await self._connection.fetch(_SQL["open"])]

    async def claim(self, of: OpenSubscription, count_max: int, lease_s: float) -> Sequence[Delivery]:
        await self._connection.execute(_SQL["need_not_be_durable"])
        rows = await self._connection.fetch(_SQL["claim"], of.workspace_id, of.subscription_id, count_max, lease_s)
        return [Delivery(workspace_id=of.workspace_id, **_plain(dict(row))) for row in rows]

    async def give_back(self, of: OpenSubscription, deliveries: Sequence[Delivery]) -> None:
        await self._connection.execute(
            _SQL["give_back"],
            of.workspace_id,
            of.subscription_id,
            [delivery.event_id for delivery in deliveries],
            [delivery.tries for delivery in deliveries],
        )

    async def record(self, of: OpenSubscription, outcomes: Sequence[TryOutcome]) -> Mapping[int, str]:
        rows = await self._connection.fetch(
            _SQL["record"],
            of.workspace_id,
            of.subscription_id,
            [o.event_id for o in outcomes],
            [o.tries for o in outcomes],
            [o.state for o in outcomes],
            [o.status for o in outcomes],
            [o.latency_ms for o in outcomes],
            [o.excerpt for o in outcomes],
            [o.wait_s for o in outcomes],
        )
        return {row["event_id"]: row["excerpt"] for row in rows}

    async def succeeded(self, of: OpenSubscription) -> None:
        await self._connection.execute(_SQL["succeeded"], of.workspace_id, of.subscription_id)

    async def failed(self, of: OpenSubscription, count: int, count_max: int, lasting_s: float, alarm: str) -> bool:
        row = await self._connection.fetchrow(
            _SQL["failed"], of.workspace_id, of.subscription_id, count, count_max, lasting_s, alarm[:500]
        )
        return row is not None and bool(row["is_paused"])

    async def resume(self, of: OpenSubscription, lease_s: float) -> bool:
        return bool(await self._connection.fetchval(_SQL["resume"], of.workspace_id, of.subscription_id, lease_s))

    async def redeliver(self, of: OpenSubscription, first_event_id: int, last_event_id: int) -> int:
        status = await self._connection.execute(
            _SQL["redeliver"], of.workspace_id, of.subscription_id, first_event_id, last_event_id
        )
        return row_count(status)

    async def deliveries(self, workspace_id: WorkspaceId, wanted: DeliveryFilter) -> Sequence[LoggedDelivery]:
        below = wanted.below or DeliveryCursor(_EVENT_ID_MAX, UUID(int=2**128 - 1))
        arguments: list[Any] = [
            workspace_id,
            wanted.subscription_id,
            wanted.event_type,
            wanted.state,
            below.event_id,
            below.subscription_id,
        ]
        if wanted.call_id is not None:
            arguments += [wanted.since, wanted.limit, wanted.call_id]
            rows = await self._connection.fetch(_SQL["deliveries_of_call"], *arguments)
        elif wanted.since is None or wanted.state is None:
            rows = await self._connection.fetch(_SQL["deliveries"], *arguments, wanted.limit)
            # Most pages are young enough as they are; the other query reads every event that is.
            if wanted.since is not None and any(row["event_at"] < wanted.since for row in rows):
                rows = await self._connection.fetch(_SQL["deliveries_since"], *arguments, wanted.since, wanted.limit)
        else:
            # A state that is rare is looked for all the way down: by age it may be less.
            rows = await self._connection.fetch(_SQL["deliveries_since"], *arguments, wanted.since, wanted.limit)
        return [LoggedDelivery(**dict(row)) for row in rows]

    async def paused(self) -> Sequence[PausedSubscription]:
        return [PausedSubscription(**dict(row)) for row in await self._connection.fetch(_SQL["paused"])]

    async def oldest_undelivered_s(self) -> float | None:
        age_s = await self._connection.fetchval(_SQL["oldest_undelivered_s"])
        return None if age_s is None else float(age_s)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    row["attempts"] = list(zip(row.pop("dispositions") or [], row.pop("called_at") or [], strict=True))
    return row
