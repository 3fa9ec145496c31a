"""Claim, permit, settle, rescue against PostgreSQL; the statements in sql/ (work, dispatch, rescue) are the product."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ringoff.domain.attempt_records import (
    AttemptKey,
    ClaimedCall,
    ClosedCampaign,
    DialWork,
    ExpiredAttempt,
    PaceState,
    Reconciled,
    SettledCall,
    SettleEntry,
    WantedRelease,
)
from ringoff.domain.call import CallStatus
from ringoff.domain.call_config import CallConfig, from_json
from ringoff.domain.carrier import TrunkReport, TrunkSpec
from ringoff.domain.identifiers import (
    AgentId,
    AttemptId,
    CallId,
    CampaignId,
    OwnerId,
    TrunkId,
    WorkspaceId,
)
from ringoff.domain.pacing import BREAKER_OPEN_MAX_S, BREAKER_OPEN_S, PACE_SHARE_MIN, RECOVERY_S, REDUCED_SHARE
from ringoff.domain.termination import IDEMPOTENCY_KEEP_H
from ringoff.store.connection import Connection, asyncpg, row_count
from ringoff.store.partitions import span_of
from ringoff.store.sql_loader import load
from ringoff.store.workspaces import handling_of

_SQL = load("dispatch")
_RESCUE = load("rescue")
_WORK = load("work")
_TRUNK_HEALTH = load("trunk_health")
_UPKEEP = load("upkeep")
_MARK = load("postgres")["mark"]


class PostgresDispatch:
    """Implements ``dispatch_ports.DispatchStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def work(
        self,
        now: datetime | None,
        resting: Sequence[TrunkId] = (),
        campaigns_max: int = 1_000,
        closed: Sequence[ClosedCampaign] = (),
    ) -> Sequence[DialWork]:
        rows = await self._connection.fetch(
            _WORK["work"],
            now,
            resting,
            campaigns_max,
            [campaign.campaign_id for campaign in closed],
            [campaign.changed_at for campaign in closed],
            [campaign.opens_at for campaign in closed],
        )
        configs: dict[str, CallConfig] = {}
        work = []
        for row in rows:
            # Campaigns often share one configuration: parse each distinct one once per reading.
            key = repr(row["call_config"])
            config = configs.get(key)
            if config is None:
                config = configs[key] = from_json(row["call_config"])
            work.append(
                DialWork(
                    workspace_id=row["workspace_id"],
                    campaign_id=row["campaign_id"],
                    agent_id=row["agent_id"],
                    trunk_id=row["trunk_id"],
                    epoch=row["epoch"],
                    is_individual=row["kind"] == "individual",
                    call_config=config,
                    calling_numbers=row["calling_numbers"],
                    number_pool_id=row["number_pool_id"],
                    trunk=TrunkSpec(row["workspace_id"], row["trunk_id"], row["driver"], row["trunk_config"]),
                    handling=handling_of(row),
                    agent_changed_at=row["agent_changed_at"],
                    campaign_changed_at=row["campaign_changed_at"],
                    next_due_at=row["next_due_at"],
                    now=row["now"],
                )
            )
        return work

    async def lock_trunk(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> None:
        await self._connection.fetch(_SQL["lock_trunk"], workspace_id, trunk_id)

    async def pace_state(self, workspace_id: WorkspaceId, trunk_id: TrunkId, slot_ttl_s: float) -> PaceState:
        row = await self._connection.fetchrow(_SQL["pace_state"], workspace_id, trunk_id, slot_ttl_s)
        assert row is not None, "trunks are never deleted"
        return PaceState(
            cps_max=row["cps_max"],
            channels_max=row["channels_max"],
            is_enabled=row["is_enabled"],
            reduced_cps=row["reduced_cps"],
            reduced_age_s=row["reduced_age_s"],
            silent_count=row["silent_count"],
            is_silent=row["is_silent"],
            live_count=row["live_count"],
            grants=list(zip(row["grant_ages_s"], row["grant_counts"], strict=True)),
        )

    async def claim(
        self,
        work: DialWork,
        owner_id: OwnerId,
        count_max: int,
        lease_s: float,
        rotation: int,
        now: datetime | None,
    ) -> Sequence[ClaimedCall]:
        rows = await self._connection.fetch(
            _SQL["claim"],
            work.workspace_id,
            work.campaign_id,
            work.epoch,
            work.trunk_id,
            owner_id,
            work.calling_numbers,
            count_max,
            lease_s,
            now,
            rotation,
            work.agent_id,
        )
        return [
            ClaimedCall(
                attempt_id=row["attempt_id"],
                call_id=row["call_id"],
                called_number=row["called_number"],
                calling_number=row["calling_number"],
                callee_name=row["callee_name"],
                custom_args=row["custom_args"],
                retries_used=row["retries_used"],
                congestion_count=row["congestion_count"],
                call_config=None if row["call_config"] is None else from_json(row["call_config"]),
                has_place=row["has_place"],
            )
            for row in rows
        ]

    async def lock_for_permit(self, workspace_id: WorkspaceId, agent_id: AgentId, campaign_id: CampaignId) -> None:
        await self._connection.fetch(_SQL["lock_for_permit"], workspace_id, agent_id, campaign_id)

    async def permit(
        self,
        work: DialWork,
        owner_id: OwnerId,
        attempts: Sequence[tuple[AttemptId, CallId, datetime]],
        lease_s: float,
        now: datetime | None,
    ) -> Sequence[AttemptId]:
        rows = await self._connection.fetch(
            _SQL["permit"],
            work.workspace_id,
            work.campaign_id,
            work.agent_id,
            work.epoch,
            owner_id,
            [attempt_id for attempt_id, _, _ in attempts],
            [call_id for _, call_id, _ in attempts],
            [window_until for _, _, window_until in attempts],
            lease_s,
            now,
            *span_of(call_id for _, call_id, _ in attempts),
        )
        return [row["attempt_id"] for row in rows]

    async def lock_calls(self, workspace_id: WorkspaceId, call_ids: Sequence[CallId]) -> None:
        await self._connection.fetch(_SQL["lock_calls"], workspace_id, call_ids, *span_of(call_ids))

    async def permit_again(
        self, work: DialWork, owner_id: OwnerId, attempts: Sequence[AttemptKey], lease_s: float
    ) -> Sequence[AttemptId]:
        rows = await self._connection.fetch(
            _SQL["permit_again"],
            work.workspace_id,
            work.campaign_id,
            work.agent_id,
            work.epoch,
            owner_id,
            [key.attempt_id for key in attempts],
            lease_s,
            *span_of(key.call_id for key in attempts),
        )
        return [row["attempt_id"] for row in rows]

    async def skip_suppressed(self, work: DialWork, call_ids: Sequence[CallId]) -> Sequence[CallId]:
        rows = await self._connection.fetch(
            _SQL["skip_suppressed"],
            work.workspace_id,
            work.campaign_id,
            work.agent_id,
            work.epoch,
            call_ids,
            *span_of(call_ids),
        )
        return [row["call_id"] for row in rows]

    async def give_back(self, workspace_id: WorkspaceId, owner_id: OwnerId, attempts: Sequence[AttemptKey]) -> None:
        ids, span = [key.attempt_id for key in attempts], span_of(key.call_id for key in attempts)
        await self._connection.execute(_SQL["give_back_calls"], workspace_id, owner_id, ids, *span)
        await self._connection.execute(_SQL["give_back_attempts"], workspace_id, owner_id, ids, *span)

    async def defer(self, workspace_id: WorkspaceId, until_by_call: Mapping[CallId, datetime]) -> None:
        await self._connection.execute(
            _SQL["defer"],
            workspace_id,
            list(until_by_call.keys()),
            list(until_by_call.values()),
            *span_of(until_by_call),
        )

    async def record_progress(
        self,
        rang: Sequence[tuple[WorkspaceId, AttemptKey, datetime]],
        answered: Sequence[tuple[WorkspaceId, AttemptKey, datetime]],
    ) -> None:
        for name, marks in (("record_rang", rang), ("record_answered", answered)):
            if marks:
                await self._connection.execute(
                    _SQL[name],
                    [workspace_id for workspace_id, _, _ in marks],
                    [key.attempt_id for _, key, _ in marks],
                    [at for _, _, at in marks],
                    [key.call_id for _, key, _ in marks],
                    *span_of(key.call_id for _, key, _ in marks),
                )

    async def record_driver_ids(self, workspace_id: WorkspaceId, driver_ids: Mapping[AttemptKey, str]) -> None:
        await self._connection.execute(
            _SQL["record_driver_ids"],
            workspace_id,
            [key.attempt_id for key in driver_ids],
            list(driver_ids.values()),
            [key.call_id for key in driver_ids],
            *span_of(key.call_id for key in driver_ids),
        )

    async def settle(self, entries: Sequence[SettleEntry]) -> Sequence[SettledCall]:
        rows = await self._connection.fetch(
            _SQL["settle"],
            [e.workspace_id for e in entries],
            [e.attempt_id for e in entries],
            [e.call_id for e in entries],
            [e.outcome.disposition for e in entries],
            [e.outcome.cause.sip_status for e in entries],
            [e.outcome.cause.q850_cause for e in entries],
            [e.outcome.cause.text for e in entries],
            [e.outcome.talk_ms for e in entries],
            [e.outcome.voicemail_detected for e in entries],
            [e.rang_at for e in entries],
            [e.answered_at for e in entries],
            [e.released_at for e in entries],
            [e.status for e in entries],
            [e.sub_status for e in entries],
            [e.next_attempt_at for e in entries],
            [e.spends_retry for e in entries],
            [e.hung_up_by for e in entries],
            [e.is_answer_new for e in entries],
            *span_of(e.call_id for e in entries),
        )
        return await self._counted(rows)

    async def _counted(self, rows: Sequence[asyncpg.Record]) -> Sequence[SettledCall]:
        """What ended before the sweeper could mark it, but was on the wire when the order came, is on the receipt."""
        barred = Counter((row["workspace_id"], row["barred_by"]) for row in rows if row["barred_by"] is not None)
        for (workspace_id, termination_id), count in sorted(barred.items()):
            await self._connection.execute(_SQL["add_barred"], workspace_id, termination_id, count)
        return [SettledCall(row["call_id"], CallStatus(row["status"]), row["sub_status"]) for row in rows]

    async def releases_wanted(self, owner_id: OwnerId, count_max: int) -> Sequence[WantedRelease]:
        rows = await self._connection.fetch(_SQL["releases_wanted"], owner_id, count_max)
        return [WantedRelease(**dict(row)) for row in rows]

    async def releases_done(self, wanted: Sequence[WantedRelease]) -> None:
        await self._connection.execute(
            _SQL["releases_done"], [w.workspace_id for w in wanted], [w.attempt_id for w in wanted]
        )

    async def renew_leases(
        self, owner_id: OwnerId, attempts: Sequence[tuple[WorkspaceId, AttemptKey]], lease_s: float
    ) -> None:
        await self._connection.execute(
            _SQL["renew_leases"],
            owner_id,
            [key.attempt_id for _, key in attempts],
            lease_s,
            [workspace_id for workspace_id, _ in attempts],
            [key.call_id for _, key in attempts],
            *span_of(key.call_id for _, key in attempts),
        )

    async def expired(self, count_max: int) -> Sequence[ExpiredAttempt]:
        rows = await self._connection.fetch(_RESCUE["expired"], count_max)
        return [_expired(dict(row)) for row in rows]

    async def reconcile(self, attempts: Sequence[ExpiredAttempt]) -> Reconciled:
        rows = await self._connection.fetch(
            _RESCUE["reconcile"],
            [a.workspace_id for a in attempts],
            [a.attempt_id for a in attempts],
            [a.call_id for a in attempts],
            *span_of(a.call_id for a in attempts),
            [a.lease_until for a in attempts],
        )
        closed = frozenset(AttemptId(row["closed_attempt_id"]) for row in rows)
        return Reconciled(closed, await self._counted([row for row in rows if row["call_id"] is not None]))

    async def slow_trunk(self, workspace_id: WorkspaceId, trunk_id: TrunkId, hold_s: float) -> None:
        await self._connection.execute(
            _TRUNK_HEALTH["slow_trunk"], workspace_id, trunk_id, REDUCED_SHARE, RECOVERY_S, PACE_SHARE_MIN, hold_s
        )

    async def stop_trunk(self, workspace_id: WorkspaceId, trunk_id: TrunkId, alarm: str) -> None:
        await self._connection.execute(_TRUNK_HEALTH["stop_trunk"], workspace_id, trunk_id, alarm)

    async def trip_breaker(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> bool:
        status = await self._connection.execute(
            _TRUNK_HEALTH["trip_breaker"], workspace_id, trunk_id, BREAKER_OPEN_S, BREAKER_OPEN_MAX_S
        )
        return row_count(status) > 0

    async def close_breaker(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> bool:
        return row_count(await self._connection.execute(_TRUNK_HEALTH["close_breaker"], workspace_id, trunk_id)) > 0

    async def enabled_trunks(self) -> Sequence[TrunkSpec]:
        rows = await self._connection.fetch(_TRUNK_HEALTH["enabled_trunks"])
        return [TrunkSpec(row["workspace_id"], row["trunk_id"], row["driver"], row["config"]) for row in rows]

    async def record_trunk_report(self, report: TrunkReport) -> None:
        await self._connection.execute(
            _TRUNK_HEALTH["record_trunk_report"], report.workspace_id, report.trunk_id, report.is_up, report.text[:500]
        )

    async def leave_mark(self) -> None:
        await self._connection.fetchval(_MARK)

    async def prune(self, outbox_keep_h: int, count_max: int) -> int:
        await self._connection.execute(_UPKEEP["steer"])
        event_count = await self._connection.fetchval(_UPKEEP["prune_outbox"], count_max, outbox_keep_h)
        statuses = [
            await self._connection.execute(_UPKEEP["prune_pace_grants"], count_max),
            await self._connection.execute(_UPKEEP["prune_idempotency_keys"], count_max, IDEMPOTENCY_KEEP_H),
            await self._connection.execute(_UPKEEP["prune_releases"], count_max),
            await self._connection.execute(_UPKEEP["prune_callbacks"], count_max),
            await self._connection.execute(_UPKEEP["prune_deliveries"], count_max),
            await self._connection.execute(_UPKEEP["prune_seconds"], count_max),
        ]
        return int(event_count) + sum(row_count(status) for status in statuses)


def _expired(columns: dict[str, Any]) -> ExpiredAttempt:
    driver, config = columns.pop("driver"), columns.pop("trunk_config")
    trunk = TrunkSpec(columns["workspace_id"], columns.pop("trunk_id"), driver, config)
    return ExpiredAttempt(trunk=trunk, **columns)
