"""Tenants, keys, agents, trunks and numbers against PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from ringoff.domain.carrier import AnswerHandling, HandlingKind
from ringoff.domain.identifiers import AgentId, ApiKeyId, NumberId, TrunkId, WorkspaceId
from ringoff.domain.workspace import (
    Agent,
    AgentFilter,
    ApiKey,
    CallingNumber,
    NumberFilter,
    Principal,
    Trunk,
    Workspace,
)
from ringoff.store.connection import Connection, row_count
from ringoff.store.sql_loader import load

_SQL = load("workspaces")
_COVERAGE = load("coverage")


class PostgresWorkspaces:
    """Implements ``ports.WorkspaceStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_first_rows(self) -> None:
        await self._connection.fetchval(_SQL["lock_first_rows"])

    async def add_workspace(self, name: str) -> Workspace:
        return Workspace(**dict(await self._one("add_workspace", name)))

    async def workspace(self, workspace_id: WorkspaceId) -> Workspace | None:
        row = await self._connection.fetchrow(_SQL["workspace"], workspace_id)
        return None if row is None else Workspace(**dict(row))

    async def workspaces(self) -> Sequence[Workspace]:
        return [Workspace(**dict(row)) for row in await self._connection.fetch(_SQL["workspaces"])]

    async def add_api_key(
        self, workspace_id: WorkspaceId, name: str, key_hash: bytes, prefix: str, api_key_id: ApiKeyId | None = None
    ) -> ApiKey | None:
        row = await self._connection.fetchrow(_SQL["add_api_key"], workspace_id, name, key_hash, prefix, api_key_id)
        return None if row is None else ApiKey(**dict(row))

    async def principal_by_key_hash(self, key_hash: bytes) -> Principal | None:
        row = await self._connection.fetchrow(_SQL["principal_by_key_hash"], key_hash)
        return None if row is None else Principal(**dict(row))

    async def api_keys(self, workspace_id: WorkspaceId) -> Sequence[ApiKey]:
        return [ApiKey(**dict(row)) for row in await self._connection.fetch(_SQL["api_keys"], workspace_id)]

    async def revoke_api_key(self, workspace_id: WorkspaceId, api_key_id: ApiKeyId) -> ApiKey | None:
        row = await self._connection.fetchrow(_SQL["revoke_api_key"], workspace_id, api_key_id)
        return None if row is None else ApiKey(**dict(row))

    async def add_agent(
        self,
        workspace_id: WorkspaceId,
        display_name: str,
        agent_type: str,
        primary_language: str,
        custom_variables: Sequence[str],
        config: Mapping[str, Any],
    ) -> Agent:
        row = await self._one(
            "add_agent", workspace_id, display_name, agent_type, primary_language, list(custom_variables), dict(config)
        )
        return _agent(row)

    async def agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> Agent | None:
        row = await self._connection.fetchrow(_SQL["agent"], workspace_id, agent_id)
        return None if row is None else _agent(row)

    async def agent_to_edit(self, workspace_id: WorkspaceId, agent_id: AgentId) -> Agent | None:
        row = await self._connection.fetchrow(_SQL["agent_to_edit"], workspace_id, agent_id)
        return None if row is None else _agent(row)

    async def change_agent(self, agent: Agent) -> Agent | None:
        row = await self._connection.fetchrow(
            _SQL["change_agent"],
            agent.workspace_id,
            agent.agent_id,
            agent.display_name,
            agent.primary_language,
            list(agent.custom_variables),
            dict(agent.config),
            agent.agent_type,
        )
        return None if row is None else _agent(row)

    async def agent_names(self, workspace_id: WorkspaceId, limit: int) -> Mapping[AgentId, str]:
        rows = await self._connection.fetch(_SQL["agent_names"], workspace_id, limit)
        return {AgentId(row["agent_id"]): row["display_name"] for row in rows}

    async def archive_agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> bool:
        archived = row_count(await self._connection.execute(_SQL["archive_agent"], workspace_id, agent_id)) == 1
        if archived:
            await self._connection.execute(_SQL["detach_numbers"], workspace_id, agent_id)
        return archived

    async def attach_number(self, workspace_id: WorkspaceId, number_id: NumberId, agent_id: AgentId) -> bool:
        status = await self._connection.execute(_SQL["attach_number"], workspace_id, number_id, agent_id)
        return row_count(status) == 1

    async def detach_number(self, workspace_id: WorkspaceId, number_id: NumberId, agent_id: AgentId) -> bool:
        status = await self._connection.execute(_SQL["detach_number"], workspace_id, number_id, agent_id)
        return row_count(status) == 1

    async def attached_agents(self, workspace_id: WorkspaceId) -> Mapping[AgentId, str]:
        rows = await self._connection.fetch(_SQL["attached_agents"], workspace_id)
        return {row["agent_id"]: row["display_name"] for row in rows}

    async def campaign_showing(self, workspace_id: WorkspaceId, number: str) -> str | None:
        name: str | None = await self._connection.fetchval(_SQL["campaign_showing"], workspace_id, number)
        return name

    async def individual_call_shows(self, workspace_id: WorkspaceId, number: str) -> bool:
        return bool(await self._connection.fetchval(_COVERAGE["individual_call_shows"], workspace_id, number))

    async def change_handling(
        self, workspace_id: WorkspaceId, agent_id: AgentId, handling: AnswerHandling
    ) -> Agent | None:
        row = await self._connection.fetchrow(
            _SQL["change_handling"],
            workspace_id,
            agent_id,
            handling.kind,
            handling.target,
            handling.is_failure_retried,
        )
        return None if row is None else _agent(row)

    async def agents(self, workspace_id: WorkspaceId, limit: int, offset: int) -> Sequence[tuple[Agent, int]]:
        rows = await self._connection.fetch(_SQL["agents"], workspace_id, limit, offset)
        return [(_agent(row), row["call_count"]) for row in rows]

    async def agents_uncounted(self, workspace_id: WorkspaceId, wanted: AgentFilter) -> Sequence[Agent]:
        arguments = (workspace_id, wanted.name_part, wanted.below, wanted.limit)
        return [_agent(row) for row in await self._connection.fetch(_SQL["agents_uncounted"], *arguments)]

    async def add_trunk(
        self,
        workspace_id: WorkspaceId,
        name: str,
        driver: str,
        cps_max: float,
        channels_max: int,
        config: Mapping[str, Any],
    ) -> Trunk:
        return Trunk(**dict(await self._one("add_trunk", workspace_id, name, driver, cps_max, channels_max, config)))

    async def trunk(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> Trunk | None:
        row = await self._connection.fetchrow(_SQL["trunk"], workspace_id, trunk_id)
        return None if row is None else Trunk(**dict(row))

    async def trunks(self, workspace_id: WorkspaceId) -> Sequence[Trunk]:
        return [Trunk(**dict(row)) for row in await self._connection.fetch(_SQL["trunks"], workspace_id)]

    async def change_trunk(
        self,
        workspace_id: WorkspaceId,
        trunk_id: TrunkId,
        name: str | None,
        cps_max: float | None,
        channels_max: int | None,
        is_enabled: bool | None,
        config: Mapping[str, Any] | None,
    ) -> Trunk | None:
        row = await self._connection.fetchrow(
            _SQL["change_trunk"], workspace_id, trunk_id, name, cps_max, channels_max, is_enabled, config
        )
        return None if row is None else Trunk(**dict(row))

    async def add_number(
        self, workspace_id: WorkspaceId, number: str, display_name: str | None, trunk_id: TrunkId
    ) -> CallingNumber | None:
        row = await self._connection.fetchrow(_SQL["add_number"], workspace_id, number, display_name, trunk_id)
        return None if row is None else CallingNumber(**dict(row))

    async def number(self, workspace_id: WorkspaceId, number_id: NumberId) -> CallingNumber | None:
        row = await self._connection.fetchrow(_SQL["number"], workspace_id, number_id)
        return None if row is None else CallingNumber(**dict(row))

    async def remove_number(self, workspace_id: WorkspaceId, number_id: NumberId) -> CallingNumber | None:
        row = await self._connection.fetchrow(_SQL["remove_number"], workspace_id, number_id)
        return None if row is None else CallingNumber(**dict(row))

    async def numbers(self, workspace_id: WorkspaceId) -> Sequence[tuple[CallingNumber, int]]:
        rows = await self._connection.fetch(_SQL["numbers"], workspace_id)
        return [(_number(row), row["call_count"]) for row in rows]

    async def own_numbers(self, workspace_id: WorkspaceId, wanted: NumberFilter) -> Sequence[CallingNumber]:
        arguments = (workspace_id, wanted.above, wanted.agent_id, wanted.limit)
        return [_number(row) for row in await self._connection.fetch(_SQL["own_numbers"], *arguments)]

    async def numbers_matching(
        self, workspace_id: WorkspaceId, numbers_or_ids: Sequence[str]
    ) -> Mapping[str, CallingNumber]:
        rows = await self._connection.fetch(_SQL["numbers_matching"], workspace_id, list(numbers_or_ids))
        return {row["given"]: _number(row) for row in rows}

    async def _one(self, statement: str, *arguments: object) -> asyncpg.Record:
        row = await self._connection.fetchrow(_SQL[statement], *arguments)
        assert row is not None, "INSERT … RETURNING gives the row or raises"
        return row


def _agent(row: asyncpg.Record) -> Agent:
    return Agent(
        agent_id=row["agent_id"],
        workspace_id=row["workspace_id"],
        display_name=row["display_name"],
        agent_type=row["agent_type"],
        handling=handling_of(row),
        primary_language=row["primary_language"],
        custom_variables=tuple(row["custom_variables"]),
        config=row["config"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        archived_at=row["archived_at"],
    )


def _number(row: asyncpg.Record) -> CallingNumber:
    return CallingNumber(
        number_id=row["number_id"],
        workspace_id=row["workspace_id"],
        number=row["number"],
        display_name=row["display_name"],
        trunk_id=row["trunk_id"],
        created_at=row["created_at"],
        agent_id=row["agent_id"],
        number_pool_id=row["number_pool_id"],
        cps_max=row["cps_max"],
    )


def handling_of(row: asyncpg.Record) -> AnswerHandling:
    """From the columns of table agent."""
    return AnswerHandling(
        HandlingKind(row["handling_kind"]), row["handling_target"], row["handling_is_failure_retried"]
    )
