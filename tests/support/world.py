"""A small world in a real database: a workspace with an agent, a trunk, campaigns and calls, and short ways to look."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import uuid4

from ringoff.dispatch.supervisor import Supervisor
from ringoff.domain.attempt_records import ClaimedCall, DialWork
from ringoff.domain.call_config import CallConfig
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import AgentId, ApiKeyId, CallId, CampaignId, TrunkId, WorkspaceId
from ringoff.domain.records import NewCall, NewCampaign
from ringoff.domain.retry_policy import RetryPolicy
from ringoff.domain.workspace import Principal
from ringoff.store.postgres import PostgresStore

CALLING_NUMBER = "+12025550100"
RETRYING = CallConfig(retry=RetryPolicy(retry_count=3, retry_busy_min=0, retry_not_picked_min=0, retry_failed_min=0))


@dataclass
class World:
    """One workspace; several may share a database."""

    store: PostgresStore
    principal: Principal
    agent_id: AgentId
    trunk_id: TrunkId
    campaigns: list[CampaignId] = field(default_factory=list)

    @property
    def workspace_id(self) -> WorkspaceId:
        return self.principal.workspace_id

    @classmethod
    async def make(cls, store: PostgresStore, *, cps_max: float = 100_000, channels_max: int = 100_000) -> Self:
        async with store.transaction() as tx:
            workspace = await tx.workspaces.add_workspace(f"workspace {uuid4()}")
            key = await tx.workspaces.add_api_key(workspace.workspace_id, "key", uuid4().bytes * 2, "prefix")
            assert key is not None
            agent = await tx.workspaces.add_agent(workspace.workspace_id, "agent", "outbound", "en-US", [], {})
            trunk = await tx.workspaces.add_trunk(
                workspace.workspace_id, "trunk", "simulated", cps_max, channels_max, {}
            )
            await tx.workspaces.add_number(workspace.workspace_id, CALLING_NUMBER, None, trunk.trunk_id)
        principal = Principal(workspace.workspace_id, ApiKeyId(key.api_key_id))
        return cls(store, principal, agent.agent_id, trunk.trunk_id)

    async def another_agent(self) -> AgentId:
        async with self.store.transaction() as tx:
            agent = await tx.workspaces.add_agent(self.workspace_id, "agent", "outbound", "en-US", [], {})
        return agent.agent_id

    async def draft(
        self, numbers: Sequence[str], *, config: CallConfig = RETRYING, agent_id: AgentId | None = None
    ) -> CampaignId:
        """A campaign with one call for each number, not started."""
        start_at = datetime(2026, 1, 1, tzinfo=UTC)
        async with self.store.transaction() as tx:
            campaign_id = await tx.campaigns.add_campaign(
                NewCampaign(
                    workspace_id=self.workspace_id,
                    agent_id=agent_id or self.agent_id,
                    name="campaign",
                    call_config=config,
                    variables_map={},
                    start_at=start_at,
                    end_at=start_at + timedelta(days=36_500),
                )
            )
            for line_no, number in enumerate(numbers, start=2):
                await tx.connection.execute(
                    "INSERT INTO contact (workspace_id, campaign_id, called_number, callee_name, custom_args, line_no)"
                    " VALUES ($1, $2, $3, 'somebody', '{}', $4)",
                    self.workspace_id,
                    campaign_id,
                    number,
                    line_no,
                )
            await tx.campaigns.register_contacts(self.workspace_id, campaign_id)
        self.campaigns.append(campaign_id)
        return campaign_id

    async def campaign(
        self, numbers: Sequence[str], *, config: CallConfig = RETRYING, agent_id: AgentId | None = None
    ) -> CampaignId:
        """A started campaign with one call for each number."""
        campaign_id = await self.draft(numbers, config=config, agent_id=agent_id)
        async with self.store.transaction() as tx:
            await tx.campaigns.start(self.workspace_id, campaign_id, self.trunk_id, [CALLING_NUMBER], None)
        return campaign_id

    async def individual_call(
        self, number: str, *, config: CallConfig = RETRYING, agent_id: AgentId | None = None
    ) -> CallId:
        async with self.store.transaction() as tx:
            agent = agent_id or self.agent_id
            await tx.terminations.lock_agent(self.workspace_id, agent, shared=True)
            campaign_id, epoch = await tx.campaigns.individual_campaign(self.workspace_id, agent, self.trunk_id)
            return await tx.calls.register(
                NewCall(
                    workspace_id=self.workspace_id,
                    campaign_id=campaign_id,
                    epoch=epoch,
                    called_number=number,
                    calling_number=CALLING_NUMBER,
                    callee_name="somebody",
                    custom_args={},
                    call_config=config,
                    next_attempt_at=None,
                )
            )

    async def subscribe(self, *event_types: EventType, agent_id: AgentId | None = None) -> None:
        async with self.store.transaction() as tx:
            await tx.subscriptions.replace(self.workspace_id, agent_id, list(event_types))

    async def statuses(self) -> dict[CallId, tuple[str, str]]:
        """Effective status and sub-status of every call of the workspace."""
        async with self.store.transaction() as tx:
            rows = await tx.connection.fetch(
                "SELECT call_id, status, sub_status FROM call_effective WHERE workspace_id = $1", self.workspace_id
            )
        return {row["call_id"]: (row["status"], row["sub_status"]) for row in rows}

    async def raw_statuses(self) -> dict[CallId, tuple[str, str]]:
        """What is written in the rows, whatever the fences say."""
        async with self.store.transaction() as tx:
            rows = await tx.connection.fetch(
                "SELECT call_id, status, sub_status FROM call WHERE workspace_id = $1", self.workspace_id
            )
        return {row["call_id"]: (row["status"], row["sub_status"]) for row in rows}

    async def status_by_number(self) -> dict[str, tuple[str, str]]:
        async with self.store.transaction() as tx:
            rows = await tx.connection.fetch(
                "SELECT called_number, status, sub_status FROM call_effective WHERE workspace_id = $1",
                self.workspace_id,
            )
        return {row["called_number"]: (row["status"], row["sub_status"]) for row in rows}

    async def call_ids(self) -> dict[str, CallId]:
        """The calls by their called numbers; only for worlds where numbers are not shared."""
        async with self.store.transaction() as tx:
            rows = await tx.connection.fetch(
                "SELECT called_number, call_id FROM call_effective WHERE workspace_id = $1", self.workspace_id
            )
        return {row["called_number"]: row["call_id"] for row in rows}

    async def count(self, statement: str, *arguments: object) -> int:
        async with self.store.transaction() as tx:
            return int(await tx.connection.fetchval(statement, *arguments))

    async def claim(self, supervisor: Supervisor, count_max: int = 50) -> list[tuple[DialWork, list[ClaimedCall]]]:
        """What the dispatcher would claim now, campaign by campaign."""
        claimed = []
        async with self.store.transaction() as tx:
            for work in await tx.dispatch.work(None):
                if work.workspace_id == self.workspace_id:
                    calls = await tx.dispatch.claim(work, supervisor.owner_id, count_max, 15.0, 0, None)
                    if calls:
                        claimed.append((work, list(calls)))
        return claimed

    async def dial(self, supervisor: Supervisor, clock_now: float) -> None:
        """Claim everything due and dial it."""
        for work, calls in await self.claim(supervisor):
            await supervisor.dialer.dial(work, calls, clock_now)

    async def sweep_all(self, supervisor: Supervisor) -> None:
        while await supervisor.sweeper.sweep() is not None:
            pass
