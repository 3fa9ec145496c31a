"""Campaigns and their contacts against PostgreSQL."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg

from ringoff.domain.call_config import CallConfig, from_json, to_json
from ringoff.domain.identifiers import AgentId, CampaignId, NumberPoolId, TrunkId, WorkspaceId
from ringoff.domain.records import CampaignCounts, CampaignRow, NewCampaign
from ringoff.store.connection import Connection, row_count
from ringoff.store.kept import hold_calls
from ringoff.store.sql_loader import load

_SQL = load("campaigns")
_ANALYZE_FILLED = load("filled")["analyze"]
_CLOCK_SQL = load("campaign_clock")
_TALLIES = load("tallies")
_COVERAGE = load("coverage")
_ERASURES = load("erasures")
_PUBLISH_STARTED = load("registrations")["publish_started"]

_ANALYZE_FROM = 1_000
_STATUSES = tuple(field.name for field in fields(CampaignCounts))

CONTACT_COLUMNS = ("workspace_id", "campaign_id", "called_number", "callee_name", "custom_args", "line_no")


class PostgresCampaigns:
    """Implements ``ports.CampaignStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_campaign(self, campaign: NewCampaign) -> CampaignId:
        campaign_id = await self._connection.fetchval(
            _SQL["add_campaign"],
            campaign.workspace_id,
            campaign.agent_id,
            campaign.name,
            to_json(campaign.call_config),
            dict(campaign.variables_map),
            campaign.start_at,
            campaign.end_at,
            "draft" if campaign.is_verified else "verifying",
        )
        return CampaignId(campaign_id)

    async def copy_contacts(self, rows: AsyncIterator[bytes]) -> int:
        status = await self._connection.copy_to_table("contact", source=rows, columns=CONTACT_COLUMNS, format="binary")
        return int(status.rsplit(" ", 1)[1])

    async def register_contacts(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> int:
        status = await self._connection.execute(_SQL["register_contacts"], workspace_id, campaign_id)
        count = int(status.rsplit(" ", 1)[1])
        if count >= _ANALYZE_FROM:
            # Rows and statistics become visible together: a plan made for an empty table would read this one whole.
            await self._connection.execute(_ANALYZE_FILLED)
        await self._connection.execute(_PUBLISH_STARTED, workspace_id, campaign_id)
        epoch = await self._connection.fetchval(_SQL["set_total_count"], workspace_id, campaign_id, count)
        await self._connection.execute(_TALLIES["add_registered"], workspace_id, campaign_id, epoch, count)
        return count

    async def campaign(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> CampaignRow | None:
        row = await self._connection.fetchrow(_SQL["campaign"], workspace_id, campaign_id)
        return None if row is None else _campaign(row)

    async def reschedule(
        self,
        workspace_id: WorkspaceId,
        campaign_id: CampaignId,
        call_config: CallConfig,
        start_at: datetime,
        end_at: datetime | None,
    ) -> CampaignRow | None:
        row = await self._connection.fetchrow(
            _SQL["reschedule"], workspace_id, campaign_id, to_json(call_config), start_at, end_at
        )
        return None if row is None else _campaign(row)

    async def start(
        self,
        workspace_id: WorkspaceId,
        campaign_id: CampaignId,
        trunk_id: TrunkId,
        calling_numbers: Sequence[str],
        now: datetime | None,
        number_pool_id: NumberPoolId | None = None,
    ) -> CampaignRow | None:
        row = await self._connection.fetchrow(
            _SQL["start"], workspace_id, campaign_id, trunk_id, list(calling_numbers), now, number_pool_id
        )
        return None if row is None else _campaign(row)

    async def register_terminated(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, epoch: int, start_at: datetime
    ) -> int:
        being_erased = await self._numbers_being_erased(workspace_id)
        kept_from = await hold_calls(self._connection)
        count = row_count(
            await self._connection.execute(
                _SQL["register_terminated"], workspace_id, campaign_id, epoch, start_at, kept_from, being_erased
            )
        )
        if count >= _ANALYZE_FROM:
            await self._connection.execute(_ANALYZE_FILLED)
        await self._connection.execute(_PUBLISH_STARTED, workspace_id, campaign_id)
        await self._connection.execute(_TALLIES["add_registered"], workspace_id, campaign_id, epoch, count)
        return count

    async def _numbers_being_erased(self, workspace_id: WorkspaceId) -> Sequence[str]:
        await self._connection.execute(_ERASURES["begin_to_write"])
        if not await self._connection.fetchval(_ERASURES["has_table"]):
            return []
        numbers: Sequence[str] = await self._connection.fetchval(_ERASURES["numbers_being_erased"], workspace_id)
        return numbers

    async def restart(
        self,
        workspace_id: WorkspaceId,
        campaign_id: CampaignId,
        epoch: int,
        trunk_id: TrunkId,
        calling_numbers: Sequence[str],
        new_count: int,
        now: datetime | None,
        number_pool_id: NumberPoolId | None = None,
    ) -> CampaignRow | None:
        row = await self._connection.fetchrow(
            _SQL["restart"],
            workspace_id,
            campaign_id,
            epoch,
            trunk_id,
            list(calling_numbers),
            new_count,
            now,
            number_pool_id,
        )
        return None if row is None else _campaign(row)

    async def pause(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> CampaignRow | None:
        row = await self._connection.fetchrow(_SQL["pause"], workspace_id, campaign_id)
        return None if row is None else _campaign(row)

    async def resume(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, now: datetime | None
    ) -> CampaignRow | None:
        row = await self._connection.fetchrow(_SQL["resume"], workspace_id, campaign_id, now)
        return None if row is None else _campaign(row)

    async def campaigns_below(
        self,
        workspace_id: WorkspaceId,
        below: CampaignId | None,
        limit: int,
        status: str | None = None,
        name_part: str | None = None,
    ) -> Sequence[CampaignRow]:
        rows = await self._connection.fetch(_SQL["campaigns_below"], workspace_id, below, limit, status, name_part)
        return [_campaign(row) for row in rows]

    async def campaigns(self, workspace_id: WorkspaceId, limit: int, offset: int) -> tuple[Sequence[CampaignRow], int]:
        total = await self._connection.fetchval(_SQL["count_campaigns"], workspace_id)
        rows = await self._connection.fetch(_SQL["campaigns"], workspace_id, limit, offset)
        return [_campaign(row) for row in rows], total

    async def counts(
        self, workspace_id: WorkspaceId, campaign_ids: Sequence[CampaignId]
    ) -> Mapping[CampaignId, CampaignCounts]:
        ids = list(campaign_ids)
        counts = {campaign_id: dict.fromkeys(_STATUSES, 0) for campaign_id in ids}
        tallied: set[CampaignId] = set()
        for row in await self._connection.fetch(_TALLIES["counts"], workspace_id, ids):
            counts[row["campaign_id"]] |= {status: row[status] for status in _STATUSES}
            tallied.add(row["campaign_id"])
        if one_by_one := [campaign_id for campaign_id in ids if campaign_id not in tallied]:
            for row in await self._connection.fetch(_SQL["status_counts"], workspace_id, one_by_one):
                counts[row["campaign_id"]][row["status"]] = row["count"]
        one_id = ids[0] if len(ids) == 1 else None
        for row in await self._connection.fetch(_COVERAGE["behind_number_fences"], workspace_id, one_id, None):
            # Those counted call by call are counted by effective status already.
            if row["campaign_id"] in tallied:
                _move_to_cancelled(counts[row["campaign_id"]], row["registered_count"], row["retry_count"])
        return {campaign_id: CampaignCounts(**by_status) for campaign_id, by_status in counts.items()}

    async def fold_tallies(self, count_max: int) -> int:
        return int(await self._connection.fetchval(_TALLIES["fold"], count_max))

    async def running_campaigns(self, workspace_id: WorkspaceId, limit: int) -> Sequence[CampaignRow]:
        return [_campaign(row) for row in await self._connection.fetch(_SQL["running_campaigns"], workspace_id, limit)]

    async def delete_list(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> bool:
        return row_count(await self._connection.execute(_SQL["delete_list"], workspace_id, campaign_id)) == 1

    async def has_ongoing_calls(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> bool:
        return bool(await self._connection.fetchval(_CLOCK_SQL["has_ongoing_calls"], workspace_id, campaign_id))

    async def calling_numbers_in_contacts(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, numbers: Sequence[str]
    ) -> Sequence[tuple[str, int]]:
        rows = await self._connection.fetch(
            _SQL["calling_numbers_in_contacts"], workspace_id, campaign_id, list(numbers)
        )
        return [(row["called_number"], row["line_no"]) for row in rows]

    async def individual_campaign(
        self,
        workspace_id: WorkspaceId,
        agent_id: AgentId,
        trunk_id: TrunkId,
        number_pool_id: NumberPoolId | None = None,
    ) -> tuple[CampaignId, int]:
        key = (workspace_id, agent_id, trunk_id, number_pool_id)
        row = await self._connection.fetchrow(_SQL["individual_campaign"], *key)
        if row is None:
            # Individual calls carry their own configuration; the hidden campaign's is never used.
            await self._connection.execute(
                _SQL["add_individual_campaign"],
                workspace_id,
                agent_id,
                trunk_id,
                to_json(CallConfig()),
                number_pool_id,
            )
            row = await self._connection.fetchrow(_SQL["individual_campaign"], *key)
        assert row is not None, "inserted above, by us or by whoever won"
        return row["campaign_id"], row["epoch"]

    async def open_due(self, now: datetime | None) -> Sequence[CampaignId]:
        return [row["campaign_id"] for row in await self._connection.fetch(_CLOCK_SQL["open_due"], now)]

    async def finish_done(self) -> Sequence[CampaignId]:
        return [row["campaign_id"] for row in await self._connection.fetch(_CLOCK_SQL["finish_done"])]

    async def past_end(self, now: datetime | None) -> Sequence[tuple[WorkspaceId, CampaignId]]:
        rows = await self._connection.fetch(_CLOCK_SQL["past_end"], now)
        return [(row["workspace_id"], row["campaign_id"]) for row in rows]


def _move_to_cancelled(by_status: dict[str, int], registered_count: int, retry_count: int) -> None:
    """What an unsettled order by numbers has ended already."""
    by_status["registered"] -= registered_count
    by_status["retry"] -= retry_count
    by_status["cancelled"] += registered_count + retry_count


def _campaign(row: asyncpg.Record) -> CampaignRow:
    return CampaignRow(
        campaign_id=row["campaign_id"],
        workspace_id=row["workspace_id"],
        agent_id=row["agent_id"],
        name=row["name"],
        status=row["status"],
        epoch=row["epoch"],
        trunk_id=row["trunk_id"],
        calling_numbers=row["calling_numbers"],
        call_config=from_json(row["call_config"]),
        start_at=row["start_at"],
        end_at=row["end_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        total_count=row["total_count"],
        number_pool_id=row["number_pool_id"],
    )
